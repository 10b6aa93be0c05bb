"""Phase 2, fetch: the files come to the run's work folder, hashed while they stream.

What belongs here: downloading, and knowing content that is already published. What does not:
opening the files (`libs.pipeline.load`).
"""

import hashlib
from pathlib import Path

from libs.models.errors import SourceError
from libs.models.manifest import Manifest, ManifestFile, canonical_json
from libs.pipeline.recipe import RECIPE_VERSION
from libs.pipeline.state import Fetched, FetchedFile, Intake
from libs.pipeline.workbench import Workbench

MAX_NAME_BYTES = 200


def fetch(bench: Workbench, intake: Intake) -> Fetched:
    """Download every file that the drop claimed.

    Raises `SourceError` where a file is gone, is another one by now, is too large, or has another
    sha256 than the manifest says.
    """
    folder = bench.subfolder("files")
    etags = {claim.path: claim.etag for claim in intake.claims}
    files = tuple(
        _fetch_file(bench, file, etags[file.path], folder / str(number))
        for number, file in enumerate(intake.manifest.files)
    )
    digest = content_hash(intake.manifest, files)
    newest = bench.clients.catalog.latest(intake.dataset_id)
    unchanged = newest if newest and newest.content_hash == digest else None
    return Fetched(intake, files, digest, unchanged)


def _fetch_file(bench: Workbench, file: ManifestFile, etag: str, folder: Path) -> FetchedFile:
    folder.mkdir()
    path = folder / _local_name(file.name)
    sha256, size_bytes = bench.clients.landing.fetch(file.key, etag, path)
    if file.sha256 is not None and file.sha256 != sha256:
        raise SourceError(
            "source.sha256_differs",
            f"expected sha256 {file.sha256}, found {sha256}.",
            remedy="Upload the file again, or correct files[].sha256.",
            file=file.path,
        )
    return FetchedFile(file, path, sha256, size_bytes)


def _local_name(name: str) -> str:
    """Return a file name that this file system can hold, its suffixes kept."""
    encoded = name.encode()
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    suffixes = "." + ".".join(name.split(".")[-2:])[-40:]
    return hashlib.sha256(encoded).hexdigest()[:16] + suffixes


def content_hash(manifest: Manifest, files: tuple[FetchedFile, ...]) -> str:
    """Return the sha256 hex over inputs, request and recipe version.

    The request is what may change the published data: how each file is to be read, the contract
    and the options. Where a file lies and what the metadata says are not part of it.
    """
    request = {
        "recipe": RECIPE_VERSION,
        "intent": manifest.intent,
        "contract": manifest.contract.model_dump(mode="json"),
        "options": manifest.options.model_dump(mode="json", exclude={"wait_for_files_s"}),
        "files": [
            {
                **item.file.model_dump(mode="json", exclude={"path"}),
                "name": item.file.name,
                "sha256": item.sha256,
            }
            for item in files
        ],
    }
    return hashlib.sha256(canonical_json(request)).hexdigest()
