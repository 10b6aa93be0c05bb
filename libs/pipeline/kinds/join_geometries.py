"""The geometries of a join's sides: the way they take to one CRS, and what a repair makes of them.

The right side goes to the CRS of the left one, where they meet, and both from there to the target.

What belongs here: what a user should know of that way, and what refuses it. What does not: the
statements (`libs.compute.joining`), how the sides meet (`libs.pipeline.kinds.join`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from libs.compute.invalid_geometries import count_invalid, repairs
from libs.compute.joining import JoinOrder
from libs.compute.measure import TableFacts
from libs.compute.transform import TransformSource
from libs.models.errors import SourceError
from libs.models.version import Transformation, Warn
from libs.pipeline.kinds.geometries import shown_repairs
from libs.pipeline.kinds.join_sides import JoinSource
from libs.pipeline.kinds.reprojecting import (
    Reprojection,
    judge_reprojection,
    require_transformable,
    require_ways,
)
from libs.pipeline.state import LoadedRows, TransformedJoin
from libs.pipeline.workbench import Workbench


def side_ways(table: LoadedRows, order: JoinOrder, target_srid: int) -> tuple[Reprojection, ...]:
    """Return the ways of both sides to where they meet, and from there to the target CRS.

    There are none without geometries. Raises `CrsError` where PROJ knows no way.
    """
    plan = table.plan
    common = next((source.crs for source in plan.sources if source.crs), None)
    if common is None or plan.crs is None or order.common_srid is None:
        return ()
    met = tuple(
        replace(source, crs=source.crs and common)
        for source in plan.sources
        if isinstance(source, JoinSource)
    )
    sides = (order.left, order.right)
    ways = (
        Reprojection(
            table,
            tuple(_placed(side.raw_table, side.srid or 0) for side in sides),
            common,
            order.common_srid,
        ),
        Reprojection(
            replace(table, plan=replace(plan, sources=met)),
            tuple(_placed(side.table, order.common_srid) for side in sides),
            plan.crs,
            target_srid,
        ),
    )
    for way in ways:
        require_ways(way)
    return ways


@contextmanager
def naming_rows(bench: Workbench, ways: Sequence[Reprojection]) -> Iterator[None]:
    """Let PostGIS move geometries; raises `CrsError` naming the rows where it cannot."""
    try:
        yield
    except SourceError:
        for way in ways:
            require_transformable(bench, way)
        raise


def judge_ways(
    bench: Workbench, ways: Sequence[Reprojection], facts: TableFacts
) -> tuple[tuple[Transformation, ...], list[Warn]]:
    """Return the operations that were taken, and what a user should know of them."""
    transformations: dict[Transformation, None] = {}
    warnings: dict[Warn, None] = {}
    for way in ways:
        taken, said = judge_reprojection(bench, way, facts)
        transformations |= dict.fromkeys(taken)
        warnings |= dict.fromkeys(said)
    return tuple(transformations), list(warnings)


def repair_warnings(bench: Workbench, table: LoadedRows, order: JoinOrder) -> list[Warn]:
    """Return what a repair changed in each side, before the sides met."""
    warnings = []
    common = next((source.crs for source in table.plan.sources if source.crs), None)
    sides = (order.left, order.right) if order.repair else ()
    for source, side in zip(table.plan.sources, sides, strict=False):
        made = repairs(bench.clients.postgis, bench.schema, side.table) if source.crs else []
        if made:
            warnings.append(
                Warn(
                    code="geometry.repaired",
                    message=f"Table {source.layer_name!r}: {shown_repairs(made, common)}",
                    file=source.file,
                    layer=source.layer_name,
                )
            )
    return warnings


def invalid_warnings(bench: Workbench, joined: TransformedJoin) -> list[Warn]:
    """Return how many geometries of the joined table are invalid."""
    found = 0
    if joined.plan.geometry:
        found = count_invalid(bench.clients.postgis, bench.schema, joined.table)
    if not found:
        return []
    code, what = "geometry.invalid", "were kept as they are. options.repair makes them valid."
    if joined.is_repaired:
        code, what = "geometry.not_repaired", "could not be repaired and were kept as they are."
    message = f"Table {joined.name!r}: {found} invalid geometries {what}"
    return [Warn(code=code, message=message, file=joined.file, layer=joined.layer)]


def _placed(table: str, srid: int) -> TransformSource:
    return TransformSource(table=table, srid=srid, is_swapped=False, positions=())
