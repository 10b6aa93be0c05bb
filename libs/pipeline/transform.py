"""Phase 4, transform: one fused statement a table, then its measurement.

What belongs here: choosing CRS numbers and columns for the statement. What does not: the statement
(`libs.compute.transform`).
"""

from libs.compute.measure import measure_table
from libs.compute.srid import ensure_srid
from libs.compute.tables import GEOMETRY_COLUMN
from libs.compute.transform import TransformOrder, TransformSource, transform_table
from libs.models.version import Transformation, Warn
from libs.pipeline.state import Loaded, LoadedTable, SourceLayer, Transformed, TransformedTable
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import Crs, describe_transformation


def transform(bench: Workbench, loaded: Loaded) -> Transformed:
    """Transform all tables; raises `CrsError` or `SourceError` where one cannot be."""
    tables = []
    warnings: list[Warn] = []
    for number, table in enumerate(loaded.tables):
        transformed = _transform_table(bench, loaded, table, f"out_{number}")
        tables.append(transformed)
        warnings += _warnings(transformed)
    return Transformed(loaded, tuple(tables), tuple(warnings))


def _transform_table(
    bench: Workbench, loaded: Loaded, table: LoadedTable, name: str
) -> TransformedTable:
    postgis, plan = bench.clients.postgis, table.plan
    target_srid = ensure_srid(postgis, plan.crs) if plan.crs else 0
    sources = tuple(
        TransformSource(
            table=raw,
            srid=ensure_srid(postgis, source.crs) if source.crs else 0,
            is_swapped=source.is_swapped,
            positions=_positions(table, source),
            has_geometry=source.layer.has_geometry,
        )
        for source, raw in zip(plan.sources, table.raw_tables, strict=True)
    )
    order = TransformOrder(
        target=name,
        target_srid=target_srid,
        shape=plan.shape,
        sources=sources,
        repair=loaded.intake.manifest.options.repair,
    )
    transform_table(postgis, bench.schema, order)
    facts = measure_table(postgis, bench.schema, name, has_geometry=plan.geometry is not None)
    return TransformedTable(table, name, facts, _transformations(bench, table))


def _positions(table: LoadedTable, source: SourceLayer) -> tuple[int | None, ...]:
    """Return where each published column stands in a source.

    Columns are matched by name; a name that stands more than once, by its how-manieth.
    """
    own = [column.name for column in source.columns]
    seen: dict[str, int] = {}
    positions: list[int | None] = []
    for column in table.plan.columns:
        places = [place for place, name in enumerate(own) if name == column.name]
        occurrence = seen.get(column.name, 0)
        seen[column.name] = occurrence + 1
        positions.append(places[occurrence] if occurrence < len(places) else None)
    return tuple(positions)


def _transformations(bench: Workbench, table: LoadedTable) -> tuple[Transformation, ...]:
    target = table.plan.crs
    if target is None:
        return ()
    found: dict[str, Transformation] = {}
    for source, raw in zip(table.plan.sources, table.raw_tables, strict=True):
        if source.crs and not source.crs.equals(target):
            found[source.crs.wkt] = _describe(bench, source.crs, target, raw)
    return tuple(found.values())


def _describe(bench: Workbench, source: Crs, target: Crs, raw: str) -> Transformation:
    bbox = bench.clients.postgis.bounds(bench.schema, raw, GEOMETRY_COLUMN)
    return describe_transformation(source, target, bbox)


def _warnings(table: TransformedTable) -> list[Warn]:
    less_accurate = [
        Warn(
            code="crs.more_accurate_transformation",
            message=f"Table {table.plan.name!r}: a more accurate way from {item.source_crs} to "
            f"{item.target_crs} needs {', '.join(item.missing_grids)}, which is not installed; "
            f"used was {item.name!r} ({_accuracy(item)}).",
        )
        for item in table.transformations
        if item.missing_grids
    ]
    return less_accurate + [
        Warn(
            code="crs.ballpark_transformation",
            message=f"Table {table.plan.name!r}: PROJ knows no exact way from {item.source_crs} to "
            f"{item.target_crs}; positions may be off by hundreds of metres.",
        )
        for item in table.transformations
        if item.is_ballpark
    ]


def _accuracy(item: Transformation) -> str:
    return "accuracy unknown" if item.accuracy_m is None else f"accurate to {item.accuracy_m:g} m"
