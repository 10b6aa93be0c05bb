"""A table's reprojection judged: the way it took, and the rows that did not come through it well.

What belongs here: refusals and warnings about coordinates between source and target CRS. What does
not: the questions to PostGIS (`libs.compute.reprojection`), a file's own CRS (`source_crs`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from libs.compute.measure import TableFacts, is_finite
from libs.compute.reprojection import (
    HALF_TURN_DEGREES,
    rows_out_of_range,
    sample_moves,
    torn_rows,
    untransformable_rows,
)
from libs.compute.transform import TransformSource
from libs.models.errors import CrsError
from libs.models.version import Transformation, Warn
from libs.pipeline.kinds.transformations import transformation_warnings, way_warnings
from libs.pipeline.state import LoadedRows, TableSource
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import Crs
from libs.spatial_utils.operations import Move, describe_way, require_way

KEPT_HEIGHT_M = 1e-6
ROUNDING = 1e-9
DECLARE_REMEDY = (
    "Correct the rows; where all are wrong, the file names the wrong CRS: correct it there, or "
    "declare files[].crs where the file names none (GeoJSON without crs)."
)


@dataclass(frozen=True)
class Reprojection:
    """A loaded table, its sources as the transform takes them, and the CRS it gets."""

    table: LoadedRows
    sources: tuple[TransformSource, ...]
    target: Crs
    target_srid: int

    def moving(self) -> Iterator[tuple[TableSource, Crs, TransformSource, int]]:
        """Yield each source whose CRS changes: (source, its CRS, in PostGIS, rows)."""
        members = zip(self.table.plan.sources, self.sources, self.table.loaded, strict=True)
        for source, placed, loaded in members:
            if source.crs and not source.crs.equals(self.target):
                yield source, source.crs, placed, loaded.rows


def require_ways(reprojection: Reprojection) -> None:
    """Raise `CrsError` naming the source whose CRS has no way to the target.

    Geocentric coordinates are three; without Z they are no place.
    """
    geometry = reprojection.table.plan.geometry
    for source, crs, _, _ in reprojection.moving():
        if crs.proj.is_geocentric and geometry and not geometry.has_z:
            raise CrsError(
                "crs.without_z",
                f"expected x, y and z in the geocentric {crs.short_name}, found no z.",
                remedy="Correct the coordinates, or the CRS that the file names.",
                file=source.file,
                layer=source.layer_name,
            )
        require_way(crs, reprojection.target, file=source.file, layer=source.layer_name)


def require_transformable(bench: Workbench, reprojection: Reprojection) -> None:
    """Raise `CrsError` naming the first rows that PostGIS cannot bring to the target CRS."""
    for source, crs, placed, _ in reprojection.moving():
        found = untransformable_rows(
            bench.clients.postgis, bench.schema, placed, reprojection.target_srid
        )
        if found.count:
            raise CrsError(
                "crs.not_transformable",
                f"expected coordinates that can be brought from {crs.short_name} to "
                f"{reprojection.target.short_name}, found {found.count} rows that cannot: "
                f"{found.shown}.",
                remedy=f"{DECLARE_REMEDY} Or set options.target_crs to 'source'.",
                file=source.file,
                layer=source.layer_name,
                row=found.first[0][0],
            )


def judge_reprojection(
    bench: Workbench, reprojection: Reprojection, facts: TableFacts
) -> tuple[tuple[Transformation, ...], list[Warn]]:
    """Return the operations that a table's sources took, and what a user should know of it.

    Raises `CrsError` where rows became infinite, or most are no longitude and latitude at all.
    """
    if facts.bbox and not is_finite(facts.bbox):
        require_transformable(bench, reprojection)
    name, found = reprojection.table.name, dict[tuple[str, str], Transformation]()
    warnings: list[Warn] = []
    _require_degrees(bench, reprojection, facts)
    for source, crs, placed, rows in reprojection.moving():
        moves = sample_moves(
            bench.clients.postgis, bench.schema, placed, reprojection.target_srid, rows=rows
        )
        way = describe_way(crs, reprojection.target, moves)
        for item in way.transformations:
            found.setdefault((item.source_crs, item.name), item)
        warnings += way_warnings(name, way)
        warnings += _height_warnings(source, crs, reprojection.target, moves)
        warnings += _torn_warnings(bench, reprojection, facts, source, placed)
    warnings += transformation_warnings(name, found.values())
    return tuple(found.values()), warnings


def _require_degrees(bench: Workbench, reprojection: Reprojection, facts: TableFacts) -> None:
    """Raise `CrsError` where most rows of a source are no longitude and latitude.

    Longitudes may be counted from 0 to 360; a few rows that are wrong are another's to judge.
    """
    half_turn = _half_turn(reprojection.target)
    if facts.bbox is None or half_turn is None or _is_within(facts.bbox, half_turn):
        return
    table = reprojection.table
    for source, placed, loaded in zip(
        table.plan.sources, reprojection.sources, table.loaded, strict=True
    ):
        limit = _half_turn(source.crs) if source.crs else None
        if limit is None or loaded.geometry is None:
            continue
        found = rows_out_of_range(
            bench.clients.postgis, bench.schema, placed,
            max_x=_rounded(2 * limit), max_y=_rounded(limit / 2),
        )  # fmt: skip
        if 2 * found.count > loaded.rows - loaded.geometry.nulls:
            raise CrsError(
                "crs.out_of_range",
                "expected longitude and latitude in "
                f"{source.crs.short_name if source.crs else ''}, found other coordinates in "
                f"{found.count} rows: {found.shown}.",
                remedy=DECLARE_REMEDY,
                file=source.file,
                layer=source.layer_name,
                row=found.first[0][0],
            )


def _rounded(limit: float) -> float:
    return limit * (1 + ROUNDING)


def _is_within(bbox: Sequence[float], half_turn: float) -> bool:
    x, y = _rounded(half_turn), _rounded(half_turn / 2)
    return -x <= bbox[0] and -y <= bbox[1] and bbox[2] <= x and bbox[3] <= y


def _half_turn(crs: Crs) -> float | None:
    """Return half a turn in the unit of a geographic CRS: 180, or 200 for grads."""
    if not crs.proj.is_geographic:
        return None
    return math.pi / crs.proj.axis_info[0].unit_conversion_factor


def _torn_warnings(
    bench: Workbench,
    reprojection: Reprojection,
    facts: TableFacts,
    source: TableSource,
    placed: TransformSource,
) -> list[Warn]:
    is_wide = facts.bbox is not None and facts.bbox[2] - facts.bbox[0] > HALF_TURN_DEGREES
    if not is_wide or _half_turn(reprojection.target) != HALF_TURN_DEGREES:
        return []
    torn = torn_rows(bench.clients.postgis, bench.schema, placed, reprojection.target_srid)
    if not torn.count:
        return []
    return [
        Warn(
            code="geometry.crosses_antimeridian",
            message=f"Table {reprojection.table.name!r}: {torn.count} geometries that were in one "
            f"piece cross the 180th meridian or a pole in {reprojection.target.short_name}, where "
            f"their edges run around the world ({torn.shown}). Set options.target_crs to a CRS "
            "made for the area, or to 'source', to keep them in one piece.",
            file=source.file,
            layer=source.layer_name,
        )
    ]


def _height_warnings(
    source: TableSource, crs: Crs, target: Crs, moves: Sequence[Move]
) -> list[Warn]:
    """Return the warning that the target does not say what the heights are.

    Those above the ellipsoid are not warned of: they are what Z means without a word.
    """
    heights = [move.heights for move in moves if move.heights]
    named = crs.height_name if crs.proj.is_compound else None
    if not heights or target.height_name or not (named or crs.proj.is_geocentric):
        return []
    is_kept = all(abs(after - before) <= KEPT_HEIGHT_M for before, after in heights)
    what = f"are kept: {named}" if is_kept else "became heights above the ellipsoid"
    return [
        Warn(
            code="crs.height_unnamed",
            message=f"Layer {source.layer_name!r}: Z values {what}, of which "
            f"{target.short_name} says nothing.",
            file=source.file,
            layer=source.layer_name,
        )
    ]
