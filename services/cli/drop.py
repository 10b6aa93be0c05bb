"""A drop before it is dropped: its manifest, and which local file goes to which key.

What belongs here: building or reading a manifest, companions of files, matching files with
paths; all of it before anything is sent. What does not: sending (`services.cli.deliver`).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.models.manifest import (
    INTENT_FILE_TYPES,
    Manifest,
    ManifestFile,
    parse_manifest,
    read_manifest_json,
)
from libs.spatial_utils.file_sets import companion_of
from libs.storage.landing import MANIFESTS
from services.cli.exits import CliUsageError

Document = dict[str, Any]
RASTER_SUFFIXES = (".tif", ".tiff", ".hgt", ".img", ".asc", ".png", ".jpg", ".jpeg")
TABULAR_SUFFIXES = (".csv", ".tsv", ".xlsx", ".ndjson", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Upload:
    """A local file and its key in the landing bucket."""

    path: Path
    key: str


@dataclass(frozen=True)
class Request:
    """What the options of `submit` say about a drop; None and empty for what they leave out."""

    dataset_id: str
    project: str
    description: str
    uploader: str
    intent: str
    batch_id: str
    file_facts: dict[str, str]
    metadata: Document
    options: Document


@dataclass(frozen=True)
class Drop:
    """A valid manifest, its bytes, and the files to upload for it."""

    document: Document
    manifest: Manifest
    content: bytes
    uploads: tuple[Upload, ...]
    left_out: tuple[Path, ...] = ()
    """Parts of a shapefile or its like that lie beside it and are not named by the manifest."""

    @property
    def key(self) -> str:
        """Key that the manifest is dropped at."""
        return manifest_key(self.manifest.batch_id)


def manifest_key(batch_id: str) -> str:
    """Return where the manifest of a batch is dropped: `manifests/<batch id>.json`."""
    return f"{MANIFESTS}{_key_part(batch_id)}.json"


def intent_for(files: Sequence[Path]) -> str:
    """Return the intent that the first file's name suggests; vector where it tells nothing."""
    suffix = files[0].suffix.lower()
    if suffix in RASTER_SUFFIXES:
        return "ingest_raster"
    return "ingest_tabular" if suffix in TABULAR_SUFFIXES else "ingest_vector"


def default_batch_id(dataset_id: str, moment: datetime | None = None) -> str:
    """Return a batch id that is new at every call: the dataset and the time in UTC."""
    when = (moment or datetime.now(UTC)).astimezone(UTC)
    stamp = f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03}Z"
    return f"{dataset_id.replace('/', '-')}-{stamp}"


def with_companions(files: Iterable[Path]) -> list[Path]:
    """Return `files`, each followed by the parts of its shapefile or other set beside it."""
    found: dict[Path, None] = {}
    for path in files:
        found[path] = None
        found |= dict.fromkeys(_companions(path))
    return list(found)


def _companions(main: Path) -> list[Path]:
    return sorted(
        path for path in main.parent.iterdir() if _belongs_to(path, main) and path.is_file()
    )


def _belongs_to(path: Path, main: Path) -> bool:
    """Return whether `path` is a companion of `main`, their names the same up to the suffix."""
    return path.name.startswith(main.stem) and any(
        name == main.name.lower() for name, _ in companion_of(path.name)
    )


def drop_from_options(request: Request, files: Sequence[Path], *, bucket: str) -> Drop:
    """Return the drop of `files` as the options describe it.

    Raises `ManifestError` where an option is wrong, `CliUsageError` where two files have one name.
    """
    paths = with_companions(files)
    _refuse_same_names(paths)
    folder = f"uploads/{request.dataset_id}/{_key_part(request.batch_id)}"
    uploads = tuple(Upload(path, f"{folder}/{path.name}") for path in paths)
    document: Document = {
        "batch_id": request.batch_id,
        "uploader": request.uploader,
        "intent": request.intent,
        "dataset_id": request.dataset_id,
        "files": [_file_entry(upload, paths, request, bucket) for upload in uploads],
        "metadata": {
            "project": request.project,
            "description": request.description,
            **request.metadata,
        },
    }
    if request.options:
        document["options"] = request.options
    manifest = parse_manifest(document, landing_bucket=bucket)
    content = json.dumps(document, indent=2, ensure_ascii=False).encode()
    return Drop(document, manifest, content, uploads)


def _file_entry(upload: Upload, paths: Sequence[Path], request: Request, bucket: str) -> Document:
    kind = INTENT_FILE_TYPES[request.intent]
    entry: Document = {"path": f"s3://{bucket}/{upload.key}", "type": kind}
    if not _is_companion(upload.path, paths):
        entry |= request.file_facts
    with upload.path.open("rb") as file:
        entry["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return entry


def _is_companion(path: Path, paths: Sequence[Path]) -> bool:
    return any(_belongs_to(path, other) and path.parent == other.parent for other in paths)


def drop_from_manifest(path: Path, files: Sequence[Path], *, bucket: str) -> Drop:
    """Return the drop that the manifest at `path` describes; `files` go to the paths it names.

    Parts of a shapefile or its like that lie beside a named file come along where the manifest
    names them. Raises `ManifestError` for a wrong manifest, `CliUsageError` where a file has no
    path of its name, or more than one.
    """
    content = path.read_bytes()
    document = read_manifest_json(content)
    manifest = parse_manifest(document, landing_bucket=bucket)
    by_name: dict[str, list[ManifestFile]] = {}
    for entry in manifest.files:
        by_name.setdefault(entry.name, []).append(entry)
    companions = [item for item in with_companions(files) if item not in files]
    named = [item for item in companions if item.name in by_name]
    paths = [*dict.fromkeys(files), *named]
    _refuse_same_names(paths)
    uploads = tuple(Upload(item, _key_named(item, by_name)) for item in paths)
    left_out = tuple(item for item in companions if item not in named)
    return Drop(document, manifest, content, uploads, left_out)


def _key_named(path: Path, by_name: dict[str, list[ManifestFile]]) -> str:
    named = by_name.get(path.name, [])
    if len(named) == 1:
        return named[0].key
    found = ", ".join(entry.path for entry in named) or ", ".join(sorted(by_name))
    raise CliUsageError(
        "cli.file_not_in_manifest",
        f"expected exactly one path of the manifest to end in {path.name!r}, found {len(named)}; "
        f"{'these do' if named else 'it names'}: {found}.",
        remedy="Rename the file as the manifest does, or name it in the manifest's files[].path.",
        file=str(path),
    )


def _refuse_same_names(paths: Sequence[Path]) -> None:
    twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        same = ", ".join(str(path) for path in paths if path.name in twice)
        raise CliUsageError(
            "cli.same_name",
            f"expected every file to have a name of its own, found {same}.",
            remedy="Rename one of them: files of a drop lie side by side.",
        )


def _key_part(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip(".") or "-"
