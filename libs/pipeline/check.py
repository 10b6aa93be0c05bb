"""Phase 5, check: every hop holds what the hop before it held, and the contract is kept.

What belongs here: comparing hops. What does not: the user's contract (`libs.pipeline.contract`),
reading back the dumped files (`libs.pipeline.dump`).
"""

from libs.compute.measure import invalid_places, is_finite
from libs.models.errors import FidelityError
from libs.models.version import Warn
from libs.pipeline.contract import check_contract
from libs.pipeline.state import Checked, Transformed, TransformedTable
from libs.pipeline.workbench import Workbench

DEFECT_REMEDY = (
    "Nothing was published. Report the drop's id with the file: the pipeline lost or changed data."
)


def check(bench: Workbench, transformed: Transformed) -> Checked:
    """Compare all hops so far; raises `FidelityError` or `ContractError`."""
    warnings: list[Warn] = []
    checks = 0
    for table in transformed.tables:
        checks += _check_counts(table)
        warnings += _invalid_geometries(bench, table)
    checks += check_contract(bench, transformed)
    return Checked(transformed, checks, tuple(warnings))


def _check_counts(table: TransformedTable) -> int:
    for source, loaded in zip(table.plan.sources, table.loaded.loaded_rows, strict=True):
        _require_equal(table, "rows_loaded", "rows loaded", source.layer.rows, loaded)
    _require_equal(
        table, "rows_transformed", "rows after the transform",
        sum(table.loaded.loaded_rows), table.facts.rows,
    )  # fmt: skip
    if table.plan.geometry is None:
        return len(table.plan.sources) + 1
    nulls = sum(
        source.layer.null_geometries if source.layer.has_geometry else source.layer.rows
        for source in table.plan.sources
    )
    _require_equal(
        table, "null_geometries", "rows without geometry", nulls, table.facts.null_geometries
    )
    if table.facts.bbox and not is_finite(table.facts.bbox):
        raise FidelityError(
            "fidelity.not_finite",
            f"Table {table.plan.name!r}: expected finite coordinates, found the extent "
            f"{list(table.facts.bbox)}.",
            remedy="Correct coordinates that are infinite, not a number, or outside the area the "
            "target CRS is made for; or set options.target_crs to 'source'.",
            file=table.plan.sources[0].file,
            layer=table.plan.sources[0].layer.name,
        )
    return len(table.plan.sources) + 3


def _require_equal(
    table: TransformedTable, code: str, what: str, expected: int, found: int
) -> None:
    if expected != found:
        raise FidelityError(
            f"fidelity.{code}",
            f"Table {table.plan.name!r}: expected {expected} {what}, found {found}.",
            remedy=DEFECT_REMEDY,
            file=table.plan.sources[0].file,
            layer=table.plan.sources[0].layer.name,
        )


def _invalid_geometries(bench: Workbench, table: TransformedTable) -> list[Warn]:
    if not table.facts.invalid_geometries:
        return []
    places = invalid_places(bench.clients.postgis, bench.schema, table.name)
    first = "; ".join(f"row {row}: {reason} at {place}" for row, reason, place in places)
    return [
        Warn(
            code="geometry.invalid",
            message=f"Table {table.plan.name!r}: {table.facts.invalid_geometries} geometries are "
            f"not valid and were kept as they are, e.g. {first}. options.repair makes them valid.",
            file=table.plan.sources[0].file,
            layer=table.plan.sources[0].layer.name,
        )
    ]
