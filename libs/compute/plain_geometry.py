"""Geometries made plain: what a file can hold and no published format does.

Curves become lines; TIN, polyhedral surfaces and triangles are taken apart into polygons. Both may
hide in geometry collections, where a collection with surfaces becomes one of its parts, made flat.

What belongs here: the expression that does it, and finding what hides. What does not: what a user
is told of it (`libs.pipeline.kinds.geometry_planning`).
"""

from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.statements import statement
from libs.compute.tables import GEOMETRY_COLUMN

ARC_STEP_DEGREES = 4
"""The angle of an arc that becomes one straight line, at most."""

_CURVES = "CIRCULARSTRING|CURVE|MULTISURFACE"
_SURFACES = "TIN|POLYHEDRALSURFACE|TRIANGLE"


@dataclass(frozen=True)
class NestedShapes:
    """How many geometry collections hold curves, and how many surfaces."""

    curves: int = 0
    surfaces: int = 0


def plain_geometry(geometry: sql.Composable) -> sql.Composable:
    """Return the expression for a geometry without curves and surfaces; their vertices are kept.

    An arc gives the same line in both directions, so that neighbours stay neighbours.
    """
    return statement("plain_geometry").format(
        geometry=geometry,
        step=sql.Literal(ARC_STEP_DEGREES),
        surfaces=sql.Literal(_SURFACES),
    )


def nested_shapes(postgis: PostGIS, schema: str, table: str) -> NestedShapes:
    """Return what the geometry collections of a loaded table hold."""
    ((curves, surfaces),) = postgis.run(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE shape ~ {curves}), "
            "count(*) FILTER (WHERE shape ~ {surfaces}) "
            "FROM (SELECT ST_AsText({geometry}) AS shape FROM {table} "
            "WHERE ST_GeometryType({geometry}) = 'ST_GeometryCollection') AS collections"
        ).format(
            curves=sql.Literal(_CURVES),
            surfaces=sql.Literal(_SURFACES),
            geometry=sql.Identifier(GEOMETRY_COLUMN),
            table=sql.Identifier(schema, table),
        )
    )
    return NestedShapes(int(curves), int(surfaces))
