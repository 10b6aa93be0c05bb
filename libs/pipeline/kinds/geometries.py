"""Geometries that are wrong in the source: refused, or kept and said, or repaired and said.

What belongs here: judging what was found, before the transform and after it. What does not: finding
it (`libs.compute.geometry_survey`, `libs.compute.invalid_geometries`), types and dimensions
(`geometry_planning`), what a reprojection does (`reprojecting`).
"""

from dataclasses import replace

from libs.compute.geometry_survey import RowsFound, not_finite_rows
from libs.compute.invalid_geometries import Repairs, count_invalid, invalid_places, repairs
from libs.compute.plain_geometry import NestedShapes, nested_shapes
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.hops import flat_types
from libs.pipeline.kinds.geometry_planning import LINEARISED, TAKEN_APART, made_flat
from libs.pipeline.state import LoadedRows, TransformedRows
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import Crs


def with_nested_shapes(bench: Workbench, table: LoadedRows) -> LoadedRows:
    """Return a table with what hides in its geometry collections, and a plan that can hold it."""
    nested = tuple(
        nested_shapes(bench.clients.postgis, bench.schema, raw)
        if "GeometryCollection" in flat_types(facts)
        else NestedShapes()
        for raw, facts in zip(table.raw_tables, table.loaded, strict=True)
    )
    plan = table.plan
    if plan.geometry and any(shapes.surfaces for shapes in nested):
        plan = replace(plan, geometry=made_flat(plan.geometry))
    return replace(table, plan=plan, nested=nested)


def nested_shape_warnings(table: LoadedRows) -> list[Warn]:
    """Return what becomes of curves and surfaces in geometry collections."""
    said = [
        (source, code, rows, what)
        for source, shapes in zip(table.plan.sources, table.nested, strict=True)
        for code, rows, what in (
            (
                "geometry.linearised",
                shapes.curves,
                f"geometry collections with curves {LINEARISED}",
            ),
            (
                "geometry.surface_as_multipolygon",
                shapes.surfaces,
                f"geometry collections with surfaces {TAKEN_APART}",
            ),
        )
        if rows
    ]
    return [
        Warn(
            code=code,
            message=f"Table {table.name!r}: {rows} {what}.",
            file=source.file,
            layer=source.layer_name,
        )
        for source, code, rows, what in said
    ]


def coordinate_warnings(bench: Workbench, table: LoadedRows) -> list[Warn]:
    """Return which rows have heights that are not a number.

    Raises `SourceError` where another coordinate is infinite or not a number.
    """
    if table.plan.geometry is None:
        return []
    warnings = []
    for source, raw in zip(table.plan.sources, table.raw_tables, strict=True):
        if not source.has_geometry:
            continue
        found = not_finite_rows(bench.clients.postgis, bench.schema, raw)
        if found.broken.count:
            raise SourceError(
                "source.not_finite",
                "expected finite coordinates, found geometries with a coordinate that is infinite "
                f"or not a number in {_shown_rows(found.broken)}.",
                remedy="Correct or remove the coordinates of these rows and drop the file again.",
                file=source.file,
                layer=source.layer_name,
                row=found.broken.first[0],
            )
        if found.without_z.count:
            warnings.append(
                Warn(
                    code="geometry.z_not_a_number",
                    message=f"Table {table.name!r}: heights that are not a number were kept in "
                    f"{_shown_rows(found.without_z)}.",
                    file=source.file,
                    layer=source.layer_name,
                )
            )
    return warnings


def invalid_geometry_warnings(bench: Workbench, table: TransformedRows) -> list[Warn]:
    """Return where a table's invalid geometries are, and what a repair did to them."""
    if table.plan.geometry is None:
        return []
    postgis, is_repaired = bench.clients.postgis, table.is_repaired
    made = repairs(postgis, bench.schema, table.table) if is_repaired else []
    said = [("geometry.repaired", shown_repairs(made, table.crs))] if made else []
    invalid = count_invalid(postgis, bench.schema, table.table)
    if invalid:
        code, what, remedy = ("geometry.invalid", "were kept", "options.repair makes them valid.")
        if is_repaired:
            code, what = "geometry.not_repaired", "could not be repaired and were kept"
            remedy = (
                "A repair would have left nothing of their dimension, or lost M values or the "
                "faces of a surface."
            )
        said.append(
            (
                code,
                f"{invalid} invalid geometries {what} as they are, e.g. "
                f"{_shown_places(bench, table)}. {remedy}",
            )
        )
    return [
        Warn(
            code=code,
            message=f"Table {table.name!r}: {message}",
            file=table.file,
            layer=table.layer,
        )
        for code, message in said
    ]


def _shown_rows(found: RowsFound) -> str:
    rows = ", ".join(map(str, found.first))
    if found.count == 1:
        return f"row {rows}"
    return f"{found.count} rows: {rows}{', …' if found.count > len(found.first) else ''}"


def shown_repairs(made: list[Repairs], crs: Crs | None) -> str:
    """Return in words what was repaired, in a CRS by whose unit areas are measured."""
    changed = [
        f"{item.rows} {item.type_before} became {item.type_after}"
        for item in made
        if item.type_before != item.type_after
    ]
    unit = crs.proj.axis_info[0].unit_name if crs else "unit"
    before, after = sum(r.area_before for r in made), sum(r.area_after for r in made)
    return (
        f"{sum(item.rows for item in made)} invalid geometries were repaired; "
        f"{', '.join(changed) or 'no type changed'}; their area was {before:.10g} and is "
        f"{after:.10g} (planar, square {unit})."
    )


def _shown_places(bench: Workbench, table: TransformedRows) -> str:
    places = invalid_places(
        bench.clients.postgis, bench.schema, table.table, table.loaded.raw_tables
    )
    sources = table.plan.sources
    return "; ".join(
        f"row {place.row}"
        + (f" of {sources[place.source].file}" if len(sources) > 1 else "")
        + f": {place.reason}"
        + (f" at {place.point}" if place.point else "")
        for place in places
    )
