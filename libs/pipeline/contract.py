"""The contract of a manifest: what the data must be, asked of every table with geometry or rows.

What belongs here: one function a promise. What does not: whether the pipeline lost something
(`libs.pipeline.check`).
"""

from collections.abc import Callable

from libs.compute.measure import duplicate_keys
from libs.models.errors import ContractError
from libs.models.manifest import Manifest
from libs.pipeline.state import Transformed, TransformedRows, TransformedTable
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import parse_crs


def check_contract(bench: Workbench, transformed: Transformed) -> int:
    """Hold every table against the contract; return how many promises were checked.

    Raises `ContractError` naming table, promise, what was found and where.
    """
    manifest = transformed.intake.manifest
    checked = 0
    for table in transformed.tables:
        for promise in _promises(manifest):
            promise(bench, manifest, table)
            checked += 1
    return checked


Promise = Callable[[Workbench, Manifest, TransformedTable], None]


def _promises(manifest: Manifest) -> list[Promise]:
    contract = manifest.contract
    promises: list[tuple[bool, Promise]] = [
        (contract.crs is not None, _crs),
        (contract.bbox is not None, _bbox),
        (manifest.geometry_types is not None, _geometry_types),
        (contract.columns is not None, _columns),
        (contract.key is not None, _key),
        (contract.min_rows is not None or contract.max_rows is not None, _row_count),
    ]
    return [promise for is_made, promise in promises if is_made]


def _breach(code: str, table: TransformedTable, message: str) -> ContractError:
    return ContractError(
        f"contract.{code}",
        f"Table {table.name!r}: {message}",
        remedy="Correct the data, or the manifest's contract where it asks too much.",
        file=table.file,
        layer=table.layer or None,
    )


def _crs(_: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    wanted = parse_crs(manifest.contract.crs or "")
    if table.crs and not table.crs.equals(wanted):
        raise _breach("crs", table, f"expected {wanted.short_name}, found {table.crs.short_name}.")


def _bbox(_: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    wanted, found = manifest.contract.bbox, table.facts.bbox
    if wanted is None or found is None:
        return
    is_inside = (
        wanted[0] <= found[0] and wanted[1] <= found[1]
        and found[2] <= wanted[2] and found[3] <= wanted[3]
    )  # fmt: skip
    if not is_inside:
        raise _breach(
            "bbox", table, f"expected everything within {list(wanted)}, found {list(found)}."
        )


def _require_rows(code: str, table: TransformedTable, expected: str) -> None:
    if not isinstance(table, TransformedRows):
        raise _breach(code, table, f"expected {expected}, found a raster, which has no rows.")


def _geometry_types(_: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    wanted = manifest.geometry_types or ()
    _require_rows("geometry_types", table, ", ".join(wanted))
    if table.crs is None:
        raise _breach("geometry_types", table, f"expected {', '.join(wanted)}, found no geometry.")
    found = {name.partition(" ")[0] for name in table.facts.geometry_types}
    wrong = sorted(found - set(wanted))
    if wrong:
        raise _breach(
            "geometry_types",
            table,
            f"expected only {', '.join(wanted) or 'nothing (the intent allows none of these)'}, "
            f"found {', '.join(wrong)}.",
        )


def _columns(_: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    _require_rows("columns", table, "columns")
    found = {column.name: column.type for column in table.columns}
    wrong = [
        f"{name} {kind} (found {found.get(name, 'no such column')})"
        for name, kind in (manifest.contract.columns or {}).items()
        if found.get(name) != kind
    ]
    if wrong:
        raise _breach("columns", table, f"expected {', '.join(wrong)}.")


def _key(bench: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    if not isinstance(table, TransformedRows):
        raise _breach("key", table, "expected rows with a key, found none.")
    names = [column.name for column in table.columns]
    key = manifest.contract.key or ()
    missing = [name for name in key if name not in names]
    if missing:
        raise _breach(
            "key", table, f"expected key column {', '.join(missing)}, found {', '.join(names)}."
        )
    positions = tuple(names.index(name) for name in key)
    rows, examples = duplicate_keys(bench.clients.postgis, bench.schema, table.table, positions)
    if rows:
        raise _breach(
            "key",
            table,
            f"expected ({', '.join(key)}) to be unique and not null, found {rows} rows that are "
            f"not, e.g. {'; '.join(repr(example) for example in examples)}.",
        )


def _row_count(_: Workbench, manifest: Manifest, table: TransformedTable) -> None:
    contract, rows = manifest.contract, table.facts.rows
    _require_rows("rows", table, "a number of rows")
    if contract.min_rows is not None and rows < contract.min_rows:
        raise _breach(
            "min_rows", table, f"expected at least {contract.min_rows} rows, found {rows}."
        )
    if contract.max_rows is not None and rows > contract.max_rows:
        raise _breach(
            "max_rows", table, f"expected at most {contract.max_rows} rows, found {rows}."
        )
