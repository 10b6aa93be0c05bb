"""Tables inside an ephemeral schema: their columns, their geometry, their internal names.

Inside PostGIS columns are called c0, c1, … and the geometry `__geom`, whatever the source calls
them: no name can be too long, reserved, or equal to another. Published names return in the dump.

What belongs here: plans of tables. What does not: statements (`loading`, `transform`, `measure`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.models.version import Column
from libs.spatial_utils.column_types import POSTGRES_TYPES

GEOMETRY_COLUMN = "__geom"
SOURCE_COLUMN = "__source"
"""Of a transformed table: the number of the source that the row comes from, counted from 0."""
ROW_COLUMN = "__row"
"""Of a transformed table: the row's ctid in the loaded table of that source."""
BEFORE_COLUMN = "__before"
"""Of a table that was repaired: the geometry before the repair, NULL where nothing was repaired."""


def column_name(position: int) -> str:
    """Return the internal name of the attribute at `position`, counted from 0."""
    return f"c{position}"


@dataclass(frozen=True)
class GeometryPlan:
    """The geometry column of a table; `type_name` is flat, `Geometry` for a mix."""

    type_name: str
    has_z: bool = False
    has_m: bool = False

    @property
    def dimensions(self) -> str:
        """`Z`, `M`, `ZM` or nothing."""
        return f"{'Z' if self.has_z else ''}{'M' if self.has_m else ''}"

    @property
    def typmod(self) -> str:
        """The type as PostGIS writes it in `geometry(…)`."""
        return f"{self.type_name}{self.dimensions}"

    @property
    def ogr_type(self) -> str:
        """The type as ogr2ogr's -nlt wants it."""
        return f"{self.type_name.upper()}{self.dimensions}"


ANY_GEOMETRY = GeometryPlan("Geometry")
"""The geometry column of a loaded table: any type, any dimensions."""


@dataclass(frozen=True)
class TableShape:
    """Columns and geometry of a table; `geometry` is None for an attribute table."""

    columns: tuple[Column, ...]
    geometry: GeometryPlan | None

    def definition(self, srid: int) -> sql.Composable:
        """Return the column definitions of a CREATE TABLE."""
        parts = [
            sql.SQL("{} {}").format(
                sql.Identifier(column_name(position)), sql.SQL(POSTGRES_TYPES[column.type])
            )
            for position, column in enumerate(self.columns)
        ]
        if self.geometry:
            parts.append(
                sql.SQL("{} {}").format(
                    sql.Identifier(GEOMETRY_COLUMN), geometry_type(self.geometry, srid)
                )
            )
        return sql.SQL(", ").join(parts)


def geometry_type(plan: GeometryPlan, srid: int) -> sql.Composable:
    """Return `geometry(<type>, <srid>)`."""
    return sql.SQL("geometry({}, {})").format(sql.Identifier(plan.typmod), sql.Literal(srid))
