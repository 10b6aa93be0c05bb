"""Vector files: every layer of the drop, loaded with ogr2ogr.

What belongs here: bringing layers into PostGIS. What does not: what happens to them there
(`libs.pipeline.kinds.tables`).
"""

from libs.compute.loading import LoadOrder, load_layer
from libs.compute.tables import TableShape
from libs.pipeline.kinds.planning import SourceLayer, plan_tables
from libs.pipeline.kinds.sources import find_layers
from libs.pipeline.kinds.tables import TableKind
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
        return Loaded(fetched, tables, (*gdal_warnings, *warnings))


def _load_table(bench: Workbench, plan: TablePlan[SourceLayer], number: int) -> LoadedRows:
    names = tuple(f"raw_{number}_{position}" for position in range(len(plan.sources)))
    rows = tuple(
        load_layer(
            bench.clients.postgis, bench.clients.gdal, bench.schema, _order(plan, source, name)
        )
        for source, name in zip(plan.sources, names, strict=True)
    )
    return LoadedRows(
        name=plan.name,
        rows=sum(rows),
        parts=len(rows),
        plan=plan,
        raw_tables=names,
        loaded_rows=rows,
    )


def _order(plan: TablePlan[SourceLayer], source: SourceLayer, table: str) -> LoadOrder:
    geometry = plan.geometry if source.has_geometry else None
    return LoadOrder(
        path=source.path,
        driver=source.driver,
        layer=source.layer.name,
        encoding=source.encoding,
        file=source.file,
        table=table,
        shape=TableShape(source.columns, geometry),
    )
