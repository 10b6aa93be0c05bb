"""Surveying the geometries of a table: coordinates that are not finite, parts that are empty.

What belongs here: questions to PostGIS about geometries as the source gives them; rows are counted
from 1 in the order of the source. What does not: judging the answers
(`libs.pipeline.kinds.geometries`), facts about a table to publish (`measure`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import GEOMETRY_COLUMN

MAX_ROWS_NAMED = 5


@dataclass(frozen=True)
class RowsFound:
    """How many rows something holds for, and the first of them."""

    count: int = 0
    first: tuple[int, ...] = ()


@dataclass(frozen=True)
class NotFinite:
    """Rows with an infinite or missing x or y, or an infinite z; rows with a z that is NaN."""

    broken: RowsFound = RowsFound()
    without_z: RowsFound = RowsFound()


def not_finite_rows(postgis: PostGIS, schema: str, table: str) -> NotFinite:
    """Return the rows of a loaded table that are not all finite.

    One quick scan adds up lengths, which no infinite coordinate survives; where one is not finite,
    or a geometry has none, a second scan looks at all its vertices.
    """
    names = {
        "geometry": sql.Identifier(GEOMETRY_COLUMN),
        "table": sql.Identifier(schema, table),
    }
    may_not_be_finite = statement("may_not_be_finite").format(geometry=names["geometry"])
    ((has_suspects,),) = postgis.run(
        sql.SQL("SELECT bool_or({}) FROM {}").format(may_not_be_finite, names["table"])
    )
    if not has_suspects:
        return NotFinite()
    ((broken, first_broken, without_z, first_without_z),) = postgis.run(
        statement("not_finite").format(
            may_not_be_finite=may_not_be_finite, limit=sql.Literal(MAX_ROWS_NAMED), **names
        )
    )
    return NotFinite(_found(broken, first_broken), _found(without_z, first_without_z))


def count_empty_parts(postgis: PostGIS, schema: str, table: str) -> int:
    """Return the number of geometries of parts that are not empty, but hold a part that is."""
    ((rows,),) = postgis.run(
        statement("empty_parts").format(
            geometry=sql.Identifier(GEOMETRY_COLUMN), table=sql.Identifier(schema, table)
        )
    )
    return int(rows)


def _found(count: int, first: list[int] | None) -> RowsFound:
    return RowsFound(int(count), tuple(first or ()))
