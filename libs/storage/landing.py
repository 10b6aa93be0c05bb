"""The landing zone: manifests that wait, the files they name, receipts, and answered manifests.

What belongs here: the meaning of `manifests/ archive/ rejected/ receipts/` in the landing bucket.
What does not: the published lake (`libs.storage.lake`); who may claim a manifest (`libs.ledger`).
"""

import hashlib
import io
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from minio import Minio
from minio.commonconfig import CopySource
from minio.error import S3Error

from libs.models.errors import SourceError
from libs.models.manifest import MAX_MANIFEST_BYTES, read_manifest_json
from libs.models.receipt import Receipt
from libs.storage import client as s3

MANIFESTS, ARCHIVE, REJECTED, RECEIPTS = "manifests/", "archive/", "rejected/", "receipts/"
# S3 tells the time of an object in seconds at one place and finer at another.
SAME_TIME_S = 1


def receipt_key(manifest_key: str) -> str:
    """Return where the receipt of a manifest goes: `receipts/<manifest name>.json`."""
    name = re.sub(r"\.json$", "", manifest_key.removeprefix(MANIFESTS), flags=re.IGNORECASE)
    return _short_enough(f"{RECEIPTS}{name}.json")


@dataclass(frozen=True)
class LandingZone:
    """The landing bucket through one client."""

    client: Minio
    bucket: str

    def list_manifests(self) -> list[s3.ObjectInfo]:
        """Return every object dropped below `manifests/`, oldest first."""
        return s3.list_objects(self.client, self.bucket, MANIFESTS)

    def read_manifest(self, item: s3.ObjectInfo) -> bytes | None:
        """Return the bytes of a manifest, one more than is allowed at the most.

        None where it is gone or was replaced since it was listed.
        """
        with s3.translated(f"read s3://{self.bucket}/{item.key}"):
            try:
                response = self.client.get_object(
                    self.bucket,
                    item.key,
                    length=min(item.size_bytes, MAX_MANIFEST_BYTES + 1),
                    request_headers={"If-Match": item.etag},
                )
            except S3Error as err:
                if err.code in s3.GONE_OR_REPLACED:
                    return None
                raise
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

    def get_manifest(self, key: str) -> dict[str, Any]:
        """Return the JSON object of the manifest at `key`; raises as `read_manifest_json`."""
        item = self.stat(key)
        content = self.read_manifest(item) if item else None
        if content is None:
            raise SourceError(
                "source.missing",
                f"expected a manifest at s3://{self.bucket}/{key}, found nothing.",
                remedy="Drop the manifest there.",
                file=key,
            )
        return read_manifest_json(content)

    def stat(self, key: str) -> s3.ObjectInfo | None:
        """Return what is at `key`; None for nothing."""
        return s3.stat(self.client, self.bucket, key)

    def holds(self, key: str, etag: str, *, dropped_at: datetime | None = None) -> bool:
        """Return whether the object at `key` is that one, and was not dropped again since then."""
        item = self.stat(key)
        if item is None or item.etag != etag:
            return False
        if dropped_at is None or item.last_modified is None:
            return True
        return int(item.last_modified.timestamp()) - int(dropped_at.timestamp()) <= SAME_TIME_S

    def fetch(self, key: str, etag: str, path: Path) -> tuple[str, int]:
        """Download the object that was claimed into `path`; return its sha256 and size in bytes.

        Raises `SourceError` where the object is gone or is another one by now.
        """
        item = self.stat(key)
        if item is None or item.etag != etag:
            found = "nothing" if item is None else f"another one (etag {item.etag})"
            raise SourceError(
                "source.changed",
                f"expected the file that was there when the manifest was claimed (etag {etag}), "
                f"found {found}.",
                remedy="Upload the file, leave it as it is, and drop the manifest again.",
                file=f"s3://{self.bucket}/{key}",
            )
        return s3.download(self.client, self.bucket, key, path, etag=etag)

    def upload(self, path: Path, key: str, *, progress: Any = None) -> None:
        """Upload a local file to `key`."""
        with s3.translated(f"write s3://{self.bucket}/{key}"):
            self.client.fput_object(self.bucket, key, str(path), progress=progress)

    def put_json(self, key: str, content: bytes) -> str:
        """Write a JSON document to `key` and return its etag."""
        with s3.translated(f"write s3://{self.bucket}/{key}"):
            written = self.client.put_object(
                self.bucket, key, io.BytesIO(content), len(content), "application/json"
            )
        return written.etag or ""

    def put_receipt(self, receipt: Receipt) -> str:
        """Write a receipt to its key and return that key."""
        key = receipt_key(receipt.manifest)
        self.put_json(key, receipt.model_dump_json(indent=2).encode())
        return key

    def settle(
        self, key: str, etag: str, *, folder: str, dropped_at: datetime | None = None
    ) -> str | None:
        """Move the answered manifest at `key` to `folder` (`archive/` or `rejected/`).

        Only the object that was answered is moved: one dropped since then under the same name
        stays where it is, even with the same content where `dropped_at` tells them apart, and so
        does an earlier one in the folder. Where another answer had moved it to the other folder
        before, it is moved on from there. Returns the new key; None where the manifest is in the
        folder already, or gone.

        One that is dropped under the same name between the last look and the deletion is lost
        where the server deletes whatever the condition; plain S3 offers no better.
        """
        other = (REJECTED if folder == ARCHIVE else ARCHIVE) + key.removeprefix(MANIFESTS)
        places = {key: dropped_at, other: None, _with_etag(other, etag): None}
        source = next((p for p in places if self.holds(p, etag, dropped_at=places[p])), None)
        if source is None:
            return None
        target = self._free_key(folder + key.removeprefix(MANIFESTS), etag)
        with s3.translated(f"move s3://{self.bucket}/{source} to {folder}"):
            try:
                condition = CopySource(self.bucket, source, match_etag=etag)
                self.client.copy_object(self.bucket, target, condition)
            except S3Error as err:
                if err.code in s3.GONE_OR_REPLACED:
                    return None
                raise
        if self.holds(source, etag, dropped_at=places[source]):
            s3.remove(self.client, self.bucket, source, etag)
        return target

    def _free_key(self, key: str, etag: str) -> str:
        there = self.stat(key)
        if there is None or there.etag == etag:
            return key
        return _with_etag(key, etag)


def _with_etag(key: str, etag: str) -> str:
    path = PurePosixPath(key)
    return _short_enough(str(path.with_name(f"{path.stem}.{etag[:8]}{path.suffix}")))


def _short_enough(key: str) -> str:
    """Return a key that was made of a manifest's, as it is or, where S3 takes none so long, hashed.

    An answer that cannot be written would be tried for ever, and hold up those after it.
    """
    if not s3.is_too_long(key):
        return key
    return f"{key.partition('/')[0]}/{hashlib.sha256(key.encode()).hexdigest()}.json"
