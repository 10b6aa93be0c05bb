"""Loading Arrow batches into an ephemeral schema: COPY in binary, through ADBC.

What belongs here: creating a table with internal column names and filling it from batches. What
does not: making the batches (`libs.pipeline.kinds`).
"""

from collections.abc import Iterable

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from psycopg2 import sql

from libs.compute.geoparquet import arrow_type
from libs.compute.measure import count_rows
from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, TableShape, column_name
from libs.models.errors import ComputeError, SourceError
from libs.models.version import Column

_FROM_WKB = """
ALTER TABLE {table} ALTER COLUMN {column} TYPE geometry({type}, 0)
USING ST_GeomFromWKB({column}, 0)
"""


def arrow_schema(shape: TableShape) -> pa.Schema:
    """Return the schema of the batches that fill a table: c0, c1, …, and `__geom` as WKB."""
    fields = [
        pa.field(column_name(position), arrow_type(column.type))
        for position, column in enumerate(shape.columns)
    ]
    if shape.geometry:
        fields.append(pa.field(GEOMETRY_COLUMN, pa.binary()))
    return pa.schema(fields)


def load_batches(
    postgis: PostGIS,
    schema: str,
    table: str,
    shape: TableShape,
    batches: Iterable[pa.RecordBatch],
    *,
    file: str,
) -> int:
    """Create `table` in `schema`, fill it with `batches`, and return its number of rows.

    Batches have the schema of `arrow_schema(shape)`; geometries are WKB without an SRID. Raises
    `SourceError` naming `file` where PostGIS refuses a value.
    """
    plain = TableShape(tuple(_as_copied(column) for column in shape.columns), None)
    parts = [plain.definition(0)] if shape.columns else []
    if shape.geometry:
        parts.append(sql.SQL("{} bytea").format(sql.Identifier(GEOMETRY_COLUMN)))
    postgis.run(
        sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(
            sql.Identifier(schema, table), sql.SQL(", ").join(parts)
        )
    )
    reader = pa.RecordBatchReader.from_batches(arrow_schema(shape), batches)
    # COPY into a table that is new in its transaction only appends; into any other it fills the
    # room left in earlier pages, and the order of rows is lost.
    as_new = postgis.render(sql.SQL("TRUNCATE {}").format(sql.Identifier(schema, table)))
    try:
        with adbc.connect(postgis.uri) as connection, connection.cursor() as cursor:
            cursor.execute(as_new)
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)
            connection.commit()
    except adbc.OperationalError as err:
        raise ComputeError(
            "compute.unavailable",
            "expected PostGIS to take a table, found that the connection was lost.",
            remedy="Check PostGIS with `spatial-etl doctor`; the drop is tried again.",
        ) from err
    except adbc.Error as err:
        raise SourceError(
            "source.refused",
            f"expected values that PostGIS can hold, found: {str(err).strip()[:300]}.",
            remedy="Correct what PostGIS names in the file and drop it again.",
            file=file,
        ) from err
    if shape.geometry:
        postgis.run(
            sql.SQL(_FROM_WKB).format(
                table=sql.Identifier(schema, table),
                column=sql.Identifier(GEOMETRY_COLUMN),
                type=sql.Identifier(shape.geometry.typmod),
            )
        )
    return count_rows(postgis, schema, table)


def _as_copied(column: Column) -> Column:
    """Return a uuid column as the text that Arrow holds; the transform makes it a uuid again."""
    return column.model_copy(update={"type": "text"}) if column.type == "uuid" else column
