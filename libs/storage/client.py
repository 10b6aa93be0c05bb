"""The S3 client: made from settings, its errors translated.

What belongs here: what both buckets need (a client, streaming with a hash, error translation).
What does not: what a key means (`libs.storage.landing`, `libs.storage.lake`).
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from libs.models.config import MinIOSettings
from libs.models.errors import StorageError

CHUNK_BYTES = 1024 * 1024
BACKOFF_FACTOR_S, LONGEST_BACKOFF_S = 0.2, 2.0
QUICK_RETRIES = 3
MAX_BROKEN_STREAMS = 10
NO_ANSWER = (500, 502, 503, 504)
_CHECK = "Check the S3 server and its credentials with `spatial-etl doctor`."
_DENIED = (
    "denied",
    "Allow the service's key to read and write there, and check that the bucket is not read-only.",
)
_FULL = ("full", "Free space on the S3 server; the drop is tried again.")
_FAILED = (
    "failed",
    "See the S3 server's log: a full disk is the usual cause of an error of its own. The drop is "
    "tried again.",
)
_ANSWERS = {
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "MethodNotAllowed": _DENIED,
    "InvalidAccessKeyId": _DENIED,
    "SignatureDoesNotMatch": _DENIED,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "QuotaExceeded": _FULL,
    "InternalError": _FAILED,
    "ServiceUnavailable": ("unavailable", _CHECK),
    "SlowDown": ("unavailable", _CHECK),
}
MISSING_CODES = frozenset({"NoSuchKey", "NoSuchObject", "NotFound", "ResourceNotFound"})
# What S3 takes, and what servers that keep objects as files take between two slashes.
MAX_KEY_BYTES, MAX_NAME_BYTES = 1024, 255
# A HEAD request's refusal has no body, hence no code of the server's own.
REFUSED_KEY = "BadRequest"
GONE_OR_REPLACED = frozenset({"PreconditionFailed", *MISSING_CODES})
NOT_IMPLEMENTED = "NotImplemented"


@dataclass(frozen=True)
class ObjectInfo:
    """An object as the server lists it."""

    key: str
    etag: str
    size_bytes: int
    last_modified: datetime | None


def connect(
    settings: MinIOSettings, *, patience_s: float = 0, pool: urllib3.PoolManager | None = None
) -> Minio:
    """Return a client; nothing is sent until it is used.

    A request is made again for some `patience_s` seconds while the server does not answer it, or
    as `pool` says.
    """
    return Minio(
        settings.endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=settings.secure,
        region=settings.region,
        http_client=pool or _pool(patience_s),
    )


def _pool(patience_s: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5, read=60),
        maxsize=8,
        retries=urllib3.Retry(
            total=QUICK_RETRIES + math.ceil(patience_s / LONGEST_BACKOFF_S),
            backoff_factor=BACKOFF_FACTOR_S,
            backoff_max=LONGEST_BACKOFF_S,
            status_forcelist=NO_ANSWER,
            # The last answer says more than that there were many.
            raise_on_status=False,
        ),
    )


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn the client's errors into `StorageError`, naming what was tried."""
    try:
        yield
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as err:
        if isinstance(err, OSError) and err.filename is not None:
            raise
        raise _named(action, err) from err


def _named(action: str, err: Exception) -> StorageError:
    code = err.code if isinstance(err, S3Error) else None
    name, remedy = _ANSWERS.get(code, ("refused", _CHECK)) if code else ("unavailable", _CHECK)
    return StorageError(
        f"storage.{name}",
        f"expected the S3 server to {action}, found: {_describe(err)}.",
        remedy=remedy,
    )


def _describe(err: Exception) -> str:
    if isinstance(err, S3Error):
        return f"{err.code}: {err.message}"
    if isinstance(err, ServerError | InvalidResponseError):
        return f"an unexpected answer ({type(err).__name__})"
    return f"{type(err).__name__}: {err}"


def is_too_long(key: str) -> bool:
    """Return whether some server takes no key so long."""
    parts = key.encode().split(b"/")
    return len(key.encode()) > MAX_KEY_BYTES or any(len(part) > MAX_NAME_BYTES for part in parts)


def stat(client: Minio, bucket: str, key: str) -> ObjectInfo | None:
    """Return what the server knows about an object; None where it does not exist.

    Nothing is where the server takes no key so long.
    """
    with translated(f"look up s3://{bucket}/{key}"):
        try:
            found = client.stat_object(bucket, key)
        except S3Error as err:
            if err.code in MISSING_CODES or (err.code == REFUSED_KEY and is_too_long(key)):
                return None
            raise
    return ObjectInfo(key, (found.etag or "").strip('"'), found.size or 0, found.last_modified)


def remove(client: Minio, bucket: str, key: str, etag: str) -> bool:
    """Delete an object while it is that one; False where the server found another, or none.

    Deleting knows a condition at AWS and in SeaweedFS. Other servers take no notice of it, as MinIO
    does, or refuse it. The minio client has no call that sends one.
    """
    with translated(f"remove s3://{bucket}/{key}"):
        try:
            client._execute("DELETE", bucket, key, headers={"If-Match": f'"{etag}"'})
        except S3Error as err:
            if err.code in GONE_OR_REPLACED:
                return False
            if err.code != NOT_IMPLEMENTED:
                raise
            client.remove_object(bucket, key)
    return True


def list_objects(client: Minio, bucket: str, prefix: str) -> list[ObjectInfo]:
    """Return every object below `prefix`, oldest first; folder markers are left out."""
    with translated(f"list s3://{bucket}/{prefix}"):
        found = [
            ObjectInfo(item.object_name, (item.etag or "").strip('"'), item.size or 0,
                       item.last_modified)
            for item in client.list_objects(bucket, prefix=prefix, recursive=True)
            if item.object_name and not item.object_name.endswith("/")
        ]  # fmt: skip
    return sorted(found, key=lambda item: (str(item.last_modified), item.key))


def sha256_of_object(client: Minio, bucket: str, key: str) -> str:
    """Return the sha256 hex of an object's bytes as the server gives them back."""
    digest = hashlib.sha256()
    for chunk in stream(client, bucket, key):
        digest.update(chunk)
    return digest.hexdigest()


def stream(client: Minio, bucket: str, key: str, *, etag: str | None = None) -> Iterator[bytes]:
    """Yield an object's bytes; with `etag`, only while the object still is that one.

    Where the connection breaks on the way, it goes on behind the last byte that came.
    """
    done_bytes = 0
    with translated(f"read s3://{bucket}/{key}"):
        for number in range(MAX_BROKEN_STREAMS):
            headers: dict[str, str | list[str] | tuple[str]] = {"If-Match": etag} if etag else {}
            response = client.get_object(bucket, key, offset=done_bytes, request_headers=headers)
            etag = etag or response.headers.get("ETag", "").strip('"')
            try:
                for chunk in response.stream(CHUNK_BYTES):
                    done_bytes += len(chunk)
                    yield chunk
            except (ProtocolError, ReadTimeoutError):
                if number == MAX_BROKEN_STREAMS - 1:
                    raise
            else:
                return
            finally:
                response.close()
                response.release_conn()


def download(
    client: Minio, bucket: str, key: str, path: Path, *, etag: str | None = None
) -> tuple[str, int]:
    """Stream an object into the new file `path`; return its sha256 hex and size in bytes."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("xb") as target:
        for chunk in stream(client, bucket, key, etag=etag):
            digest.update(chunk)
            size_bytes += target.write(chunk)
    return digest.hexdigest(), size_bytes
