"""Which strategy an intent takes; each is imported when it is needed."""

from importlib import import_module
from typing import Any

from libs.pipeline.kinds.base import Kind

KINDS = {
    "ingest_vector": ("vector", "VectorKind"),
    "ingest_building_footprints": ("vector", "VectorKind"),
    "ingest_road_network": ("vector", "VectorKind"),
    "ingest_tabular": ("tabular", "TabularKind"),
    "ingest_raster": ("raster", "RasterKind"),
    "join_datasets": ("join", "JoinKind"),
}


def kind_of(intent: str) -> Kind[Any, Any]:
    """Return the strategy of an intent of the manifest."""
    module, name = KINDS[intent]
    kind: Kind[Any, Any] = getattr(import_module(f"libs.pipeline.kinds.{module}"), name)()
    return kind
