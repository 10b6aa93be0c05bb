"""The landing zone and the lake as a Dagster resource; configured by `MINIO_*`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dagster import ConfigurableResource, InitResourceContext
from minio import Minio
from pydantic import PrivateAttr

from etl_pipelines.resources.patience import patience_of
from libs.models.config import MinIOSettings
from libs.pipeline.clients import storage
from libs.storage.lake import Lake
from libs.storage.landing import ARCHIVE, LandingZone


class MinIOResource(ConfigurableResource[Any]):
    """S3 storage: manifests and files in the landing zone, published files in the lake."""

    _patience_s: float = PrivateAttr(default=0)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Be patient with the server inside a run."""
        self._patience_s = patience_of(context)

    def get_client(self) -> Minio:
        """Return a client of the S3 server."""
        return self.get_landing_zone().client

    def get_landing_zone(self) -> LandingZone:
        """Return the landing zone."""
        return storage(MinIOSettings(), patience_s=self._patience_s)[0]

    def get_lake(self) -> Lake:
        """Return the lake."""
        return storage(MinIOSettings(), patience_s=self._patience_s)[1]

    def list_manifests(self) -> list[str]:
        """Return the keys of the manifests that wait, oldest first."""
        return [item.key for item in self.get_landing_zone().list_manifests()]

    def get_manifest(self, key: str) -> dict[str, Any]:
        """Return the JSON object of the manifest at `key`; raises `ManifestError`."""
        return self.get_landing_zone().get_manifest(key)

    def move_to_archive(self, key: str) -> str | None:
        """Move the manifest at `key` to `archive/`; return its new key, None where it is gone."""
        landing = self.get_landing_zone()
        item = landing.stat(key)
        return landing.settle(key, item.etag, folder=ARCHIVE) if item else None

    def upload_to_lake(self, local_path: str | Path, s3_key: str) -> str:
        """Upload a file to the new key `s3_key` of the lake, verified; return its sha256 hex."""
        return self.get_lake().upload(Path(local_path), s3_key)

    def get_presigned_url(self, bucket: str, key: str) -> str:
        """Return a URL that reads an object for an hour without credentials."""
        return replace(self.get_lake(), bucket=bucket).presigned_url(key)
