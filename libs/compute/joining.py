"""Joining two loaded tables: their pairs first, then the rows.

The pairs are a table of their own, so that how the sides meet is counted apart from the rows that
the join makes of them.

What belongs here: the statements. What does not: what is asked for and whether the counts are good
enough (`libs.pipeline.kinds.join`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import (
    BEFORE_COLUMN,
    GEOMETRY_COLUMN,
    ROW_COLUMN,
    TableShape,
    column_name,
    geometry_type,
)
from libs.models.version import JoinStatistics

PREDICATES = {"intersects": "ST_Intersects", "within": "ST_Within", "contains": "ST_Contains"}
JOIN_WORDS = {
    "left": ("LEFT", "LEFT"),
    "inner": ("INNER", "INNER"),
    "right": ("INNER", "RIGHT"),
    "outer": ("LEFT", "FULL"),
}
PAIRS_TABLE = "pairs"
GEOGRAPHY_COLUMN = "__geog"


@dataclass(frozen=True)
class Side:
    """A side of a join: as it was loaded, and as it is joined, another table where it has geometry.

    `srid` is that of the loaded table, None where it has no geometry.
    """

    raw_table: str
    table: str
    shape: TableShape
    srid: int | None


@dataclass(frozen=True)
class JoinOrder:
    """How to join; `keys` are positions of columns, left and right."""

    left: Side
    right: Side
    how: str
    keys: tuple[tuple[int, int], ...]
    predicate: str | None
    max_distance_m: float | None
    repair: bool

    @property
    def common_srid(self) -> int | None:
        """The SRID in which the sides meet: that of the left one where it has geometry."""
        return self.left.srid if self.left.srid is not None else self.right.srid


def place_sides(postgis: PostGIS, schema: str, order: JoinOrder) -> None:
    """Make the tables of both sides with their geometries in the common CRS, and repaired if asked.

    The right one is indexed for the predicate.
    """
    for side in (order.left, order.right):
        if side.srid is not None:
            _place(postgis, schema, order, side, side.srid)
    if order.predicate:
        column = GEOGRAPHY_COLUMN if order.predicate == "nearest" else GEOMETRY_COLUMN
        postgis.run(
            sql.SQL("CREATE INDEX ON {} USING gist ({})").format(
                sql.Identifier(schema, order.right.table), sql.Identifier(column)
            )
        )


def _place(postgis: PostGIS, schema: str, order: JoinOrder, side: Side, srid: int) -> None:
    placed: sql.Composable = sql.SQL("ST_SetSRID({}, {})").format(
        sql.Identifier(GEOMETRY_COLUMN), sql.Literal(srid)
    )
    if srid != order.common_srid:
        placed = sql.SQL("ST_Transform({}, {})").format(placed, sql.Literal(order.common_srid))
    geometry: sql.Composable = sql.Identifier("source", "placed")
    columns: list[sql.Composable] = [
        sql.Identifier("source", column_name(n)) for n in range(len(side.shape.columns))
    ]
    repair: sql.Composable = sql.SQL("")
    if order.repair:
        repair = statement("repair").format(geometry=sql.Identifier("placed"))
        before = sql.SQL("CASE WHEN repair.geometry IS NOT NULL THEN {} END AS {}")
        columns.append(before.format(geometry, sql.Identifier(BEFORE_COLUMN)))
        geometry = sql.SQL("COALESCE(repair.geometry, {})").format(geometry)
    columns.append(sql.SQL("{} AS {}").format(geometry, sql.Identifier(GEOMETRY_COLUMN)))
    if order.predicate == "nearest":
        geography = sql.SQL("ST_Transform({}, 4326)::geography AS {}")
        columns.append(geography.format(geometry, sql.Identifier(GEOGRAPHY_COLUMN)))
    postgis.run(
        statement("join_side").format(
            target=sql.Identifier(schema, side.table),
            columns=sql.SQL(", ").join(columns),
            placed=placed,
            row=sql.Identifier(ROW_COLUMN),
            table=sql.Identifier(schema, side.raw_table),
            repair=repair,
        )
    )


def find_pairs(postgis: PostGIS, schema: str, order: JoinOrder) -> tuple[JoinStatistics, int]:
    """Make the table of pairs; return how the sides meet, and the number of pairs."""
    for side in (order.left, order.right):
        postgis.run(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, side.table)))
    names = {
        "left": sql.Identifier(schema, order.left.table),
        "right": sql.Identifier(schema, order.right.table),
        "pairs": sql.Identifier(schema, PAIRS_TABLE),
    }
    if order.predicate == "nearest":
        postgis.run(
            statement("join_nearest").format(
                max_distance_m=sql.Literal(order.max_distance_m), **names
            )
        )
    else:
        postgis.run(statement("join_pairs").format(condition=_condition(order), **names))
    ((left, right, left_null, right_null, pairs, *matched),) = postgis.run(
        statement("join_statistics").format(
            left_null=_null_condition("l", order, 0), right_null=_null_condition("r", order, 1),
            **names,
        )
    )  # fmt: skip
    statistics = JoinStatistics(
        left_rows=left,
        right_rows=right,
        left_matched=matched[0],
        right_matched=matched[1],
        left_matched_more_than_once=matched[2],
        right_matched_more_than_once=matched[3],
        left_null_keys=left_null,
        right_null_keys=right_null,
        match_rate=matched[0] / left if left else 1.0,
    )
    return statistics, int(pairs)


def join_rows(
    postgis: PostGIS, schema: str, order: JoinOrder, target: str, shape: TableShape, srid: int
) -> None:
    """Create `target`: left columns, right columns, distance, right geometry, geometry in `srid`.

    The distance is there for predicate nearest, the right geometry (WKB) where both sides have one.
    """
    columns = [_column("l", n) for n in range(len(order.left.shape.columns))]
    columns += [_column("r", n) for n in range(len(order.right.shape.columns))]
    if order.predicate == "nearest":
        columns.append(sql.SQL("p.distance_m"))
    if order.left.srid is not None and order.right.srid is not None:
        columns.append(sql.SQL("ST_AsBinary({})").format(_transformed("r", order, srid)))
    parts: list[sql.Composable] = [
        sql.SQL("{} AS {}").format(value, sql.Identifier(column_name(position)))
        for position, value in enumerate(columns)
    ]
    ordering: sql.Composable = sql.SQL("l.ctid, r.ctid")
    if shape.geometry:
        owner = "l" if order.left.srid is not None else "r"
        parts.append(
            sql.SQL("{}::{} AS {}").format(
                _transformed(owner, order, srid),
                geometry_type(shape.geometry, srid),
                sql.Identifier(GEOMETRY_COLUMN),
            )
        )
        ordering = sql.SQL("{}, l.ctid, r.ctid").format(_geometry(owner))
    left_join, right_join = JOIN_WORDS[order.how]
    postgis.run(
        statement("join").format(
            target=sql.Identifier(schema, target),
            columns=sql.SQL(", ").join(parts),
            left=sql.Identifier(schema, order.left.table),
            right=sql.Identifier(schema, order.right.table),
            pairs=sql.Identifier(schema, PAIRS_TABLE),
            left_join=sql.SQL(left_join),
            right_join=sql.SQL(right_join),
            order=ordering,
        )
    )


def matched_more_than_once(
    postgis: PostGIS, schema: str, order: JoinOrder, side: str, *, limit: int = 5
) -> list[str]:
    """Return the keys of the first rows of a side (`left` or `right`) with several matches."""
    table = order.left if side == "left" else order.right
    row = sql.Identifier(f"{side}_row")
    positions = [pair[0 if side == "left" else 1] for pair in order.keys] or [0]
    shown = sql.SQL(", ").join(_column("t", position) for position in positions)
    found = postgis.run(
        sql.SQL(
            "SELECT concat_ws(', ', {0}) FROM {1} AS t JOIN (SELECT {2}, count(*) FROM {3} "
            "GROUP BY 1 HAVING count(*) > 1) AS many ON many.{2} = t.ctid ORDER BY t.ctid LIMIT {4}"
        ).format(
            shown,
            sql.Identifier(schema, table.table),
            row,
            sql.Identifier(schema, PAIRS_TABLE),
            sql.Literal(limit),
        )
    )
    return [str(value) for (value,) in found]


def _condition(order: JoinOrder) -> sql.Composable:
    if order.predicate:
        return sql.SQL("{}({}, {})").format(
            sql.SQL(PREDICATES[order.predicate]), _geometry("l"), _geometry("r")
        )
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(_column("l", left), _column("r", right))
        for left, right in order.keys
    )


def _null_condition(alias: str, order: JoinOrder, side: int) -> sql.Composable:
    if order.predicate:
        return sql.SQL("{} IS NULL").format(_geometry(alias))
    return sql.SQL(" OR ").join(
        sql.SQL("{} IS NULL").format(_column(alias, pair[side])) for pair in order.keys
    )


def _column(alias: str, position: int) -> sql.Composable:
    return sql.Identifier(alias, column_name(position))


def _geometry(alias: str) -> sql.Composable:
    return sql.Identifier(alias, GEOMETRY_COLUMN)


def _transformed(alias: str, order: JoinOrder, srid: int) -> sql.Composable:
    if order.common_srid == srid:
        return _geometry(alias)
    return sql.SQL("ST_Transform({}, {})").format(_geometry(alias), sql.Literal(srid))
