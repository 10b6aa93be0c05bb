"""FlatGeobuf and GeoPackage, written from PostGIS by ogr2ogr.

What belongs here: the query and the arguments of the dump. What does not: choosing the formats of
a table (`libs.pipeline.dump`).
"""

from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql

from libs.compute.export_names import MAX_NAME_BYTES, distinct_names
from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, TableShape, column_name
from libs.models.version import Column
from libs.spatial_utils.drivers import OUTPUT_DRIVERS
from libs.spatial_utils.ogr import Gdal

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
        sql.SQL("{} AS {}").format(_value(position, column), sql.Identifier(name))
        for position, (column, name) in enumerate(zip(order.shape.columns, names, strict=True))
    ]
    if order.shape.geometry:
        parts.append(sql.Identifier(GEOMETRY_COLUMN))
    return sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(parts), sql.Identifier(order.schema, order.table)
    )


def _value(position: int, column: Column) -> sql.Composable:
    name = sql.Identifier(column_name(position))
    if column.type.endswith("[]"):
        return sql.SQL("array_to_json({})::text").format(name)
    return sql.SQL("{}::text").format(name) if column.type == "time" else name
