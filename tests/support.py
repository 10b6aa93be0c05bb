"""What tests drop and how they wait: a bare S3 client's view of the service."""

import io
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minio import Minio
from pymongo.database import Database

DATA = Path(__file__).parent / "data"
ANSWER_TIMEOUT_S = 90


def make_manifest(name: str, paths: list[str], **changes: Any) -> dict[str, Any]:
    """Return a manifest over files that lie at `paths` in the landing zone."""
    return {
        "batch_id": name,
        "uploader": "ana",
        "intent": "ingest_vector",
        "dataset_id": f"test/{name}",
        "files": [{"path": path, "type": "vector"} for path in paths],
        "metadata": {"project": "tests", "description": f"Dropped by the test {name}."},
    } | changes


def geojson(*features: tuple[dict[str, Any], dict[str, Any] | None], **members: Any) -> bytes:
    """Return a FeatureCollection of (properties, geometry) pairs."""
    return json.dumps(
        {
            "type": "FeatureCollection",
            **members,
            "features": [
                {"type": "Feature", "properties": properties, "geometry": geometry}
                for properties, geometry in features
            ],
        }
    ).encode()


def point(x: float, y: float) -> dict[str, Any]:
    """Return a GeoJSON point."""
    return {"type": "Point", "coordinates": [x, y]}


def multi_layer_geopackage(path: Path) -> Path:
    """Make a GeoPackage with three layers in two CRSs, one of them without geometry."""
    source = DATA / "naturalearth_lowres.shp"
    places = DATA / "ne_110m_populated_places.geojson"
    query = "SELECT iso_a3, pop_est FROM naturalearth_lowres"
    for args in (
        ["-nln", "countries", "-nlt", "PROMOTE_TO_MULTI", path, source],
        ["-update", "-nln", "places", "-t_srs", "EPSG:3857", path, places],
        ["-update", "-nln", "population", "-nlt", "NONE", "-sql", query, path, source],
    ):
        subprocess.run(["ogr2ogr", "-f", "GPKG", *map(str, args)], check=True)
    return path


def bare_s3_client(env: Mapping[str, str]) -> Minio:
    """Return an S3 client that knows nothing of the service, by its settings."""
    return Minio(
        env["MINIO_ENDPOINT"],
        access_key=env["MINIO_ACCESS_KEY"],
        secret_key=env["MINIO_SECRET_KEY"],
        secure=env["MINIO_SECURE"] == "true",
        region=env["MINIO_REGION"],
    )


@dataclass(frozen=True)
class LandingUser:
    """A user of the landing zone who has an S3 client and nothing else."""

    client: Minio
    bucket: str

    def put(self, key: str, content: bytes | Path) -> str:
        """Put an object and return its path as a manifest names it."""
        data = content.read_bytes() if isinstance(content, Path) else content
        self.client.put_object(self.bucket, key, io.BytesIO(data), len(data))
        return f"s3://{self.bucket}/{key}"

    def drop(self, name: str, manifest: dict[str, Any] | bytes) -> str:
        """Drop a manifest and return its key."""
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        self.put(f"manifests/{name}.json", content)
        return f"manifests/{name}.json"

    def drop_files(self, name: str, *files: Path, **changes: Any) -> dict[str, Any]:
        """Upload files, drop a manifest over them, and return it."""
        paths = [self.put(f"uploads/{name}/{file.name}", file) for file in files]
        manifest = make_manifest(name, paths, **changes)
        self.drop(name, manifest)
        return manifest

    def exists(self, key: str) -> bool:
        """Return whether an object is there."""
        found = self.client.list_objects(self.bucket, prefix=key)
        return any(item.object_name == key for item in found)

    def read_json(self, key: str) -> dict[str, Any]:
        """Return the JSON object at a key."""
        response = self.client.get_object(self.bucket, key)
        try:
            document: dict[str, Any] = json.loads(response.read())
        finally:
            response.close()
            response.release_conn()
        return document

    def receipt(self, name: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Wait until the manifest was answered and moved; return its receipt."""
        until = time.monotonic() + timeout_s
        while self.exists(f"manifests/{name}.json") or not self.exists(f"receipts/{name}.json"):
            assert time.monotonic() < until, f"no answer to {name} within {timeout_s} s"
            time.sleep(0.2)
        return self.read_json(f"receipts/{name}.json")


def asset(database: Database[dict[str, Any]], dataset_id: str, version: int) -> dict[str, Any]:
    """Return a version document as a bare MongoDB client reads it."""
    found = database.assets.find_one({"dataset_id": dataset_id, "version": version})
    assert found is not None, f"{dataset_id}@{version} is not in the ledger"
    return found
