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
    LedgerError,
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
DROPS_OWN_FAULT = (ManifestError, SourceError, CrsError, ContractError, JoinError)


def answer(clients: Clients, drop: DropRecord, receipt: Receipt) -> bool:
    """Give `receipt` as the answer of `drop`; False where the drop is not as it was seen."""
    attempt = drop.attempt if drop.attempt else None
    if not clients.ledger.answer(receipt, attempt=attempt, status=drop.status):
        return False
    deliver(clients, drop.id)
    return True


def deliver(clients: Clients, drop_id: str) -> None:
    """Deliver the answer that the ledger holds, where nobody has; safe to repeat.

    Whoever stood still meanwhile, and delivered an answer that was not the last one, delivers the
    last one after it.
    """
    drop = clients.ledger.get(drop_id)
    if drop is None or drop.is_settled:
        return
    while drop is not None and drop.receipt is not None:
        settle(clients, Receipt.model_validate(drop.receipt), drop.delivery)
        if clients.ledger.mark_settled(drop):
            return
        drop = clients.ledger.get(drop_id)


def settle(clients: Clients, receipt: Receipt, delivery: Delivery) -> None:
    """Write a receipt, then move its manifest; safe to repeat.

    Of several manifests that were dropped under one name, the receipt is the last one's in the end,
    whichever is answered last.
    """
    clients.landing.put_receipt(receipt)
    newer = clients.ledger.answered_after(delivery)
    if newer is not None:
        clients.landing.put_receipt(Receipt.model_validate(newer.receipt))
    folder = ARCHIVE if receipt.status in ARCHIVED_STATUSES else REJECTED
    clients.landing.settle(
        delivery.key, delivery.etag, folder=folder, dropped_at=delivery.received_at
    )


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
    shown = attempt.shown_run_id if attempt else None
    url = f"{clients.settings.webserver_url}/runs/{shown}" if shown else None
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
    """Do all that follows from a version's publication; safe to repeat, by another run too."""
    clients.catalog.record_lineage(version)
    drop = _require(clients, drop_id)
    if drop.attempt > 1:
        clients.catalog.unseal_published(drop_id, drop.attempt)
    if drop.status == "published":
        deliver(clients, drop_id)
    else:
        answer(clients, drop, receipt_of(clients, drop, "published", version=version))


def give_up(clients: Clients, drop: DropRecord) -> Version | None:
    """See to it that the attempt in hand publishes nothing any more; return what it published.

    Behind the fence only the catalog can stop it. Before it, what is done next with the drop as it
    was seen does: it moves nothing where the attempt has passed the fence meanwhile.
    """
    if drop.status == "publishing":
        return clients.catalog.seal(drop.id, drop.attempt)
    return clients.catalog.version_of_drop(drop.id)


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


def answer_error(
    clients: Clients,
    drop_id: str,
    attempt: int,
    error: SpatialEtlError,
    *,
    run_id: str | None = None,
) -> str:
    """Answer a drop whose attempt ended with `error`; return the status the drop has now.

    A transient error lets the drop wait for its next attempt while it has one. `run_id` is the run
    that ended: where another one works on the attempt, it has no say.
    """
    drop = _require(clients, drop_id)
    holder = drop.current.run_id if drop.current else None
    is_others = None not in (run_id, holder) and run_id != holder
    is_lost = drop.attempt != attempt or not drop.is_active
    if isinstance(error, SupersededError) or is_lost or is_others:
        return _leave_to_others(clients, drop, attempt)
    # Of a run that has ended only an insert that the ledger did not answer may still come.
    is_in_doubt = isinstance(error, LedgerError)
    found = give_up(clients, drop) if is_in_doubt else clients.catalog.version_of_drop(drop_id)
    if found is not None:
        answer_published(clients, drop_id, found)
        return "published"
    if isinstance(error, TransientError) and drop.attempt < drop.attempt_limit:
        clients.ledger.release(drop, error.reason, run_id=holder)
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
    return drop.status


def _require(clients: Clients, drop_id: str) -> DropRecord:
    drop = clients.ledger.get(drop_id)
    if drop is None:
        raise SupersededError(
            "attempt.no_such_drop",
            f"expected drop {drop_id[:12]} in the ledger, found none.",
            remedy="Drop the manifest again.",
        )
    return drop
