"""Phase 3, load: every layer of the drop into the ephemeral schema, nothing renamed, nothing lost.

What belongs here: carrying out the plan with ogr2ogr. What does not: the plan
(`libs.pipeline.planning`), comparing the counts (`libs.pipeline.check`).
"""

from libs.compute.loading import LoadOrder, load_layer
from libs.compute.tables import TableShape
from libs.pipeline.planning import plan_tables
from libs.pipeline.sources import find_layers
from libs.pipeline.state import Fetched, Loaded, LoadedTable, SourceLayer, TablePlan
from libs.pipeline.workbench import Workbench


def load(bench: Workbench, fetched: Fetched) -> Loaded:
    """Load all layers; raises `SourceError` or `CrsError` naming the file and the layer."""
    layers, gdal_warnings = find_layers(bench, fetched)
    plans, warnings = plan_tables(fetched.intake.manifest, fetched.intake.dataset_id, layers)
    tables = []
    for number, plan in enumerate(plans):
        names = tuple(f"raw_{number}_{position}" for position in range(len(plan.sources)))
        rows = tuple(
            load_layer(bench.clients.postgis, bench.clients.gdal, bench.schema, order)
            for order in (
                _order(plan, source, name) for source, name in zip(plan.sources, names, strict=True)
            )
        )
        tables.append(LoadedTable(plan, names, rows))
    return Loaded(fetched, tuple(tables), (*gdal_warnings, *warnings))


def _order(plan: TablePlan, source: SourceLayer, table: str) -> LoadOrder:
    geometry = plan.geometry if source.layer.has_geometry else None
    return LoadOrder(
        path=source.path,
        driver=source.driver,
        layer=source.layer.name,
        encoding=source.encoding,
        file=source.file,
        table=table,
        shape=TableShape(source.columns, geometry),
    )
