"""The contract of a manifest: what the data must be, asked of every table.

All promises are asked of all tables before the drop is refused, so that one answer tells every
breach. Rows are named by the number they have in their source.

What belongs here: one function a promise, and the refusal. What does not: whether the pipeline lost
something (`libs.pipeline.check`), the queries (`libs.compute.offenders`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from libs.compute.offenders import (
    Offender,
    Rows,
    duplicate_keys,
    null_keys,
    of_geometry_types,
    outside_bbox,
)
from libs.compute.postgis import PostGIS
from libs.models.errors import ContractError, Reason
from libs.models.manifest import Manifest
from libs.pipeline.kinds.base import Kind
from libs.pipeline.state import Transformed, TransformedTable
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.column_types import POSTGRES_TYPES
from libs.spatial_utils.crs import parse_crs

REMEDY = "Correct the data, or the manifest's contract where it asks too much."
SEVERAL = "contract.several"


@dataclass(frozen=True)
class Case:
    """A table held against a contract; `rows` is None for a raster."""

    manifest: Manifest
    table: TransformedTable
    rows: Rows | None
    postgis: PostGIS

    def breach(self, code: str, message: str, first: Sequence[Offender] = ()) -> Reason:
        """Return a breach of the promise `code`, placed at the first of its rows."""
        file, layer, row = self.table.file, self.table.layer, None
        if first and self.rows:
            row = first[0].row
            if self.rows.sources:
                file, layer = self.rows.sources[first[0].source]
        return Reason(
            code=f"contract.{code}",
            message=f"Table {self.table.name!r}: {message}",
            remedy=REMEDY,
            file=file,
            layer=layer or None,
            row=row,
        )

    def named(self, first: Sequence[Offender]) -> str:
        """Return rows as a message names them."""
        files = self.rows.sources if self.rows else ()
        return "; ".join(
            f"row {item.row}{f' of {files[item.source][0]}' if len(files) > 1 else ''} "
            f"({item.shown})"
            for item in first
        )


Promise = Callable[[Case], Iterator[Reason]]


def check_contract(bench: Workbench, kind: Kind[Any, Any], transformed: Transformed) -> int:
    """Hold every table against the contract; return how many promises were checked.

    Raises `ContractError` naming table, promise, what was found and where: with the promise's own
    code, or `contract.several` where more than one is broken.
    """
    manifest = transformed.intake.manifest
    promises, spatial = _promises(manifest), _spatial_promises(manifest)
    has_geometry = any(table.crs is not None for table in transformed.tables)
    breaches: list[Reason] = []
    checked = 0
    for table in transformed.tables:
        case = Case(manifest, table, kind.rows(bench, table), bench.clients.postgis)
        asked = promises + (spatial if table.crs is not None else [])
        for promise in asked:
            breaches += promise(case)
        checked += len(asked)
        if spatial and not has_geometry:
            breaches += _no_geometry(case)
    if breaches:
        raise _refusal(breaches)
    return checked


def _refusal(breaches: Sequence[Reason]) -> ContractError:
    codes = {breach.code for breach in breaches}
    first = breaches[0]
    message = first.message
    if len(breaches) > 1:
        told = " ".join(f"({n}) {breach.message}" for n, breach in enumerate(breaches, 1))
        message = f"{len(breaches)} promises are broken. {told}"
    return ContractError(
        first.code if len(codes) == 1 else SEVERAL,
        message,
        remedy=REMEDY,
        file=first.file if len({breach.file for breach in breaches}) == 1 else None,
        layer=first.layer if len({breach.layer for breach in breaches}) == 1 else None,
        row=first.row if len(breaches) == 1 else None,
    )


def _promises(manifest: Manifest) -> list[Promise]:
    contract = manifest.contract
    made: list[tuple[bool, Promise]] = [
        (contract.columns is not None, _columns),
        (contract.key is not None, _key),
        (contract.min_rows is not None or contract.max_rows is not None, _row_count),
    ]
    return [promise for is_made, promise in made if is_made]


def _spatial_promises(manifest: Manifest) -> list[Promise]:
    contract = manifest.contract
    made: list[tuple[bool, Promise]] = [
        (contract.crs is not None, _crs),
        (contract.bbox is not None, _bbox),
        (manifest.geometry_types is not None, _geometry_types),
    ]
    return [promise for is_made, promise in made if is_made]


def _no_geometry(case: Case) -> Iterator[Reason]:
    contract, types = case.manifest.contract, case.manifest.geometry_types
    for code, wanted in (("crs", contract.crs), ("bbox", contract.bbox), ("geometry_types", types)):
        if wanted is not None:
            shown = ", ".join(map(str, wanted)) if isinstance(wanted, tuple) else wanted
            yield case.breach(code, f"expected {shown}, found no geometry.")


def _crs(case: Case) -> Iterator[Reason]:
    wanted, found = parse_crs(case.manifest.contract.crs or ""), case.table.crs
    if found and not found.equals(wanted):
        yield case.breach("crs", f"expected {wanted.short_name}, found {found.short_name}.")


def _bbox(case: Case) -> Iterator[Reason]:
    wanted, found = case.manifest.contract.bbox, case.table.facts.bbox
    if wanted is None or found is None:
        return
    is_inside = (
        wanted[0] <= found[0] and wanted[1] <= found[1]
        and found[2] <= wanted[2] and found[3] <= wanted[3]
    )  # fmt: skip
    if is_inside:
        return
    expected = f"expected everything within {list(wanted)}, found"
    if case.rows is None:
        yield case.breach("bbox", f"{expected} {list(found)}.")
        return
    count, first = outside_bbox(case.postgis, case.rows, wanted)
    yield case.breach(
        "bbox",
        f"{expected} {count} of {case.table.facts.rows} features outside and the extent "
        f"{list(found)}: {case.named(first)}.",
        first,
    )


def _geometry_types(case: Case) -> Iterator[Reason]:
    wanted = case.manifest.geometry_types or ()
    if case.rows is None:
        yield case.breach(
            "geometry_types", f"expected {', '.join(wanted)}, found a raster, which has no rows."
        )
        return
    found = {name.partition(" ")[0] for name in case.table.facts.geometry_types}
    wrong = sorted(found - set(wanted))
    if wrong:
        counts, first = of_geometry_types(case.postgis, case.rows, wrong)
        allowed = ", ".join(wanted) or "nothing (the intent allows none of these)"
        shown = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield case.breach(
            "geometry_types", f"expected only {allowed}, found {shown}: {case.named(first)}.", first
        )


def _columns(case: Case) -> Iterator[Reason]:
    wanted = case.manifest.contract.columns or {}
    if case.rows is None:
        yield case.breach("columns", "expected columns, found a raster, which has no rows.")
        return
    found: dict[str, set[str]] = {}
    for column in case.table.columns:
        found.setdefault(column.name, set()).add(column.type)
    missing = [f"{name} {kind}" for name, kind in wanted.items() if name not in found]
    other = [
        f"{name} {kind} (found {', '.join(sorted(found[name]))})"
        for name, kind in wanted.items()
        if name in found and kind not in found[name]
    ]
    unknown = sorted(set(wanted.values()) - set(POSTGRES_TYPES))
    parts = [
        ("no column", missing),
        ("another type for", other),
        ("a contract with the unknown type", unknown),
    ]
    said = [f"{what} {', '.join(names)}" for what, names in parts if names]
    if said:
        known = f" Types are {', '.join(POSTGRES_TYPES)}." if unknown else ""
        yield case.breach(
            "columns", f"expected {len(wanted)} columns, found {'; '.join(said)}.{known}"
        )


def _key(case: Case) -> Iterator[Reason]:
    key = case.manifest.contract.key or ()
    if case.rows is None:
        yield case.breach("key", "expected rows with a key, found a raster, which has no rows.")
        return
    names = [column.name for column in case.table.columns]
    missing = [name for name in key if name not in names]
    shown = ", ".join(key)
    if missing:
        yield case.breach(
            "key", f"expected key column {', '.join(missing)}, found {', '.join(names)}."
        )
        return
    positions = tuple(names.index(name) for name in key)
    count, first = null_keys(case.postgis, case.rows, positions)
    if count:
        yield case.breach(
            "key", f"expected ({shown}) not to be NULL, found {count}: {case.named(first)}.", first
        )
    count, first = duplicate_keys(case.postgis, case.rows, positions)
    if count:
        yield case.breach(
            "key",
            f"expected ({shown}) to be unique, found {count} rows that share their key with "
            f"another: {case.named(first)}.",
            first,
        )


def _row_count(case: Case) -> Iterator[Reason]:
    contract, rows = case.manifest.contract, case.table.facts.rows
    if case.rows is None:
        yield case.breach("rows", "expected a number of rows, found a raster, which has none.")
        return
    if contract.min_rows is not None and rows < contract.min_rows:
        yield case.breach("min_rows", f"expected at least {contract.min_rows} rows, found {rows}.")
    if contract.max_rows is not None and rows > contract.max_rows:
        yield case.breach("max_rows", f"expected at most {contract.max_rows} rows, found {rows}.")
