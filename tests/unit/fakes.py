"""Stand-ins for servers and programs, in memory: an S3 client, GDAL's descriptions, a clock."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minio.commonconfig import ComposeSource, CopySource
from minio.datatypes import Object
from minio.error import S3Error
from urllib3.exceptions import ProtocolError

from libs.models.errors import SourceError
from libs.spatial_utils.layers import SourceDescription
from libs.spatial_utils.table_request import TableRequest


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class StoredObject:
    """An object as the fake server keeps it."""

    content: bytes
    last_modified: datetime

    @property
    def etag(self) -> str:
        return hashlib.md5(self.content).hexdigest()


class FakeResponse(io.BytesIO):
    """The body of an object, as urllib3 hands it out; it breaks before byte `breaks_at`."""

    def __init__(self, content: bytes, etag: str, breaks_at: int | None = None) -> None:
        super().__init__(content[:breaks_at])
        self.headers = {"ETag": f'"{etag}"'}
        self._is_broken = breaks_at is not None

    def stream(self, amount: int) -> Any:
        yield from iter(lambda: self.read(amount), b"")
        if self._is_broken:
            raise ProtocolError("Connection broken")

    def release_conn(self) -> None:
        """Return the connection to the pool: there is none."""


class FakeMinio:
    """What the service uses of `minio.Minio`, over a dict of (bucket, key)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[tuple[str, str], StoredObject] = {}
        self.uploads: dict[str, str] = {}
        self.breaks: list[int] = []

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.objects[bucket, key] = StoredObject(content, self.clock())

    def content(self, bucket: str, key: str) -> bytes:
        return self.objects[bucket, key].content

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return sorted(k for b, k in self.objects if b == bucket and k.startswith(prefix))

    def stat_object(self, bucket: str, key: str) -> Object:
        return self._describe(bucket, key, self._find(bucket, key))

    def list_objects(self, bucket: str, prefix: str, recursive: bool) -> list[Object]:
        assert recursive
        return [
            self._describe(bucket, key, self.objects[bucket, key])
            for key in self.keys(bucket, prefix)
        ]

    def get_object(
        self,
        bucket: str,
        key: str,
        offset: int = 0,
        length: int = 0,
        request_headers: Mapping[str, str] | None = None,
    ) -> FakeResponse:
        found = self._find(bucket, key)
        self._require_match(bucket, key, (request_headers or {}).get("If-Match"))
        content = found.content[offset : offset + length if length else None]
        return FakeResponse(content, found.etag, self.breaks.pop(0) if self.breaks else None)

    def put_object(
        self, bucket: str, key: str, data: io.BytesIO, length: int, content_type: str
    ) -> Object:
        self.put(bucket, key, data.read(length))
        return Object(bucket, key, etag=self.objects[bucket, key].etag)

    def fput_object(self, bucket: str, key: str, path: str, progress: Any = None) -> None:
        self.put(bucket, key, Path(path).read_bytes())

    def copy_object(self, bucket: str, key: str, source: CopySource) -> None:
        found = self._find(source.bucket_name, source.object_name)
        self._require_match(source.bucket_name, source.object_name, source.match_etag)
        self.put(bucket, key, found.content)

    def compose_object(self, bucket: str, key: str, sources: Sequence[ComposeSource]) -> None:
        parts = [self._find(part.bucket_name, part.object_name).content for part in sources]
        self.put(bucket, key, b"".join(parts))

    def remove_object(self, bucket: str, key: str) -> None:
        self.objects.pop((bucket, key), None)

    def _execute(self, method: str, bucket: str, key: str, headers: Mapping[str, str]) -> None:
        assert method == "DELETE"
        if (bucket, key) in self.objects:
            self._require_match(bucket, key, headers["If-Match"].strip('"'))
        self.remove_object(bucket, key)

    def _list_multipart_uploads(self, bucket: str, **markers: Any) -> SimpleNamespace:
        found = [
            SimpleNamespace(object_name=key, upload_id=upload_id)
            for upload_id, key in sorted(self.uploads.items())
        ]
        return SimpleNamespace(
            uploads=found, is_truncated=False, next_key_marker=None, next_upload_id_marker=None
        )

    def _abort_multipart_upload(self, bucket: str, key: str, upload_id: str) -> None:
        if self.uploads.pop(upload_id, None) != key:
            raise s3_error("NoSuchUpload", bucket, key)

    def presigned_get_object(self, bucket: str, key: str, expires: timedelta) -> str:
        return f"http://s3.test/{bucket}/{key}?expires={int(expires.total_seconds())}"

    def _find(self, bucket: str, key: str) -> StoredObject:
        if (bucket, key) not in self.objects:
            raise s3_error("NoSuchKey", bucket, key)
        return self.objects[bucket, key]

    def _require_match(self, bucket: str, key: str, etag: str | None) -> None:
        if etag is not None and etag != self.objects[bucket, key].etag:
            raise s3_error("PreconditionFailed", bucket, key)

    def _describe(self, bucket: str, key: str, stored: StoredObject) -> Object:
        return Object(
            bucket,
            key,
            last_modified=stored.last_modified,
            etag=f'"{stored.etag}"',
            size=len(stored.content),
        )


def s3_error(code: str, bucket: str, key: str) -> S3Error:
    """Return the error of an S3 server."""
    return S3Error(None, code, f"{code} said the server", key, "request", "host", bucket, key)


@dataclass
class FakeGdal:
    """GDAL that describes or refuses each file as the test says, by its name or place."""

    descriptions: Mapping[str, SourceDescription | SourceError]
    asked: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    def restore_index(self, path: Path, *, file: str | None = None) -> None:
        """Make an index as the restored one is: beside the .shp."""
        path.with_suffix(".shx").touch(exist_ok=False)

    def describe(
        self,
        path: Path,
        *,
        driver: str,
        open_options: Sequence[str] = (),
        layers: Sequence[str] = (),
        spool: Path,
        file: str | None = None,
    ) -> SourceDescription:
        assert spool.is_dir()
        assert path.exists(), f"GDAL was asked for {path}, which is not there"
        self.asked.append((path.name, driver, tuple(open_options)))
        place = (file or "").partition("!/")[2]
        answer = self.descriptions[place if place in self.descriptions else path.name]
        if isinstance(answer, SourceError):
            raise answer
        read = tuple(layer for layer in answer.layers if not layers or layer.name in layers)
        others = tuple(layer.name for layer in answer.layers if layer not in read)
        return answer.model_copy(update={"layers": read, "other_layers": others})

    def describe_table(self, request: TableRequest) -> SourceDescription:
        return self.describe(
            request.path, driver=request.driver, spool=request.spool, file=request.file
        )
