"""The rows of a table that break a promise: how many, and the first of them.

What belongs here: those queries. What does not: what was promised (`libs.pipeline.contract`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, column_name
from libs.models.fidelity import Bbox

SHOWN_ROWS = 5
_GEOMETRY = sql.Identifier(GEOMETRY_COLUMN)
_TYPE = sql.SQL("substr(ST_GeometryType({}), 4)").format(_GEOMETRY)


@dataclass(frozen=True)
class Offender:
    """A row: the number of its source, its own number there from 1, and what is wrong with it."""

    source: int
    row: int
    shown: str


@dataclass(frozen=True)
class Rows:
    """A table, and its rows as a relation with `__source` and `__number`.

    `sources` are the (file, layer) that `__source` counts from 0; none where rows are new.
    """

    table: sql.Composable
    numbered: sql.Composable
    sources: tuple[tuple[str, str], ...] = ()


def outside_bbox(postgis: PostGIS, rows: Rows, bbox: Bbox) -> tuple[int, list[Offender]]:
    """Return how many geometries reach out of `bbox`, and the extents of the first."""
    condition = sql.SQL(
        "NOT ST_IsEmpty({0}) AND NOT (ST_XMin({0}) >= {1} AND ST_YMin({0}) >= {2} "
        "AND ST_XMax({0}) <= {3} AND ST_YMax({0}) <= {4})"
    ).format(_GEOMETRY, *map(sql.Literal, bbox))
    shown = sql.SQL(
        "CASE WHEN ST_XMin({0}) = ST_XMax({0}) AND ST_YMin({0}) = ST_YMax({0}) "
        "THEN format('%s, %s', ST_XMin({0}), ST_YMin({0})) ELSE format("
        "'%s, %s, %s, %s', ST_XMin({0}), ST_YMin({0}), ST_XMax({0}), ST_YMax({0})) END"
    ).format(_GEOMETRY)
    return _count(postgis, rows.table, condition), _first(postgis, rows.numbered, condition, shown)


def of_geometry_types(
    postgis: PostGIS, rows: Rows, types: list[str]
) -> tuple[dict[str, int], list[Offender]]:
    """Return how many geometries are of each of `types`, and the first that are."""
    condition = sql.SQL("{} IN ({})").format(_TYPE, sql.SQL(", ").join(map(sql.Literal, types)))
    counts = postgis.run(
        sql.SQL("SELECT {0}, count(*) FROM {1} WHERE {2} GROUP BY 1 ORDER BY 1").format(
            _TYPE, rows.table, condition
        )
    )
    return dict(counts), _first(postgis, rows.numbered, condition, _TYPE)


def null_keys(
    postgis: PostGIS, rows: Rows, positions: tuple[int, ...]
) -> tuple[int, list[Offender]]:
    """Return how many rows have a NULL in the columns at `positions`, and the first that do."""
    condition = _has_null(positions)
    shown = _key(positions)
    return _count(postgis, rows.table, condition), _first(postgis, rows.numbered, condition, shown)


def duplicate_keys(
    postgis: PostGIS, rows: Rows, positions: tuple[int, ...]
) -> tuple[int, list[Offender]]:
    """Return how many rows without NULL share their key with another row, and the first that do."""
    keys = sql.SQL(", ").join(_comparable(positions))
    is_whole = sql.SQL("NOT ({})").format(_has_null(positions))
    ((count,),) = postgis.run(
        sql.SQL(
            "SELECT coalesce(sum(copies), 0) FROM (SELECT count(*) AS copies FROM {} AS r "
            "WHERE {} GROUP BY {} HAVING count(*) > 1) AS repeated"
        ).format(rows.table, is_whole, keys)
    )
    if not count:
        return 0, []
    with_copies = sql.SQL(
        "(SELECT *, count(*) OVER (PARTITION BY {}) AS __copies FROM {} AS r WHERE {})"
    ).format(keys, rows.numbered, is_whole)
    return int(count), _first(postgis, with_copies, sql.SQL("__copies > 1"), _key(positions))


def _count(postgis: PostGIS, relation: sql.Composable, condition: sql.Composable) -> int:
    ((count,),) = postgis.run(
        sql.SQL("SELECT count(*) FROM {} AS r WHERE {}").format(relation, condition)
    )
    return int(count)


def _first(
    postgis: PostGIS, numbered: sql.Composable, condition: sql.Composable, shown: sql.Composable
) -> list[Offender]:
    found = postgis.run(
        sql.SQL(
            "SELECT __source, __number, {} FROM {} AS r WHERE {} ORDER BY 1, 2 LIMIT {}"
        ).format(shown, numbered, condition, sql.Literal(SHOWN_ROWS))
    )
    return [Offender(int(source), int(row), str(text)) for source, row, text in found]


def _has_null(positions: tuple[int, ...]) -> sql.Composable:
    return sql.SQL(" OR ").join(
        sql.SQL("{} IS NULL").format(sql.Identifier(column_name(n))) for n in positions
    )


def _comparable(positions: tuple[int, ...]) -> list[sql.Composable]:
    """Return key columns as text: json has no equality of its own."""
    return [sql.SQL("{}::text").format(sql.Identifier(column_name(n))) for n in positions]


def _key(positions: tuple[int, ...]) -> sql.Composable:
    return sql.SQL("concat_ws(', ', {})").format(
        sql.SQL(", ").join(
            sql.SQL("coalesce(left({}, 60), 'NULL')").format(column)
            for column in _comparable(positions)
        )
    )
