"""Answering a drop: the receipt into the ledger, then to the user, then the manifest moves.

The ledger says so first; what follows can be repeated any number of times, by a later tick too.

What belongs here: receipts and their delivery. What does not: what led to the answer.
"""

from libs.ledger.ledger import now
from libs.ledger.records import AttemptRecord, Delivery, DropRecord
from libs.models.errors import (
    ContractError,
    CrsError,
    JoinError,
    ManifestError,
    Reason,
    SourceError,
    SpatialEtlError,
    SupersededError,
    TransientError,
)
from libs.models.manifest import ManifestMetadata
from libs.models.receipt import FinalStatus, Receipt
from libs.models.version import Version, Warn
from libs.pipeline.workbench import Clients
from libs.storage.landing import ARCHIVE, REJECTED

ARCHIVED_STATUSES = ("published", "unchanged")
GIVEN_UP = ("failed", "canceled")
DROPS_OWN_FAULT = (ManifestError, SourceError, CrsError, ContractError, JoinError)


def answer(clients: Clients, drop: DropRecord, receipt: Receipt) -> bool:
    """Give `receipt` as the answer of `drop`; False where the drop was answered or moved on."""
    attempt = drop.attempt if drop.attempt else None
    if not clients.ledger.answer(receipt, attempt=attempt):
        return False
    settle(clients, receipt, drop.delivery)
    return True


def settle(clients: Clients, receipt: Receipt, delivery: Delivery) -> None:
    """Deliver an answer that the ledger holds; safe to repeat."""
    clients.landing.put_receipt(receipt)
    folder = ARCHIVE if receipt.status in ARCHIVED_STATUSES else REJECTED
    clients.landing.settle(delivery.key, delivery.etag, folder=folder)
    clients.ledger.mark_settled(receipt.drop_id, delivery)


def receipt_of(
    clients: Clients,
    drop: DropRecord,
    status: FinalStatus,
    *,
    reason: Reason | None = None,
    version: Version | None = None,
    warnings: tuple[Warn, ...] = (),
    note: str | None = None,
) -> Receipt:
    """Return the receipt of a drop as the ledger knows it now."""
    attempt = _answering_attempt(drop, status, version)
    run_id = attempt.run_id if attempt else None
    url = f"{clients.settings.webserver_url}/runs/{run_id}" if run_id else None
    return Receipt(
        status=status,
        drop_id=drop.id,
        batch_id=drop.batch_id,
        manifest=drop.delivery.key,
        dataset_id=drop.dataset_id,
        version=version.version if version else None,
        run_id=run_id,
        run_url=url,
        attempt=attempt.number if attempt else drop.attempt,
        tables=version.tables if version else (),
        warnings=warnings or (version.warnings if version else ()),
        reason=reason,
        note=note,
        phases=attempt.phases if attempt else (),
        received_at=drop.received_at,
        answered_at=now(),
    )


def _answering_attempt(
    drop: DropRecord, status: FinalStatus, version: Version | None
) -> AttemptRecord | None:
    """Return the attempt a receipt tells of: of a published drop, the one that published it."""
    if status == "published" and version is not None:
        made = [item for item in drop.attempts if item.run_id == version.run_id]
        return made[0] if made else drop.current
    return drop.current


def answer_published(clients: Clients, drop_id: str, version: Version) -> None:
    """Do all that follows from a version's publication; safe to repeat, by another run too.

    A drop that was given up while its run stood between the fence and the commit is published all
    the same: its answer is taken back and given anew.
    """
    clients.catalog.record_lineage(version)
    drop = _require(clients, drop_id)
    if drop.status in GIVEN_UP:
        clients.ledger.reopen(drop, drop.delivery, more_attempts=1, recipe=drop.recipe)
        drop = _require(clients, drop_id)
    answer(clients, drop, receipt_of(clients, drop, "published", version=version))


def answer_unchanged(clients: Clients, drop_id: str, version: Version) -> None:
    """Answer a drop whose content `version` already holds."""
    drop = _require(clients, drop_id)
    warnings: tuple[Warn, ...] = ()
    metadata = (drop.manifest or {}).get("metadata")
    if ManifestMetadata.model_validate(metadata) != version.metadata:
        warnings = (
            Warn(
                code="metadata.not_updated",
                message=f"The data equals version {version.version}, whose metadata differs and "
                "stays as it is.",
            ),
        )
    receipt = receipt_of(
        clients,
        drop,
        "unchanged",
        version=version,
        warnings=warnings,
        note=f"Version {version.version} already holds this content; nothing was written.",
    )
    answer(clients, drop, receipt)


def answer_error(clients: Clients, drop_id: str, attempt: int, error: SpatialEtlError) -> str:
    """Answer a drop whose attempt ended with `error`; return the status the drop has now.

    A transient error lets the drop wait for its next attempt while it has one.
    """
    drop = _require(clients, drop_id)
    if isinstance(error, SupersededError) or drop.attempt != attempt or not drop.is_active:
        return _leave_to_others(clients, drop, attempt)
    run_id = drop.current.run_id if drop.current else None
    published = clients.catalog.version_of_drop(drop_id)
    if published is not None:
        answer_published(clients, drop_id, published)
        return "published"
    if isinstance(error, TransientError) and drop.attempt < drop.attempt_limit:
        clients.ledger.release(drop, error.reason, run_id=run_id)
        return "received"
    status: FinalStatus = "rejected" if isinstance(error, DROPS_OWN_FAULT) else "failed"
    answer(clients, drop, receipt_of(clients, drop, status, reason=error.reason))
    return status


def _leave_to_others(clients: Clients, drop: DropRecord, attempt: int) -> str:
    """End a run that lost its drop; return the status the drop has now.

    Where another run works under the same number, the record is that run's.
    """
    if drop.attempt != attempt or not drop.is_active:
        for run_id in (item.run_id for item in drop.attempts if item.number == attempt):
            clients.ledger.end_run(run_id or "", "superseded")
    published = clients.catalog.version_of_drop(drop.id) if drop.status in GIVEN_UP else None
    if published is None:
        return drop.status
    answer_published(clients, drop.id, published)
    return "published"


def _require(clients: Clients, drop_id: str) -> DropRecord:
    drop = clients.ledger.get(drop_id)
    if drop is None:
        raise SupersededError(
            "attempt.no_such_drop",
            f"expected drop {drop_id[:12]} in the ledger, found none.",
            remedy="Drop the manifest again.",
        )
    return drop
