"""Values that tests start from: a manifest, a version, a layer, each with what a test changes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.ledger.records import Delivery, DropRecord, FileClaim
from libs.models.fidelity import HopFacts
from libs.models.manifest import Manifest, ManifestFile, parse_manifest
from libs.models.owner import Owner
from libs.models.receipt import Receipt
from libs.models.version import Version
from libs.pipeline.kinds.sources import Candidate, FoundLayer
from libs.pipeline.recipe import RECIPE_VERSION
from libs.spatial_utils.layers import (
    Field,
    GeometryField,
    GeometryTypeFact,
    GeometryTypeRows,
    Layer,
    LayerCrs,
)

BUCKET = "landing-zone"
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ROADS = f"s3://{BUCKET}/uploads/roads.gpkg"
HERE = Owner.this_process()
# A process id that Linux never gives.
GONE = HERE.model_copy(update={"pid": 2**22 + 1})
ELSEWHERE = HERE.model_copy(update={"host": "another"})


def document(*paths: str, **changes: Any) -> dict[str, Any]:
    """Return a valid manifest over `paths` as JSON holds it; `changes` replace its fields."""
    return {
        "batch_id": "roads-2026-11",
        "uploader": "ana",
        "intent": "ingest_vector",
        "dataset_id": "transport/roads",
        "files": [{"path": path, "type": "vector"} for path in paths or (ROADS,)],
        "metadata": {"project": "City base map", "description": "All roads."},
        **changes,
    }


def manifest(*paths: str, **changes: Any) -> Manifest:
    """Return the parsed manifest of `document`."""
    return parse_manifest(document(*paths, **changes), landing_bucket=BUCKET)


def drop(identity: str = "d1", **changes: Any) -> DropRecord:
    """Return a drop that was just received."""
    values: dict[str, Any] = {
        "_id": identity,
        "status": "received",
        "batch_id": "roads-2026-11",
        "dataset_id": "transport/roads",
        "manifest": document(),
        "files": (FileClaim(path=ROADS, etag="e1", size_bytes=10),),
        "delivery": Delivery(key="manifests/roads.json", etag="m1", received_at=NOON),
        "attempt_limit": 3,
        "recipe": RECIPE_VERSION,
        "received_at": NOON,
        "updated_at": NOON,
        **changes,
    }
    return DropRecord(**values)


def receipt(drop_id: str = "d1", **changes: Any) -> Receipt:
    """Return a receipt that says published."""
    values: dict[str, Any] = {
        "status": "published",
        "drop_id": drop_id,
        "batch_id": "roads-2026-11",
        "manifest": "manifests/roads.json",
        "received_at": NOON,
        "answered_at": NOON,
        **changes,
    }
    return Receipt(**values)


def version(number: int = 1, **changes: Any) -> Version:
    """Return a version with one table."""
    prefix = f"transport/roads/v{number}-run1"
    values: dict[str, Any] = {
        "dataset_id": "transport/roads",
        "version": number,
        "manifest_id": f"d{number}",
        "run_id": "run1",
        "attempt": 1,
        "content_hash": "c" * 64,
        "kind": "vector",
        "tables": [
            {
                "name": "roads",
                "rows": 2,
                "columns": [{"name": "id", "type": "text"}],
                "geometry_types": ["LineString"],
                "crs": "EPSG:4326",
                "bbox": [0.0, 0.0, 1.0, 1.0],
                "source": {"file": ROADS, "layer": "roads"},
                "sources": [{"file": ROADS, "layer": "roads", "rows": 2}],
                "hops": {
                    "read": [{"rows": 2}],
                    "loaded": [{"rows": 2}],
                    "transformed": {"rows": 2},
                    "written": {"geoparquet": {"rows": 2}},
                },
                "outputs": [
                    {
                        "format": "geoparquet",
                        "key": f"{prefix}/roads.parquet",
                        "size_bytes": 10,
                        "sha256": "a" * 64,
                    }
                ],
            }
        ],
        "inputs": [{"path": ROADS, "size_bytes": 10, "sha256": "b" * 64}],
        "metadata": {"project": "City base map", "description": "All roads."},
        "created_at": NOON,
        **changes,
    }
    return Version.model_validate(values)


def wkt(code: int) -> LayerCrs:
    """Return the CRS of an EPSG code as GDAL describes it for a file in x, y order."""
    from pyproj import CRS

    return LayerCrs(wkt=CRS.from_epsg(code).to_wkt("WKT2_2019"), is_swapped=False)


def geometry_rows(name: str, rows: int, dimensions: str = "") -> GeometryTypeRows:
    """Return so many features of a geometry type; `dimensions` is Z, M or ZM."""
    return GeometryTypeRows(
        name=name,
        has_z="Z" in dimensions,
        has_m="M" in dimensions,
        is_curve=name in {"CircularString", "CompoundCurve", "CurvePolygon"},
        rows=rows,
    )


def layer(
    name: str = "roads",
    *types: GeometryTypeRows,
    crs: LayerCrs | None = None,
    columns: dict[str, str] | None = None,
    declared: str = "Unknown(any)",
    nulls: int = 0,
    rows: int = 0,
) -> Layer:
    """Return a layer with a geometry column; `columns` gives OGR types by name."""
    return Layer(
        name=name,
        declared_type=GeometryTypeFact(name=declared, has_z=False, has_m=False, is_curve=False),
        geometry_fields=(GeometryField(name="geom", crs=crs),),
        geometry_types=types,
        facts=HopFacts(rows=rows or nulls + sum(item.rows for item in types)),
        fields=tuple(
            Field(name=column, type=kind, subtype="None")
            for column, kind in (columns or {"id": "String"}).items()
        ),
    )


def attribute_layer(name: str = "codes", columns: dict[str, str] | None = None) -> Layer:
    """Return a layer without geometry."""
    return layer(name, columns=columns, rows=3).model_copy(update={"geometry_fields": ()})


def found(
    described: Layer,
    *,
    path: str = ROADS,
    driver: str = "GPKG",
    is_only: bool = True,
    **file: Any,
) -> FoundLayer:
    """Return a layer as it was found in the manifest's file `path`; `file` sets its fields."""
    named = ManifestFile(path=path, type="vector", **file)
    candidate = Candidate(Path("/run") / named.name, path, named, driver)
    spool = Path("/run/spool/0.arrow")
    return FoundLayer(candidate, driver, described, spool, is_only, described.name)
