"""The lake: published files under immutable keys.

What belongs here: keys, verified uploads, downloads and presigned URLs of the lake bucket.
What does not: which files belong to a version (the ledger's version document says that).
"""

import hashlib
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from minio import Minio
from minio.commonconfig import ComposeSource
from minio.error import S3Error

from libs.models.errors import FidelityError, StorageError
from libs.patience import is_outage
from libs.storage import client as s3

logger = logging.getLogger(__name__)

BROKEN_UPLOADS = 2
_RUN_KEY = re.compile(r".+/v[0-9]+-(?P<run_id>[0-9a-z]+(?:-[0-9a-z]+)*)/[^/]+")


def sha256_of_file(path: Path) -> str:
    """Return the sha256 hex of a local file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_prefix(dataset_id: str, version: int, run_id: str) -> str:
    """Return the folder of a version's files: `<dataset_id>/v<version>-<run id>/`."""
    return f"{dataset_id}/v{version}-{run_id}/"


def run_of_key(key: str) -> str | None:
    """Return the run that wrote a key; None for a key that no run of ours writes."""
    found = _RUN_KEY.fullmatch(key)
    return found["run_id"] if found else None


@dataclass(frozen=True)
class IncompleteUpload:
    """An upload in parts that was begun and neither completed nor given up."""

    key: str
    upload_id: str


@dataclass(frozen=True)
class Lake:
    """The lake bucket; `remover` is the client that deletes, which `client` may not be allowed."""

    client: Minio
    bucket: str
    remover: Minio

    def upload(self, path: Path, key: str) -> str:
        """Upload `path` to the new `key`, read it back, and return the sha256 hex of both.

        Raises `FidelityError` where the key is taken by other bytes, `StorageError` where
        what was read back differs. An upload in parts that an outage broke is begun anew.
        """
        expected = sha256_of_file(path)
        for _ in range(BROKEN_UPLOADS):
            try:
                return self._upload(path, key, expected)
            except StorageError as err:
                if not is_outage(err):
                    raise
                logger.warning("the upload of %s broke: %s", key, err)
        return self._upload(path, key, expected)

    def _upload(self, path: Path, key: str, expected: str) -> str:
        if s3.stat(self.client, self.bucket, key) is None:
            with s3.translated(f"write s3://{self.bucket}/{key}"):
                self.client.fput_object(self.bucket, key, str(path))
        elif s3.sha256_of_object(self.client, self.bucket, key) != expected:
            raise FidelityError(
                "fidelity.key_taken",
                f"expected s3://{self.bucket}/{key} to be free, found another file.",
                remedy="Keys carry the run's id and are written once; report this as a defect.",
                file=key,
            )
        self._verify(key, expected)
        return expected

    def copy(self, source_key: str, target_key: str, sha256: str) -> None:
        """Copy a file inside the lake, of any size, and verify the copy."""
        with s3.translated(f"copy s3://{self.bucket}/{source_key}"):
            self.client.compose_object(
                self.bucket, target_key, [ComposeSource(self.bucket, source_key)]
            )
        self._verify(target_key, sha256)

    def _verify(self, key: str, sha256: str) -> None:
        found = s3.sha256_of_object(self.client, self.bucket, key)
        if found != sha256:
            raise StorageError(
                "storage.corrupt_write",
                f"expected s3://{self.bucket}/{key} to read back as sha256 {sha256}, "
                f"found {found}.",
                remedy="Check the S3 server's disks; the drop is tried again.",
            )

    def download(self, key: str, path: Path) -> str:
        """Download `key` into the new file `path` and return its sha256 hex."""
        return s3.download(self.client, self.bucket, key, path)[0]

    def remove(self, key: str) -> None:
        """Delete a file that no version names."""
        with s3.translated(f"delete s3://{self.bucket}/{key}"):
            self.remover.remove_object(self.bucket, key)

    def list_keys(self) -> list[str]:
        """Return every key of the lake."""
        return [item.key for item in s3.list_objects(self.client, self.bucket, "")]

    def incomplete_uploads(self) -> list[IncompleteUpload]:
        """Return the uploads in parts that are not complete, a live run's included.

        The minio client has no public call for them any more.
        """
        with s3.translated(f"list the incomplete uploads of s3://{self.bucket}"):
            found, key_marker, id_marker, is_truncated = [], None, None, True
            while is_truncated:
                page = self.client._list_multipart_uploads(
                    self.bucket, key_marker=key_marker, upload_id_marker=id_marker
                )
                found += [
                    IncompleteUpload(upload.object_name, upload.upload_id or "")
                    for upload in page.uploads
                ]
                key_marker, id_marker = page.next_key_marker, page.next_upload_id_marker
                is_truncated = page.is_truncated
        return found

    def give_up(self, upload: IncompleteUpload) -> None:
        """Delete the parts of an incomplete upload."""
        with s3.translated(f"give up an upload to s3://{self.bucket}/{upload.key}"):
            try:
                self.client._abort_multipart_upload(self.bucket, upload.key, upload.upload_id)
            except S3Error as err:
                if err.code != "NoSuchUpload":
                    raise

    def presigned_url(self, key: str, *, expires_s: int = 3600) -> str:
        """Return a URL that reads `key` without credentials for `expires_s` seconds."""
        with s3.translated(f"sign s3://{self.bucket}/{key}"):
            return self.client.presigned_get_object(
                self.bucket, key, expires=timedelta(seconds=expires_s)
            )
