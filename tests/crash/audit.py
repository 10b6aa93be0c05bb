"""What must be true once all is quiet, read with bare clients: S3, the ledger, PostGIS, the disk.

Nothing of the service's own code is used, so that a defect in it cannot hide itself.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import rasterio
from minio import Minio
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import bare_s3_client

FINAL = {"published", "unchanged", "rejected", "failed", "canceled"}
IS_VERSION = {"version": {"$ne": 0}}
FOLDERS = {"published": "archive", "unchanged": "archive"}
Document = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """What should become of a drop; `content` is the digest of what it holds, if published."""

    status: str
    content: str | None = None


@dataclass(frozen=True)
class Audit:
    """What was found wrong, each with its place; all empty where all is well."""

    lost: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.duplicate or self.half or self.leaked)


@dataclass(frozen=True)
class Scene:
    """What lies where, listed once, and what was found wrong there."""

    ledger: Database[Document]
    landing: frozenset[str]
    lake: frozenset[str]
    found: Audit = field(default_factory=Audit)


@dataclass(frozen=True)
class Auditor:
    """Bare clients of the servers of one service, by its settings."""

    settings: Mapping[str, str]

    @cached_property
    def s3(self) -> Minio:
        """The S3 server."""
        return bare_s3_client(self.settings)

    def audit(self, expected: Mapping[str, Expected]) -> Audit:
        """Compare what is there with the drops that were made, by the names of their manifests."""
        with MongoClient[Document](self.settings["MONGO_URI"], tz_aware=True) as client:
            scene = Scene(
                ledger=client[self.settings["MONGO_DATABASE"]],
                landing=frozenset(self._keys("landing")),
                lake=frozenset(self._keys("lake")),
            )
            for name, wanted in expected.items():
                self._drop(scene, name, wanted)
            self._versions(scene)
            self._leavings(scene)
        return scene.found

    def content(self, version: Document) -> str:
        """Return a digest of what a version's files hold, whatever the order of rows."""
        parts = []
        for table in version["tables"]:
            for output in table["outputs"]:
                data = self._read("lake", output["key"])
                if output["format"] in {"geoparquet", "parquet"}:
                    rows = pq.read_table(io.BytesIO(data)).to_pylist()
                    parts += [table["name"], *sorted(repr(row) for row in rows)]
                elif output["format"] == "cog":
                    with rasterio.open(io.BytesIO(data)) as raster:
                        parts += [
                            table["name"],
                            hashlib.sha256(raster.read().tobytes()).hexdigest(),
                        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _drop(self, scene: Scene, name: str, wanted: Expected) -> None:
        found, ledger = scene.found, scene.ledger
        documents = list(ledger.manifests.find({"batch_id": name}))
        if len(documents) != 1 or documents[0]["status"] not in FINAL:
            statuses = [document["status"] for document in documents]
            found.lost.append(f"{name}: expected one answered drop, found {statuses}")
            return
        (drop,) = documents
        if drop["status"] != wanted.status:
            reason = (drop["reason"] or {}).get("code")
            found.lost.append(f"{name}: {drop['status']} ({reason}), not {wanted.status}")
        folder = FOLDERS.get(drop["status"], "rejected")
        places = {f"receipts/{name}.json", f"{folder}/{name}.json"}
        if not places <= scene.landing or f"manifests/{name}.json" in scene.landing:
            found.lost.append(f"{name}: expected {sorted(places)} and no manifest left")
        versions = list(ledger.assets.find({"manifest_id": drop["_id"]}))
        if len(versions) != (drop["status"] == "published"):
            found.duplicate.append(f"{name}: {drop['status']} with {len(versions)} versions")
        for version in versions:
            self._version(scene, name, version, wanted)

    def _version(self, scene: Scene, name: str, version: Document, wanted: Expected) -> None:
        found, ledger = scene.found, scene.ledger
        outputs = [output for table in version["tables"] for output in table["outputs"]]
        for output in outputs:
            key = output["key"]
            if key not in scene.lake:
                found.half.append(f"{name}: {key} is gone")
            elif hashlib.sha256(self._read("lake", key)).hexdigest() != output["sha256"]:
                found.half.append(f"{name}: {key} holds other bytes")
        if not found.half and wanted.content not in {None, self.content(version)}:
            found.half.append(f"{name}: other content than was dropped")
        place = {"dataset_id": version["dataset_id"], "version": version["version"]}
        edges = ledger.lineage.count_documents(place)
        if edges != len(version["inputs"]):
            found.half.append(f"{name}: {edges} of {len(version['inputs'])} edges of lineage")

    def _versions(self, scene: Scene) -> None:
        found, ledger = scene.found, scene.ledger
        versions = list(ledger.assets.find(IS_VERSION))
        for column in ("manifest_id", "run_id"):
            counts = Counter(version[column] for version in versions)
            found.duplicate.extend(
                f"{column} {key}: {count} versions" for key, count in counts.items() if count > 1
            )
        numbers: dict[str, list[int]] = {}
        for version in versions:
            numbers.setdefault(version["dataset_id"], []).append(version["version"])
        for dataset, taken in numbers.items():
            if sorted(taken) != list(range(1, len(taken) + 1)):
                found.duplicate.append(f"{dataset}: versions {sorted(taken)}")

    def _leavings(self, scene: Scene) -> None:
        found, ledger = scene.found, scene.ledger
        named = {
            output["key"]
            for version in ledger.assets.find(IS_VERSION)
            for table in version["tables"]
            for output in table["outputs"]
        }
        found.leaked.extend(f"object {key}" for key in sorted(scene.lake - named))
        seals = ledger.assets.find({"version": 0})
        found.leaked.extend(f"seal {seal['_id']}" for seal in seals)
        uploads = self.s3._list_multipart_uploads(self.settings["MINIO_LAKE_BUCKET"]).uploads
        found.leaked.extend(f"upload {upload.object_name}" for upload in uploads)
        manifests = (key for key in scene.landing if key.startswith("manifests/"))
        found.leaked.extend(f"manifest {key}" for key in sorted(manifests))
        found.leaked.extend(f"schema {name}" for name in self._schemas())
        work_dir = Path(self.settings["SPATIAL_ETL_WORK_DIR"])
        found.leaked.extend(f"folder {path.name}" for path in work_dir.glob("*"))
        runs = ledger.runs.find({"status": "running"})
        found.leaked.extend(f"run {run['_id']}" for run in runs)

    def _schemas(self) -> list[str]:
        settings = self.settings
        connection = psycopg2.connect(
            host=settings["POSTGRES_HOST"],
            port=settings["POSTGRES_PORT"],
            user=settings["POSTGRES_USER"],
            password=settings["POSTGRES_PASSWORD"],
            dbname=settings["POSTGRES_DB"],
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'proc\\_%'")
                return [row[0] for row in cursor.fetchall()]
        finally:
            connection.close()

    def _keys(self, bucket: str) -> Iterator[str]:
        name = self.settings[f"MINIO_{bucket.upper()}_BUCKET"]
        return (
            item.object_name or ""
            for item in self.s3.list_objects(name, recursive=True)
            if not (item.object_name or "").endswith("/")
        )

    def _read(self, bucket: str, key: str) -> bytes:
        response = self.s3.get_object(self.settings[f"MINIO_{bucket.upper()}_BUCKET"], key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()
