"""The geometry column of a table: its type and dimensions, decided before anything is loaded.

What belongs here: what becomes of each geometry type of a source, and what is said of it. What does
not: carrying it out (`libs.compute.transform`), geometries that are wrong in the source
(`libs.pipeline.kinds.geometries`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from libs.compute.plain_geometry import ARC_STEP_DEGREES
from libs.compute.tables import GeometryPlan
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.layers import GeometryTypeFact, Layer

SIMPLE_TYPES = (
    "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip
LINEAR_TYPES = {
    "CircularString": "LineString",
    "CompoundCurve": "LineString",
    "CurvePolygon": "Polygon",
    "MultiCurve": "MultiLineString",
    "MultiSurface": "MultiPolygon",
}
SURFACE_TYPES = ("PolyhedralSurface", "TIN", "Triangle")
UNKNOWN_TYPE = "Unknown(any)"
ANY_TYPE = "Geometry"
LINEARISED = (
    f"were linearised: arcs became straight lines, one for each {ARC_STEP_DEGREES}° or less, at "
    "most 0.07 % of the radius off"
)
TAKEN_APART = (
    "became MultiPolygon, a polygon for each face, all vertices kept; collections with them were "
    "made flat"
)


class GeometrySource(Protocol):
    """A layer and the file that it comes from."""

    @property
    def file(self) -> str:
        """The file as a user knows it."""

    @property
    def layer(self) -> Layer:
        """The layer."""


def plan_geometry(
    name: str, members: Sequence[GeometrySource], warnings: list[Warn]
) -> GeometryPlan | None:
    """Return the geometry column of the table `name`, None where no source has geometries.

    Adds to `warnings` what changes on the way; raises `SourceError` for a type that is not known.
    """
    with_geometry = [member for member in members if member.layer.has_geometry]
    if not with_geometry:
        return None
    facts: list[GeometryTypeFact] = []
    for member in with_geometry:
        facts += member.layer.geometry_types
        for fact in member.layer.geometry_types:
            _require_supported(member, fact)
    if not facts:
        facts = [
            member.layer.declared_type
            for member in with_geometry
            if member.layer.declared_type.name != UNKNOWN_TYPE
        ]
    names = {plain_type(fact.name) for fact in facts}
    plan = GeometryPlan(
        type_name=_common_type(names),
        has_z=any(fact.has_z for fact in facts),
        has_m=any(fact.has_m for fact in facts),
    )
    for member in with_geometry:
        warnings += _geometry_warnings(name, member, plan)
    return plan


def plain_type(name: str) -> str:
    """Return the type that a flat type is published as: neither a curve nor a surface."""
    return "MultiPolygon" if name in SURFACE_TYPES else LINEAR_TYPES.get(name, name)


def made_flat(plan: GeometryPlan) -> GeometryPlan:
    """Return the plan for collections that are made flat and get the type of their parts."""
    return replace(plan, type_name=ANY_TYPE)


def narrowed(plan: GeometryPlan, geometry_types: Sequence[str]) -> GeometryPlan:
    """Return the plan with the one type that all geometries have, `Geometry` where they differ.

    `geometry_types` are those of the rows as PostGIS holds them, such as `MultiPolygon Z`.
    """
    names = {name.partition(" ")[0] for name in geometry_types}
    if not names:
        return plan
    return replace(plan, type_name=names.pop() if len(names) == 1 else ANY_TYPE)


def _require_supported(member: GeometrySource, fact: GeometryTypeFact) -> None:
    if fact.name not in (*SIMPLE_TYPES, *LINEAR_TYPES, *SURFACE_TYPES):
        raise SourceError(
            "source.unsupported_geometry",
            f"expected {', '.join(SIMPLE_TYPES)}, a curve or a surface, found {fact.name}.",
            remedy="Convert these geometries, e.g. to MultiPolygon, and drop the file again.",
            file=member.file,
            layer=member.layer.name,
        )


def _common_type(names: set[str]) -> str:
    if len(names) == 1:
        (only,) = names
        return only if only in SIMPLE_TYPES else ANY_TYPE
    for name in names:
        if names == {name, f"Multi{name}"}:
            return f"Multi{name}"
    return ANY_TYPE


def _geometry_warnings(name: str, member: GeometrySource, plan: GeometryPlan) -> list[Warn]:
    types = member.layer.geometry_types
    curves = sum(fact.rows for fact in types if fact.is_curve)
    surfaces = [fact for fact in types if fact.name in SURFACE_TYPES]
    kinds = ", ".join(sorted({fact.name for fact in surfaces}))
    flat = sum(fact.rows for fact in types if (fact.has_z, fact.has_m) != (plan.has_z, plan.has_m))
    single = 0
    if plan.type_name.startswith("Multi"):
        single = sum(
            fact.rows for fact in types if f"Multi{plain_type(fact.name)}" == plan.type_name
        )
    said = [
        ("geometry.linearised", curves, f"curved geometries {LINEARISED}"),
        (
            "geometry.surface_as_multipolygon",
            sum(fact.rows for fact in surfaces),
            f"geometries with surfaces ({kinds}) {TAKEN_APART}",
        ),
        (
            "geometry.dimension_added",
            flat,
            f"geometries without {' and '.join(plan.dimensions)} got 0 there, because others have "
            "it",
        ),
        (
            "geometry.promoted_to_multi",
            single,
            f"single geometries became {plan.type_name}, because others of the table are",
        ),
    ]
    return [
        Warn(
            code=code,
            message=f"Table {name!r}: {count} {what}.",
            file=member.file,
            layer=member.layer.name,
        )
        for code, count, what in said
        if count
    ]
