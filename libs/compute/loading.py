"""Loading a layer into an ephemeral schema with ogr2ogr.

The table is made first, with internal column names, and filled by position (`-fieldmap`): GDAL's
own renaming of columns never happens. COPY, no index, no key, large transactions.

What belongs here: the call of ogr2ogr. What does not: which layers to load (`libs.pipeline`).
"""

from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql

from libs.compute.measure import count_rows
from libs.compute.postgis import PostGIS
from libs.compute.tables import TableShape
from libs.spatial_utils.ogr import Gdal

ROWS_PER_TRANSACTION = 200_000


@dataclass(frozen=True)
class LoadOrder:
    """A layer to load: where it is, and the table it becomes."""

    path: Path
    driver: str
    layer: str
    encoding: str | None
    file: str
    table: str
    shape: TableShape


def load_layer(postgis: PostGIS, gdal: Gdal, schema: str, order: LoadOrder) -> int:
    """Create `order.table` in `schema`, fill it, and return its number of rows.

    Coordinates are kept as they are, without an SRID. Raises what `Gdal.run` raises.
    """
    postgis.run(
        sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(
            sql.Identifier(schema, order.table), order.shape.definition(0)
        )
    )
    gdal.run(
        "ogr2ogr",
        _arguments(postgis, schema, order),
        cwd=order.path.parent,
        env={**postgis.ogr_env, **gdal.only_drivers([order.driver, "PostgreSQL"])},
        file=order.file,
        layer=order.layer,
    )
    return count_rows(postgis, schema, order.table)


def _arguments(postgis: PostGIS, schema: str, order: LoadOrder) -> list[str]:
    args = [
        "-append", "-f", "PostgreSQL", postgis.ogr_source, str(order.path), order.layer,
        "-nln", f"{schema}.{order.table}",
        "-gt", str(ROWS_PER_TRANSACTION),
        "-a_srs", "NONE", "-unsetFid",
    ]  # fmt: skip
    if order.shape.columns:
        args += ["-fieldmap", ",".join(str(n) for n in range(len(order.shape.columns)))]
    if order.shape.geometry:
        args += ["-nlt", "CONVERT_TO_LINEAR"]
        if order.shape.geometry.type_name.startswith("Multi"):
            args += ["-nlt", "PROMOTE_TO_MULTI"]
    if order.encoding:
        args += ["-oo", f"ENCODING={order.encoding}"]
    return args
