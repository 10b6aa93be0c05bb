"""What a change of CRS does to coordinates: samples of it, and the rows that it breaks.

Rows are those of a loaded table, counted from 1 in the order in which it lies.

What belongs here: questions to PostGIS about a reprojection. What does not: the reprojection itself
(`libs.compute.transform`), judging the answers (`libs.pipeline.kinds.transformations`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.transform import TransformSource, placed_geometry
from libs.spatial_utils.operations import Move, Point

SAMPLED_POINTS = 100
SHOWN_ROWS = 5
HALF_TURN_DEGREES = 180
_FUNCTION = "is_transformable"


@dataclass(frozen=True)
class RowPlaces:
    """How many rows a finding is about, and the first of them with what was found there."""

    count: int
    first: tuple[tuple[int, str], ...] = ()

    @property
    def shown(self) -> str:
        """The first rows in words."""
        return "; ".join(f"row {row}: {what}" if what else f"row {row}" for row, what in self.first)


def sample_moves(
    postgis: PostGIS, schema: str, source: TransformSource, target_srid: int, *, rows: int
) -> list[Move]:
    """Return the first point of up to `SAMPLED_POINTS` geometries before and after ST_Transform."""
    found = postgis.run(
        statement("sample_moves").format(
            geometry=placed_geometry(source),
            table=sql.Identifier(schema, source.table),
            target_srid=sql.Literal(target_srid),
            percent=sql.Literal(min(100.0, 200.0 * SAMPLED_POINTS / max(rows, 1))),
            limit=sql.Literal(SAMPLED_POINTS),
        )
    )
    return [Move(_point(*row[:3]), _point(*row[3:])) for row in found]


def untransformable_rows(
    postgis: PostGIS, schema: str, source: TransformSource, target_srid: int
) -> RowPlaces:
    """Return the rows that ST_Transform refuses or moves to infinity, each with its first point."""
    function = sql.Identifier(schema, _FUNCTION)
    postgis.run(statement("transformable_function").format(function=function))
    found = postgis.run(
        statement("untransformable_rows").format(
            function=function,
            geometry=placed_geometry(source),
            table=sql.Identifier(schema, source.table),
            target_srid=sql.Literal(target_srid),
            limit=sql.Literal(SHOWN_ROWS),
        )
    )
    return _places([(row[0], row[1], row[2]) for row in found])


def torn_rows(
    postgis: PostGIS, schema: str, source: TransformSource, target_srid: int
) -> RowPlaces:
    """Return the rows with an edge that jumps from 180 to -180 degrees by the reprojection.

    An edge jumps where it spans more than half a turn, and its middle, moved by itself, lies more
    than a quarter of a turn from the middle of its moved ends. The target must be in degrees.
    """
    found = postgis.run(
        statement("torn_rows").format(
            geometry=placed_geometry(source),
            table=sql.Identifier(schema, source.table),
            target_srid=sql.Literal(target_srid),
            half_turn=sql.Literal(HALF_TURN_DEGREES),
            limit=sql.Literal(SHOWN_ROWS),
        )
    )
    return _places([(row[0], row[1], "") for row in found])


def rows_out_of_range(
    postgis: PostGIS, schema: str, source: TransformSource, *, max_x: float, max_y: float
) -> RowPlaces:
    """Return the rows with a coordinate beyond ±max_x or ±max_y, each with its farthest."""
    found = postgis.run(
        statement("out_of_range_rows").format(
            geometry=placed_geometry(source),
            table=sql.Identifier(schema, source.table),
            max_x=sql.Literal(max_x),
            max_y=sql.Literal(max_y),
            limit=sql.Literal(SHOWN_ROWS),
        )
    )
    return _places([(count, row, f"x {x:.12g}, y {y:.12g}") for count, row, x, y in found])


def _point(x: float, y: float, z: float | None) -> Point:
    return (x, y) if z is None else (x, y, z)


def _places(found: list[tuple[int, int, str]]) -> RowPlaces:
    if not found:
        return RowPlaces(0)
    return RowPlaces(int(found[0][0]), tuple((int(row), what) for _, row, what in found))
