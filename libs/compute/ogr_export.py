"""FlatGeobuf and GeoPackage, written from PostGIS by ogr2ogr.

What belongs here: the view, the query and the arguments of the dump, and what its file must hold.
What does not: choosing the formats of a table (`libs.pipeline.dump`).
"""

import math
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from psycopg2 import sql

from libs.compute.export_names import distinct_names, layer_name, ogr_name, ogr_select
from libs.compute.flatgeobuf_index import join_indexed
from libs.compute.measure import measure_columns
from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN, GeometryPlan, TableShape, column_name
from libs.models.fidelity import ColumnFacts, HopFacts
from libs.spatial_utils.column_types import is_held_as_text
from libs.spatial_utils.drivers import OUTPUT_DRIVERS
from libs.spatial_utils.ogr import Gdal

TIMESTAMPS = ("timestamp", "timestamptz")
"""OGR keeps milliseconds of them."""
DATED = ("date", *TIMESTAMPS)
"""OGR keeps years from 1 to 9999 of them."""
RESERVED_NAMES = {"flatgeobuf": (), "gpkg": ("fid", "geom")}
LAYER_OPTIONS = {"flatgeobuf": (), "gpkg": ("-lco", "GEOMETRY_NAME=geom", "-lco", "FID=fid")}
WITHOUT_INDEX = ("-lco", "SPATIAL_INDEX=NO")
MAX_ARGUMENT_BYTES = 100_000
MAX_PARTS, MIN_ROWS_A_PART = 4, 50_000


@dataclass(frozen=True)
class ExportOrder:
    """A table of `rows` to write as `format`; its layer is called `name` where that allows it.

    `as_text` are the positions of the columns that only text can hold there.
    """

    schema: str
    table: str
    name: str
    shape: TableShape
    rows: int
    format: str
    path: Path
    as_text: frozenset[int] = frozenset()

    @property
    def layer(self) -> str:
        """The name of the layer."""
        return layer_name(self.name, self.format)

    @property
    def view(self) -> str:
        """The name of the view that ogr2ogr reads, or the beginning of several."""
        return f"{self.table}_{self.format}"

    def written_type(self, position: int) -> str:
        """Return the type of a column as the file holds it."""
        name = self.shape.columns[position].type
        is_text = position in self.as_text or is_held_as_text(self.format, name)
        return "text" if is_text else name

    def template(self, position: int) -> str:
        """Return how a column is selected; `{}` where the format holds its values as they are."""
        name = self.shape.columns[position].type
        if name.endswith("[]"):
            return "array_to_json({})::text"
        if self.written_type(position) != name:
            return "{}::text"
        if self.format == "gpkg" and name in {"real", "double"}:
            return "NULLIF({}, 'NaN')"
        return "date_trunc('milliseconds', {})" if name in TIMESTAMPS else "{}"

    def value(self, position: int) -> sql.Composable:
        """Return a column as it is selected."""
        return sql.SQL(self.template(position)).format(sql.Identifier(column_name(position)))


def columns_as_text(postgis: PostGIS, schema: str, table: str, shape: TableShape) -> frozenset[int]:
    """Return the positions of the columns with a year that OGR cannot hold, found in one scan."""
    dated = [n for n, column in enumerate(shape.columns) if column.type in DATED]
    if not dated:
        return frozenset()
    asked = [
        sql.SQL("bool_or({0} < '0001-01-01' OR {0} >= '10000-01-01')").format(
            sql.Identifier(column_name(position))
        )
        for position in dated
    ]
    (found,) = postgis.run(
        sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(asked), sql.Identifier(schema, table)
        )
    )
    return frozenset(
        position for position, is_beyond in zip(dated, found, strict=True) if is_beyond
    )


def export_table(postgis: PostGIS, gdal: Gdal, order: ExportOrder) -> list[str]:
    """Write the table to `order.path` and return the names its columns got.

    ogr2ogr reads a view with internal names, and OGR SQL gives the published ones: a name of an
    SQL result would end at 63 bytes, and some (ogc_fid, ST_AsBinary) steer GDAL's driver. A
    FlatGeobuf is written in parts at the same time; GDAL makes nothing of one without rows.
    """
    driver = OUTPUT_DRIVERS[order.format]
    if order.format != "flatgeobuf" or not order.rows:
        parts = [_Part(order.view, order.path)]
    else:
        parts = _parts(postgis, order)
    is_joined = parts[0].path != order.path
    published = [_published(order, part) for part in parts]
    for part in parts:
        postgis.run(_view(order, part))
    gdal.run_together(
        "ogr2ogr",
        [
            [
                "-f", driver, str(part.path), postgis.ogr_source,
                "-oo", f"TABLES={order.schema}.{part.view}",
                "-dialect", "OGRSQL", "-sql", query,
                "-nln", order.layer,
                *_type_arguments(order.shape.geometry),
                "-gt", "65536",
                *LAYER_OPTIONS[order.format],
                *(WITHOUT_INDEX if is_joined else ()),
            ]
            for part, (_, query) in zip(parts, published, strict=True)
        ],
        cwd=order.path.parent,
        env={**postgis.ogr_env, **gdal.only_drivers(["PostgreSQL", driver])},
        layer=order.name,
    )  # fmt: skip
    for part in parts:
        postgis.run(sql.SQL("DROP VIEW {}").format(sql.Identifier(order.schema, part.view)))
    if is_joined:
        join_indexed([part.path for part in parts], order.path)
    return published[0][0]


@dataclass(frozen=True)
class _Part:
    """A view of a table, or of its pages from `begin` to before `end`, and the file it goes to."""

    view: str
    path: Path
    begin: int = 0
    end: int | None = None

    @property
    def condition(self) -> sql.Composable:
        """What is behind the view's table; one range of pages is one scan."""
        if self.end is None:
            return sql.SQL("")
        return sql.SQL("WHERE ctid >= {} AND ctid < {}").format(
            *(sql.SQL("'({},0)'::tid").format(sql.Literal(page)) for page in (self.begin, self.end))
        )


def _parts(postgis: PostGIS, order: ExportOrder) -> list[_Part]:
    """Return the parts that a table is written in, in the order of its rows."""
    count = min(MAX_PARTS, len(os.sched_getaffinity(0)), math.ceil(order.rows / MIN_ROWS_A_PART))
    size = sql.SQL("pg_relation_size(format('%I.%I', {}, {}))").format(
        sql.Literal(order.schema), sql.Literal(order.table)
    )
    ((pages,),) = postgis.run(
        sql.SQL("SELECT {} / current_setting('block_size')::int").format(size)
    )
    bounds = [pages * number // count for number in range(count + 1)]
    return [
        _Part(
            f"{order.view}_{number}",
            order.path.with_suffix(f".{number}{order.path.suffix}"),
            begin,
            end,
        )
        for number, (begin, end) in enumerate(pairwise(bounds))
    ]


def _type_arguments(geometry: GeometryPlan | None) -> list[str]:
    """Return the layer's type; for a mix its dimensions only.

    Where `-nlt GEOMETRY` is asked for, ogr2ogr 3.6 makes every empty geometry NULL.
    """
    if geometry is None:
        return ["-nlt", "NONE"]
    if geometry.type_name == "Geometry":
        return ["-dim", f"XY{geometry.dimensions}"]
    return ["-nlt", geometry.ogr_type]


def _published(order: ExportOrder, part: _Part) -> tuple[list[str], str]:
    """Return the names of the columns and the OGR SQL that gives them to a part.

    The statement is an argument, because ogr2ogr joins the lines of one that it reads from a
    file; where it is longer than an argument may be, line breaks in names are given up.
    """
    for without_lines in (False, True):
        names = distinct_names(
            [ogr_name(column.name, without_lines=without_lines) for column in order.shape.columns],
            reserved=RESERVED_NAMES[order.format],
            fold_case=True,
        )
        query = ogr_select(names, f"{order.schema}.{part.view}")
        if len(query.encode()) <= MAX_ARGUMENT_BYTES:
            return names, query
    file = part.path.with_suffix(".sql")
    file.write_text(query, "utf-8")
    return names, f"@{file}"


def _view(order: ExportOrder, part: _Part) -> sql.Composable:
    parts: list[sql.Composable] = [
        sql.SQL("{} AS {}").format(order.value(position), sql.Identifier(column_name(position)))
        for position in range(len(order.shape.columns))
    ]
    if order.shape.geometry:
        parts.append(sql.Identifier(GEOMETRY_COLUMN))
    return sql.SQL("CREATE VIEW {} AS SELECT {} FROM {} {}").format(
        sql.Identifier(order.schema, part.view),
        sql.SQL(", ").join(parts),
        sql.Identifier(order.schema, order.table),
        part.condition,
    )


def expected_columns(
    postgis: PostGIS, order: ExportOrder, facts: HopFacts
) -> tuple[ColumnFacts, ...]:
    """Return what the columns of the exported file must hold; `facts` are those of the table.

    A column whose values the format cannot hold is measured as it was selected for it.
    """
    expected = list(facts.columns)
    changed = [n for n in range(len(order.shape.columns)) if order.template(n) != "{}"]
    if not changed:
        return facts.columns
    values = [(order.value(position), order.written_type(position)) for position in changed]
    _, measured = measure_columns(postgis, sql.Identifier(order.schema, order.table), values)
    for position, found in zip(changed, measured, strict=True):
        expected[position] = found
    return tuple(expected)


def read_back(gdal: Gdal, order: ExportOrder) -> HopFacts:
    """Return what the exported file holds, read by GDAL."""
    types = [order.written_type(position) for position in range(len(order.shape.columns))]
    found = gdal.describe(
        order.path, driver=OUTPUT_DRIVERS[order.format], types=types, file=order.path.name
    )
    return found.layers[0].facts
