"""Measuring a table in an ephemeral schema: rows, geometry types, extent, invalid geometries.

What belongs here: questions to PostGIS about data. What does not: judging the answers
(`libs.pipeline.check`).
"""

import math
from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import GEOMETRY_COLUMN, column_name
from libs.models.version import Bbox

_DIMENSIONS = {0: "", 1: " M", 2: " Z", 3: " ZM"}


@dataclass(frozen=True)
class TableFacts:
    """What a table holds; `geometry_types` are `Point`, `MultiPolygon Z`, …, without NULLs."""

    rows: int
    geometry_types: tuple[str, ...] = ()
    null_geometries: int = 0
    empty_geometries: int = 0
    invalid_geometries: int = 0
    bbox: Bbox | None = None


def count_rows(postgis: PostGIS, schema: str, table: str) -> int:
    """Return the number of rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    ((rows,),) = postgis.run(query)
    return int(rows)


def measure_table(postgis: PostGIS, schema: str, table: str, *, has_geometry: bool) -> TableFacts:
    """Return the facts about a table, found in one scan."""
    if not has_geometry:
        return TableFacts(count_rows(postgis, schema, table))
    groups = postgis.run(
        statement("measure_geometry").format(
            geometry=sql.Identifier(GEOMETRY_COLUMN), table=sql.Identifier(schema, table)
        )
    )
    with_geometry = [group for group in groups if group[0] is not None]
    corners = [group[5:9] for group in with_geometry if group[5] is not None]
    return TableFacts(
        rows=sum(group[2] for group in groups),
        geometry_types=tuple(f"{group[0]}{_DIMENSIONS[group[1]]}" for group in with_geometry),
        null_geometries=sum(group[2] for group in groups if group[0] is None),
        empty_geometries=sum(group[3] for group in with_geometry),
        invalid_geometries=sum(group[4] for group in with_geometry),
        bbox=_union(corners),
    )


def _union(corners: list[tuple[float, float, float, float]]) -> Bbox | None:
    if not corners:
        return None
    xmin, ymin, xmax, ymax = zip(*corners, strict=True)
    return (min(xmin), min(ymin), max(xmax), max(ymax))


def is_finite(bbox: Bbox) -> bool:
    """Return whether all four numbers are finite."""
    return all(math.isfinite(value) for value in bbox)


def invalid_places(
    postgis: PostGIS, schema: str, table: str, *, limit: int = 5
) -> list[tuple[int, str, str]]:
    """Return (row of the published table, reason, WKT point) of the first invalid geometries."""
    return [
        (int(row), str(reason), str(place))
        for row, reason, place in postgis.run(
            statement("invalid_places").format(
                geometry=sql.Identifier(GEOMETRY_COLUMN),
                table=sql.Identifier(schema, table),
                limit=sql.Literal(limit),
            )
        )
    ]


def duplicate_keys(
    postgis: PostGIS, schema: str, table: str, positions: tuple[int, ...], *, limit: int = 5
) -> tuple[int, list[str]]:
    """Return how many rows break a key (NULL or not unique), and the first keys that do."""
    names = sql.SQL(", ").join(sql.Identifier(column_name(n)) for n in positions)
    has_null = sql.SQL(" OR ").join(
        sql.SQL("{} IS NULL").format(sql.Identifier(column_name(n))) for n in positions
    )
    groups = postgis.run(
        sql.SQL(
            "SELECT concat_ws(', ', {0}), sum(count(*)) OVER () FROM {1} "
            "GROUP BY {0} HAVING count(*) > 1 OR bool_or({2}) ORDER BY count(*) DESC LIMIT {3}"
        ).format(names, sql.Identifier(schema, table), has_null, sql.Literal(limit))
    )
    return (int(groups[0][1]) if groups else 0), [str(group[0]) for group in groups]
