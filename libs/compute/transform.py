"""The transform: one fused statement a table.

Reprojects each source from its own CRS, appends the sources, repairs where asked, and lays the rows
in spatial order (PostGIS sorts geometries along a Hilbert curve).

What belongs here: that statement. What does not: what it must produce (`libs.pipeline.check`).
"""

from dataclasses import dataclass, replace

from psycopg2 import sql

from libs.compute.plain_geometry import plain_geometry
from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import (
    BEFORE_COLUMN,
    GEOMETRY_COLUMN,
    ROW_COLUMN,
    SOURCE_COLUMN,
    GeometryPlan,
    TableShape,
    column_name,
    geometry_type,
)
from libs.spatial_utils.column_types import POSTGRES_TYPES

_FORCED = {
    "": "ST_Force2D({})",
    "Z": "ST_Force3DZ({})",
    "M": "ST_Force3DM({})",
    "ZM": "ST_Force4D({})",
}


@dataclass(frozen=True)
class TransformSource:
    """A loaded table; `positions` gives for each published column its own, None for NULL.

    `is_plain` where it has neither curves nor surfaces; `can_repair` is false where no geometry of
    it may be repaired.
    """

    table: str
    srid: int
    is_swapped: bool
    positions: tuple[int | None, ...]
    has_geometry: bool = True
    is_plain: bool = True
    can_repair: bool = True


@dataclass(frozen=True)
class TransformOrder:
    """What to make of loaded tables."""

    target: str
    target_srid: int
    shape: TableShape
    sources: tuple[TransformSource, ...]
    repair: bool = False


def transform_table(postgis: PostGIS, schema: str, order: TransformOrder) -> None:
    """Create `order.target` in `schema`; raises `SourceError` where PostGIS refuses the data.

    Beside the published columns a row keeps where it comes from (`SOURCE_COLUMN`, `ROW_COLUMN`) and
    what a repair replaced (`BEFORE_COLUMN`).
    """
    provenance = [sql.Identifier(SOURCE_COLUMN), sql.Identifier(ROW_COLUMN)]
    columns: list[sql.Composable] = [
        *(sql.Identifier(column_name(n)) for n in range(len(order.shape.columns))),
        *provenance,
    ]
    ordering: list[sql.Composable] = [*provenance]
    repair: sql.Composable = sql.SQL("")
    if order.shape.geometry:
        columns += _geometry_columns(order, order.shape.geometry)
        # A geometry that is written otherwise here than in the columns would be transformed twice.
        ordering.insert(0, sql.Identifier(*(["source"] if order.repair else []), GEOMETRY_COLUMN))
        if order.repair:
            repair = statement("repair").format(geometry=sql.Identifier(GEOMETRY_COLUMN))
    selects = [_select(schema, order, number) for number in range(len(order.sources))]
    postgis.run(
        statement("transform").format(
            target=sql.Identifier(schema, order.target),
            columns=sql.SQL(", ").join(columns),
            sources=sql.SQL(" UNION ALL ").join(selects),
            repair=repair,
            order=sql.SQL(", ").join(ordering),
        )
    )


def _geometry_columns(order: TransformOrder, plan: GeometryPlan) -> list[sql.Composable]:
    own, name = sql.Identifier("source", GEOMETRY_COLUMN), sql.Identifier(GEOMETRY_COLUMN)
    if not order.repair:
        kind = geometry_type(plan, order.target_srid)
        return [sql.SQL("{}::{} AS {}").format(own, kind, name)]
    kind = geometry_type(replace(plan, type_name="Geometry"), order.target_srid)
    return [
        sql.SQL("COALESCE(repair.geometry, {})::{} AS {}").format(own, kind, name),
        sql.SQL("CASE WHEN repair.geometry IS NOT NULL THEN {} END AS {}").format(
            own, sql.Identifier(BEFORE_COLUMN)
        ),
    ]


def numbered_rows(schema: str, order: TransformOrder) -> sql.Composable:
    """Return the rows that `transform_table` appends, as a relation for messages about them.

    Beside the columns of the table it has `__source`, the number of the source from 0, and
    `__number`, the row there from 1. Nothing is repaired.
    """
    selects = [_select(schema, order, number) for number in range(len(order.sources))]
    return sql.SQL(
        "(SELECT *, row_number() OVER (PARTITION BY __source ORDER BY __row) AS __number "
        "FROM ({}) AS appended)"
    ).format(sql.SQL(" UNION ALL ").join(selects))


def _select(schema: str, order: TransformOrder, number: int) -> sql.Composable:
    source = order.sources[number]
    parts: list[sql.Composable] = []
    for position, (column, own) in enumerate(
        zip(order.shape.columns, source.positions, strict=True)
    ):
        value = sql.SQL("NULL") if own is None else sql.Identifier(column_name(own))
        parts.append(
            sql.SQL("{}::{} AS {}").format(
                value,
                sql.SQL(POSTGRES_TYPES[column.type]),
                sql.Identifier(column_name(position)),
            )
        )
    if order.shape.geometry:
        parts.append(
            sql.SQL("{} AS {}").format(
                _shaped(_reprojected(source, order.target_srid), order.shape.geometry),
                sql.Identifier(GEOMETRY_COLUMN),
            )
        )
    parts += [
        sql.SQL("{} AS {}").format(sql.Literal(number), sql.Identifier(SOURCE_COLUMN)),
        sql.SQL("ctid AS {}").format(sql.Identifier(ROW_COLUMN)),
        sql.SQL("{} AS can_repair").format(sql.Literal(source.can_repair)),
    ]
    return sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(parts), sql.Identifier(schema, source.table)
    )


def placed_geometry(source: TransformSource) -> sql.Composable:
    """Return the geometry of a loaded table in x, y order and with its SRID."""
    geometry: sql.Composable = sql.Identifier(GEOMETRY_COLUMN)
    if source.is_swapped:
        geometry = sql.SQL("ST_FlipCoordinates({})").format(geometry)
    if not source.is_plain:
        geometry = plain_geometry(geometry)
    return sql.SQL("ST_SetSRID({}, {})").format(geometry, sql.Literal(source.srid))


def _reprojected(source: TransformSource, target_srid: int) -> sql.Composable:
    if not source.has_geometry:
        return sql.SQL("NULL::geometry")
    geometry = placed_geometry(source)
    if source.srid == target_srid:
        return geometry
    return sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(target_srid))


def _shaped(geometry: sql.Composable, plan: GeometryPlan) -> sql.Composable:
    """Return the geometry with the dimensions of the plan, as multi where the plan says so."""
    if plan.type_name.startswith("Multi"):
        geometry = sql.SQL("ST_Multi({})").format(geometry)
    return sql.SQL(_FORCED[plan.dimensions]).format(geometry)
