"""Measuring a table in an ephemeral schema: the facts of a hop.

What belongs here: questions to PostGIS about data. What does not: judging the answers
(`libs.pipeline.check`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import GEOMETRY_COLUMN, TableShape, column_name
from libs.fidelity.columns import checksum_sql
from libs.fidelity.tally import shown
from libs.fidelity.wkb import DIMENSIONS, union
from libs.models.fidelity import Bbox, ColumnFacts, GeometryFacts, HopFacts

COLUMNS_A_QUERY = 400
_ISO_NAMES = {"Tin": "TIN"}
"""PostGIS's name of a geometry type -> that of WKB, where they differ."""
_FLAGS = {0: 0, 1: 2, 2: 1, 3: 3}
"""PostGIS's number of a geometry's dimensions (M is 1, Z is 2) -> that of WKB (Z is 1, M is 2)."""


@dataclass(frozen=True)
class TableFacts:
    """What a table holds."""

    hop: HopFacts

    @property
    def rows(self) -> int:
        """Its rows."""
        return self.hop.rows

    @property
    def geometry(self) -> GeometryFacts:
        """Its geometries; none where it has no geometry column."""
        return self.hop.geometry or GeometryFacts()

    @property
    def geometry_types(self) -> tuple[str, ...]:
        """`Point`, `MultiPolygon Z`, …, without NULLs."""
        return tuple(self.geometry.types)

    @property
    def bbox(self) -> Bbox | None:
        """Its extent in its CRS."""
        return self.geometry.bbox


def measure_hop(postgis: PostGIS, schema: str, table: str, shape: TableShape) -> HopFacts:
    """Return what a table with the internal columns of `shape` holds."""
    name = sql.Identifier(schema, table)
    values = [
        (sql.Identifier(column_name(position)), column.type)
        for position, column in enumerate(shape.columns)
    ]
    rows, columns = measure_columns(postgis, name, values)
    geometry = _measure_geometry(postgis, name) if shape.geometry else None
    return HopFacts(rows=rows, columns=columns, geometry=geometry)


def measure_columns(
    postgis: PostGIS, table: sql.Identifier, values: Sequence[tuple[sql.Composable, str]]
) -> tuple[int, tuple[ColumnFacts, ...]]:
    """Return the rows of a table and the facts of values selected from it, each with its type."""
    facts: list[ColumnFacts] = []
    rows = 0
    for begin in range(0, max(1, len(values)), COLUMNS_A_QUERY):
        parts: list[sql.Composable] = [sql.SQL("count(*)")]
        for value, type_name in values[begin : begin + COLUMNS_A_QUERY]:
            parts.append(sql.SQL("count({})").format(value))
            parts.append(sql.SQL(f"sum({checksum_sql(type_name)})").format(value))
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(parts), table)
        ((rows, *found),) = postgis.run(query)
        facts += [
            ColumnFacts(nulls=rows - present, checksum=shown(int(total or Decimal(0))))
            for present, total in zip(found[0::2], found[1::2], strict=True)
        ]
    return int(rows), tuple(facts)


def _measure_geometry(postgis: PostGIS, table: sql.Identifier) -> GeometryFacts:
    groups = postgis.run(
        statement("measure_geometry").format(geometry=sql.Identifier(GEOMETRY_COLUMN), table=table)
    )
    nulls, empties, vertices = 0, 0, 0
    types: dict[str, int] = {}
    bbox: Bbox | None = None
    for type_name, flag, rows, empty_rows, points, *corners in groups:
        if type_name is None:
            nulls = int(rows)
            continue
        types[_ISO_NAMES.get(type_name, type_name) + DIMENSIONS[_FLAGS[flag]]] = int(rows)
        empties += int(empty_rows)
        vertices += int(points)
        bbox = union(bbox, None if corners[0] is None else tuple(corners))
    return GeometryFacts(
        nulls=nulls,
        empties=empties,
        types=dict(sorted(types.items())),
        vertices=vertices,
        bbox=bbox,
    )


def is_finite(bbox: Bbox) -> bool:
    """Return whether all four numbers are finite."""
    return all(math.isfinite(value) for value in bbox)
