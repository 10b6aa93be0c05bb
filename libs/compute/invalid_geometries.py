"""Invalid geometries of a transformed table: where they are, and what a repair made of them.

What belongs here: questions to PostGIS. What does not: the repair itself (`transform`), what a user
is told of it (`libs.pipeline.kinds.geometries`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import BEFORE_COLUMN, GEOMETRY_COLUMN, ROW_COLUMN, SOURCE_COLUMN

MAX_PLACES = 5


@dataclass(frozen=True)
class InvalidPlace:
    """An invalid geometry: its source's number, its row there from 1, why, and a WKT point."""

    source: int
    row: int
    reason: str
    point: str | None


@dataclass(frozen=True)
class Repairs:
    """Geometries of one type that became another or the same; areas in the CRS's own unit."""

    type_before: str
    type_after: str
    rows: int
    area_before: float
    area_after: float


def count_invalid(postgis: PostGIS, schema: str, table: str) -> int:
    """Return how many geometries of a table are not valid."""
    ((count,),) = postgis.run(
        sql.SQL("SELECT count(*) FROM {} WHERE NOT ST_IsValid({})").format(
            sql.Identifier(schema, table), sql.Identifier(GEOMETRY_COLUMN)
        )
    )
    return int(count)


def invalid_places(
    postgis: PostGIS, schema: str, table: str, raw_tables: Sequence[str]
) -> list[InvalidPlace]:
    """Return the first invalid geometries of a table that was made of `raw_tables`."""
    found = postgis.run(
        statement("invalid_places").format(
            source=sql.Identifier(SOURCE_COLUMN),
            row=sql.Identifier(ROW_COLUMN),
            geometry=sql.Identifier(GEOMETRY_COLUMN),
            table=sql.Identifier(schema, table),
            limit=sql.Literal(MAX_PLACES),
        )
    )
    return [
        InvalidPlace(
            source=source,
            row=_row_number(postgis, schema, raw_tables[source], row_id),
            reason=reason.strip(),
            point=point,
        )
        for source, row_id, reason, point in found
    ]


def repairs(postgis: PostGIS, schema: str, table: str) -> list[Repairs]:
    """Return what was repaired in a table that was transformed with a repair."""
    return [
        Repairs(*row)
        for row in postgis.run(
            statement("repairs").format(
                before=sql.Identifier(BEFORE_COLUMN),
                geometry=sql.Identifier(GEOMETRY_COLUMN),
                table=sql.Identifier(schema, table),
            )
        )
    ]


def _row_number(postgis: PostGIS, schema: str, raw_table: str, row_id: str) -> int:
    """Return the place of a row in its loaded table: rows lie there in the source's order."""
    ((number,),) = postgis.run(
        sql.SQL("SELECT count(*) FROM {} WHERE ctid <= {}::tid").format(
            sql.Identifier(schema, raw_table), sql.Literal(row_id)
        )
    )
    return int(number)
