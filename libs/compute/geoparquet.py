"""GeoParquet 1.1 and Parquet, streamed from PostGIS through Arrow.

WKB, PROJJSON, a bounding box column with its covering, zstd, row groups fit for range reads. Source
of the format: https://geoparquet.org/releases/v1.1.0/.

What belongs here: reading a table as Arrow batches and writing them. What does not: choosing the
formats of a table (`libs.pipeline.dump`).
"""

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2 import sql

from libs.compute.arrow_types import arrow_type
from libs.compute.export_names import distinct_names
from libs.compute.measure import TableFacts
from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, TableShape, column_name
from libs.fidelity.tally import PIECE_ROWS, TableTally
from libs.models.errors import ComputeError
from libs.models.fidelity import HopFacts
from libs.spatial_utils.column_types import ARROW_AS_TEXT
from libs.spatial_utils.crs import Crs

ROWS_PER_GROUP = 65_536
BATCH_BYTES = 8 * 1024 * 1024
READ_BUFFER_BYTES = 1024 * 1024
CORNERS = ("xmin", "ymin", "xmax", "ymax")
BBOX_TYPE = pa.struct([(corner, pa.float64()) for corner in CORNERS])


@dataclass(frozen=True)
class ParquetOrder:
    """A table to write; `crs` is None for an attribute table."""

    schema: str
    table: str
    shape: TableShape
    facts: TableFacts
    crs: Crs | None
    path: Path


def write_parquet(postgis: PostGIS, order: ParquetOrder) -> list[str]:
    """Write the table to `order.path` and return the names its columns got.

    A name changes only where it stands twice, or is the one the geometry or bbox column needs.
    Raises `ComputeError` where PostGIS is lost on the way.
    """
    names = distinct_names([column.name for column in order.shape.columns], fold_case=False)
    geometry_name, bbox_name = distinct_names(["geometry", "bbox"], reserved=names, fold_case=True)
    fields = [
        pa.field(name, arrow_type(column.type))
        for name, column in zip(names, order.shape.columns, strict=True)
    ]
    metadata = {}
    if order.shape.geometry:
        fields += [pa.field(geometry_name, pa.binary()), pa.field(bbox_name, BBOX_TYPE)]
        metadata["geo"] = json.dumps(_geo_metadata(order, geometry_name, bbox_name))
    schema = pa.schema(fields, metadata=metadata)
    # Of other values a dictionary is begun and given up: more time, and 8 % more bytes.
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    with pq.ParquetWriter(
        order.path, schema, compression="zstd", version="2.6", use_dictionary=texts
    ) as writer:
        for table in _row_groups(_ahead(_batches(postgis, order, schema)), schema):
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    return names


def read_parquet(path: Path, shape: TableShape) -> HopFacts:
    """Return what a file that `write_parquet` wrote for `shape` holds, read back whole."""
    tally = TableTally(
        [column.type for column in shape.columns], has_geometry=shape.geometry is not None
    )
    # What Arrow buffers ahead it keeps until the file is closed.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BUFFER_BYTES) as file:
        width = len(shape.columns) + (1 if shape.geometry else 0)
        leaves = file.schema_arrow.names[:width]
        batches = file.iter_batches(PIECE_ROWS, columns=leaves, use_threads=False)
        deque(tally.passing(batches), maxlen=0)
    return tally.facts


def _geo_metadata(order: ParquetOrder, geometry_name: str, bbox_name: str) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(name.replace(" M", "") for name in _types_without_m(order)),
        "crs": order.crs.projjson if order.crs else None,
        "edges": "planar",
        "covering": {"bbox": {corner: [bbox_name, corner] for corner in CORNERS}},
    }
    if order.facts.bbox:
        column["bbox"] = list(order.facts.bbox)
    return {
        "version": "1.1.0",
        "primary_column": geometry_name,
        "columns": {geometry_name: column},
    }


def _types_without_m(order: ParquetOrder) -> set[str]:
    return {name.replace(" ZM", " Z") for name in order.facts.geometry_types}


def _query(order: ParquetOrder) -> sql.Composable:
    parts: list[sql.Composable] = []
    for position, column in enumerate(order.shape.columns):
        name = sql.Identifier(column_name(position))
        parts.append(sql.SQL("{}::text").format(name) if column.type in ARROW_AS_TEXT else name)
    if order.shape.geometry:
        geometry: sql.Composable = sql.Identifier(GEOMETRY_COLUMN)
        parts.append(sql.SQL("ST_AsBinary({}, 'NDR')").format(_without_m(order, geometry)))
        parts += [
            sql.SQL("{}({})").format(sql.SQL(function), geometry)
            for function in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")
        ]
    return sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(parts), sql.Identifier(order.schema, order.table)
    )


def _without_m(order: ParquetOrder, geometry: sql.Composable) -> sql.Composable:
    plan = order.shape.geometry
    if plan is None or not plan.has_m:
        return geometry
    return sql.SQL("ST_Force3DZ({})" if plan.has_z else "ST_Force2D({})").format(geometry)


def _batches(postgis: PostGIS, order: ParquetOrder, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    query = postgis.render(_query(order))
    try:
        with (
            postgis.arrow_session() as connection,
            connection.cursor(
                adbc_stmt_kwargs={"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            ) as cursor,
        ):
            cursor.execute(query)
            for batch in cursor.fetch_record_batch():
                yield _shaped(batch, order, schema)
    except adbc.OperationalError as err:
        raise ComputeError(
            "compute.unavailable",
            "expected PostGIS to stream a table, found that the connection was lost.",
            remedy="Check PostGIS with `spatial-etl doctor`; the drop is tried again.",
        ) from err


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches, each read in a thread while the one before it is written."""
    with ThreadPoolExecutor(1, "read ahead") as worker:
        read = worker.submit(next, batches, None)
        while (batch := read.result()) is not None:
            read = worker.submit(next, batches, None)
            yield batch


def _shaped(batch: pa.RecordBatch, order: ParquetOrder, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch of the query in the schema of the file: corners gathered into one struct."""
    width = len(order.shape.columns) + (1 if order.shape.geometry else 0)
    arrays = [
        _storage(batch.column(position)).cast(schema.field(position).type)
        for position in range(width)
    ]
    if order.shape.geometry:
        corners = [batch.column(width + n) for n in range(len(CORNERS))]
        arrays.append(
            pa.StructArray.from_arrays(corners, fields=list(BBOX_TYPE), mask=corners[0].is_null())
        )
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather batches into tables of `ROWS_PER_GROUP` rows; the last one may be smaller."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        rest = batch
        while rows + rest.num_rows >= ROWS_PER_GROUP:
            room = ROWS_PER_GROUP - rows
            yield pa.Table.from_batches([*held, rest.slice(0, room)], schema)
            rest, held, rows = rest.slice(room), [], 0
        held.append(rest)
        rows += rest.num_rows
    if rows:
        yield pa.Table.from_batches(held, schema)
