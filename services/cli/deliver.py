"""Sending a drop: the files first, the manifest last.

What belongs here: uploading, and not overwriting a manifest that still waits. What does not:
making the drop (`services.cli.drop`), following it (`services.cli.follow`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from libs.models.manifest import drop_id
from libs.storage.client import ObjectInfo
from libs.storage.landing import LandingZone, receipt_key
from services.cli.drop import Drop, Upload
from services.cli.exits import CliError
from services.cli.output import Progress, say, size


@dataclass(frozen=True)
class Dropped:
    """A drop whose manifest lies in the landing zone."""

    drop: Drop
    etag: str
    earlier_receipt_etag: str | None

    def identity(self, landing: LandingZone) -> tuple[str, tuple[str, ...]]:
        """Return the id of the drop with its files as they are now, and the paths missing."""
        stats = [(file.path, landing.stat(file.key)) for file in self.drop.manifest.files]
        claims = [
            (path, info.etag, info.size_bytes) if info else (path, "", -1) for path, info in stats
        ]
        missing = tuple(path for path, info in stats if info is None)
        return drop_id(self.drop.document, claims), missing


def deliver(landing: LandingZone, drop: Drop, *, is_replacing: bool) -> Dropped:
    """Upload the files of `drop`, then drop its manifest.

    The same manifest waiting at its key is left there; another one is overwritten only where
    `is_replacing`, else `CliError` is raised before anything is sent.
    """
    waiting = _same_waiting(landing, drop, is_replacing=is_replacing)
    receipt = landing.stat(receipt_key(drop.key))
    _upload_all(landing, drop.uploads)
    if waiting is not None and landing.stat(drop.key) == waiting:
        say(f"the same manifest waits at s3://{landing.bucket}/{drop.key}: not dropped again")
        etag = waiting.etag
    else:
        etag = landing.put_json(drop.key, drop.content)
        say(f"dropped s3://{landing.bucket}/{drop.key}")
    return Dropped(drop, etag, receipt.etag if receipt else None)


def _same_waiting(landing: LandingZone, drop: Drop, *, is_replacing: bool) -> ObjectInfo | None:
    waiting = landing.stat(drop.key)
    if waiting is None or is_replacing:
        return None
    if landing.read_manifest(waiting) == drop.content:
        return waiting
    raise CliError(
        "cli.manifest_waiting",
        f"expected no manifest at s3://{landing.bucket}/{drop.key}, found another one that has "
        "not been answered yet.",
        remedy=f"Wait for its answer (`spatial-etl explain {drop.manifest.batch_id}`), choose "
        "another batch id, or overwrite it with --replace.",
    )


def _upload_all(landing: LandingZone, uploads: Iterable[Upload]) -> None:
    for upload in uploads:
        size_bytes = upload.path.stat().st_size
        progress = Progress(upload.path.name, size_bytes)
        try:
            landing.upload(upload.path, upload.key, progress=progress)
        finally:
            progress.close()
        say(f"uploaded {upload.path.name}  {size(size_bytes)}")
