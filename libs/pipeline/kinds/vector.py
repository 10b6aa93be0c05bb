"""Vector files: every layer of the drop, read by GDAL in a child, loaded from what it spooled.

What belongs here: bringing layers into PostGIS. What does not: what happens to them there
(`libs.pipeline.kinds.tables`).
"""

from libs.compute.loading import LoadOrder, raw_shape
from libs.compute.spool import spooled
from libs.compute.text_doubts import doubtful_texts
from libs.models.fidelity import HopFacts
from libs.models.version import Warn
from libs.pipeline.kinds.geometries import nested_shape_warnings, with_nested_shapes
from libs.pipeline.kinds.planning import SourceLayer, plan_tables
from libs.pipeline.kinds.sources import find_layers
from libs.pipeline.kinds.tables import TableKind, load_source
from libs.pipeline.state import Fetched, Loaded, LoadedRows, TablePlan
from libs.pipeline.workbench import Workbench


class VectorKind(TableKind):
    """Layers of GeoPackages, shapefiles, GeoJSON and their like."""

    name = "vector"

    def load(self, bench: Workbench, fetched: Fetched) -> Loaded:
        """Load all layers; raises `SourceError` or `CrsError` naming the file and the layer."""
        layers, gdal_warnings = find_layers(bench, fetched)
        plans, warnings = plan_tables(fetched.intake.manifest, fetched.intake.dataset_id, layers)
        tables = tuple(_load_table(bench, plan, number) for number, plan in enumerate(plans))
        for table in tables:
            warnings += nested_shape_warnings(table) + _text_doubts(bench, table)
        return Loaded(fetched, tables, (*gdal_warnings, *warnings))


def _load_table(bench: Workbench, plan: TablePlan[SourceLayer], number: int) -> LoadedRows:
    names = tuple(f"raw_{number}_{position}" for position in range(len(plan.sources)))
    loaded = tuple(
        _load_source(bench, source, name) for source, name in zip(plan.sources, names, strict=True)
    )
    table = LoadedRows(
        name=plan.name,
        rows=sum(facts.rows for facts in loaded),
        parts=len(loaded),
        plan=plan,
        raw_tables=names,
        read=tuple(source.layer.facts for source in plan.sources),
        loaded=loaded,
    )
    return with_nested_shapes(bench, table)


def _load_source(bench: Workbench, source: SourceLayer, table: str) -> HopFacts:
    shape = raw_shape(source.columns, has_geometry=source.has_geometry)
    order = LoadOrder(table, shape, source.file, source.layer_name)
    return load_source(bench, order, spooled(source.spool, shape))


def _text_doubts(bench: Workbench, table: LoadedRows) -> list[Warn]:
    return [
        Warn(
            code="source.text_doubtful",
            message=f"Column {found.column!r}: {found.rows} texts look as if they were decoded "
            f"wrongly before they came here, and were kept, e.g. "
            f"{', '.join(map(repr, found.examples))}.",
            file=source.file,
            layer=source.layer_name,
        )
        for source, raw in zip(table.plan.sources, table.raw_tables, strict=True)
        for found in doubtful_texts(bench.clients.postgis, bench.schema, raw, source.columns)
    ]
