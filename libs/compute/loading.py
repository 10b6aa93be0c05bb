"""Loading Arrow batches into an ephemeral schema: COPY in binary, through ADBC.

Values arrive as they were read, to the last digit; a geometry is handed over as WKB and kept with
its own type, dimensions and axis order. What PostGIS refuses is named by row and column.

What belongs here: creating a table with internal column names and filling it. What does not: making
the batches (`libs.compute.spool`, `libs.pipeline.kinds`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from psycopg2 import sql

from libs.compute.arrow_types import arrow_type
from libs.compute.postgis import ROW_TOO_WIDE, PostGIS, row_too_wide
from libs.compute.tables import ANY_GEOMETRY, GEOMETRY_COLUMN, TableShape, column_name
from libs.disk_full import disk_full, is_disk_full
from libs.models.errors import ComputeError, SourceError
from libs.models.version import Column

_PLACE = re.compile(r"CONTEXT:\s+COPY .*?, line (\d+)(?:, column (\w+))?")
_SAID = re.compile(r"ERROR:\s+(.*)")


@dataclass(frozen=True)
class LoadOrder:
    """A table to fill from a layer of a file; its shape's geometry is any."""

    table: str
    shape: TableShape
    file: str
    layer: str


def raw_shape(columns: tuple[Column, ...], *, has_geometry: bool) -> TableShape:
    """Return the shape of a loaded table: geometries of any type."""
    return TableShape(columns, ANY_GEOMETRY if has_geometry else None)


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
    postgis: PostGIS, schema: str, order: LoadOrder, batches: Iterator[pa.RecordBatch]
) -> None:
    """Create `order.table` in `schema` and fill it with `batches`.

    Batches have the schema of `arrow_schema(order.shape)`; geometries are WKB without an SRID.
    Raises `SourceError` naming file, layer, row and column where PostGIS refuses a value, and
    `ComputeError` where it is lost.
    """
    name = sql.Identifier(schema, order.table)
    plain = TableShape(tuple(_as_copied(column) for column in order.shape.columns), None)
    parts = [plain.definition(0)] if order.shape.columns else []
    if order.shape.geometry:
        parts.append(sql.SQL("{} geometry").format(sql.Identifier(GEOMETRY_COLUMN)))
    postgis.run(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(name, sql.SQL(", ").join(parts)))
    reader = pa.RecordBatchReader.from_batches(arrow_schema(order.shape), batches)
    # COPY into a table that is new in its transaction only appends; into any other it fills the
    # room left in earlier pages, and the order of rows is lost.
    as_new = postgis.render(sql.SQL("TRUNCATE {}").format(name))
    try:
        with postgis.arrow_session() as connection, connection.cursor() as cursor:
            cursor.execute(as_new)
            cursor.adbc_ingest(order.table, reader, mode="append", db_schema_name=schema)
            connection.commit()
    except adbc.Error as err:
        raise _named(order, err) from err


def _as_copied(column: Column) -> Column:
    """Return a uuid column as the text that Arrow holds; the transform makes it a uuid again."""
    return column.model_copy(update={"type": "text"}) if column.type == "uuid" else column


def _named(order: LoadOrder, err: adbc.Error) -> ComputeError | SourceError:
    said = str(err)
    if is_disk_full(said):
        return disk_full("PostGIS", said)
    if not isinstance(err, adbc.OperationalError):
        return _refused(order, said)
    if ROW_TOO_WIDE in said:
        return row_too_wide(order.file, order.layer)
    return ComputeError(
        "compute.unavailable",
        "expected PostGIS to take a table, found that the connection was lost.",
        remedy="Check PostGIS with `spatial-etl doctor`; the drop is tried again.",
    )


def _refused(order: LoadOrder, text: str) -> SourceError:
    """Return the error for a value that PostGIS refuses, with the place that COPY gives."""
    place, said = _PLACE.search(text), _SAID.search(text)
    found = said.group(1).strip() if said else text.strip()[:300]
    row, column = (int(place[1]), place[2]) if place else (None, None)
    if column == GEOMETRY_COLUMN:
        return SourceError(
            "source.broken_geometry",
            f"expected a geometry that PostGIS can hold, found: {found}.",
            remedy="Correct or remove this geometry and drop the file again.",
            file=order.file,
            layer=order.layer,
            row=row,
        )
    where = ""
    if column is not None:
        where = f" in column {order.shape.columns[int(column[1:])].name!r}"
    return SourceError(
        "source.encoding" if "invalid byte sequence" in found else "source.refused",
        f"expected values that PostGIS can hold, found{where}: {found}.",
        remedy="Correct the value, or declare the file's encoding in files[].encoding where it is "
        "a matter of that, and drop the file again.",
        file=order.file,
        layer=order.layer,
        row=row,
    )
