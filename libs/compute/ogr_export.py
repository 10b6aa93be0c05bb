"""FlatGeobuf and GeoPackage, written from PostGIS by ogr2ogr.

What belongs here: the query and the arguments of the dump. What does not: choosing the formats of
a table (`libs.pipeline.dump`).
"""

from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql

from libs.compute.export_names import MAX_NAME_BYTES, distinct_names
from libs.compute.measure import measure_columns
from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, TableShape, column_name
from libs.models.fidelity import ColumnFacts, HopFacts
from libs.models.version import Column
from libs.spatial_utils.drivers import OUTPUT_DRIVERS
from libs.spatial_utils.ogr import Gdal

TIMESTAMPS = ("timestamp", "timestamptz")
"""OGR keeps milliseconds of them."""
RESERVED_NAMES = {"flatgeobuf": (), "gpkg": ("fid", "geom")}
LAYER_OPTIONS = {"flatgeobuf": (), "gpkg": ("-lco", "GEOMETRY_NAME=geom", "-lco", "FID=fid")}


@dataclass(frozen=True)
class ExportOrder:
    """A table to write as `format`, in a layer called `name`."""

    schema: str
    table: str
    name: str
    shape: TableShape
    format: str
    path: Path


def export_table(postgis: PostGIS, gdal: Gdal, order: ExportOrder) -> list[str]:
    """Write the table to `order.path` and return the names its columns got."""
    names = distinct_names(
        [column.name for column in order.shape.columns],
        reserved=RESERVED_NAMES[order.format],
        fold_case=True,
        max_bytes=MAX_NAME_BYTES,
    )
    driver = OUTPUT_DRIVERS[order.format]
    query = order.path.with_suffix(".sql")
    query.write_text(postgis.render(_query(order, names)))
    geometry = order.shape.geometry
    gdal.run(
        "ogr2ogr",
        [
            "-f", driver, str(order.path), postgis.ogr_source,
            "-sql", f"@{query}",
            "-nln", order.name,
            "-nlt", geometry.ogr_type if geometry else "NONE",
            "-gt", "65536",
            *LAYER_OPTIONS[order.format],
        ],
        cwd=order.path.parent,
        env={**postgis.ogr_env, **gdal.only_drivers(["PostgreSQL", driver])},
        layer=order.name,
    )  # fmt: skip
    query.unlink()
    return names


def _query(order: ExportOrder, names: list[str]) -> sql.Composable:
    parts: list[sql.Composable] = [
        sql.SQL("{} AS {}").format(_value(position, column, order.format), sql.Identifier(name))
        for position, (column, name) in enumerate(zip(order.shape.columns, names, strict=True))
    ]
    if order.shape.geometry:
        parts.append(sql.Identifier(GEOMETRY_COLUMN))
    return sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(parts), sql.Identifier(order.schema, order.table)
    )


def _value(position: int, column: Column, output_format: str) -> sql.Composable:
    name = sql.Identifier(column_name(position))
    return sql.SQL(_template(column, output_format)).format(name)


def _template(column: Column, output_format: str) -> str:
    """Return how a column is selected; `{}` where the format holds its values as they are."""
    if column.type.endswith("[]"):
        return "array_to_json({})::text"
    if output_format == "gpkg" and column.type in {"real", "double"}:
        return "NULLIF({}, 'NaN')"
    return {
        "time": "{}::text",
        "timestamp": "{}::timestamp(3)",
        "timestamptz": "{}::timestamptz(3)",
    }.get(column.type, "{}")


def _written_type(column: Column) -> str:
    return "text" if column.type.endswith("[]") or column.type == "time" else column.type


def expected_columns(
    postgis: PostGIS, order: ExportOrder, facts: HopFacts
) -> tuple[ColumnFacts, ...]:
    """Return what the columns of the exported file must hold; `facts` are those of the table.

    A column whose values the format cannot hold is measured as it was selected for it.
    """
    expected = list(facts.columns)
    changed = [
        position
        for position, column in enumerate(order.shape.columns)
        if _template(column, order.format) != "{}"
    ]
    values = [
        (_value(position, column, order.format), _written_type(column))
        for position in changed
        for column in [order.shape.columns[position]]
    ]
    _, measured = measure_columns(postgis, sql.Identifier(order.schema, order.table), values)
    for position, found in zip(changed, measured, strict=True):
        expected[position] = found
    return tuple(expected)


def read_back(gdal: Gdal, order: ExportOrder) -> HopFacts:
    """Return what the exported file holds, read by GDAL."""
    types = [_written_type(column) for column in order.shape.columns]
    found = gdal.describe(
        order.path, drivers=[OUTPUT_DRIVERS[order.format]], types=types, file=order.path.name
    )
    return found.layers[0].facts
