"""Reception: the reconciler that turns manifests in the landing zone into runs and answers.

Each look compares what lies in `manifests/` with what the ledger knows; nothing else is remembered
between looks, so a look can stop anywhere and the next one goes on.

What belongs here: claiming, waiting for files, refusing what cannot run. What does not: attempts
and their ends (`libs.pipeline.attempts`), how a run is started (the caller does that with the
orders it gets).
"""

import hashlib
import logging
import random
from datetime import timedelta
from typing import Any

from libs.ledger.ledger import now
from libs.ledger.records import Delivery, DropRecord, FileClaim
from libs.models.errors import ManifestError, Reason, SpatialEtlError
from libs.models.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    drop_id,
    parse_manifest,
    read_manifest_json,
)
from libs.models.receipt import Receipt
from libs.models.version import dataset_path
from libs.patience import holding_up_nobody
from libs.pipeline.admission import never_fits
from libs.pipeline.answer import answer, deliver, receipt_of, settle
from libs.pipeline.attempts import FindRun, Reconciled, open_attempts, reconcile
from libs.pipeline.recipe import RECIPE_VERSION
from libs.pipeline.workbench import Clients
from libs.storage.client import ObjectInfo

logger = logging.getLogger(__name__)

RECEIVED_PER_LOOK = 100
OUT_OF_ORDER_PER_LOOK = 10


def look(clients: Clients, find_run: FindRun) -> Reconciled:
    """Look at the landing zone and the ledger once; return the attempts to start.

    `find_run` is asked as in `libs.pipeline.attempts.reconcile`.
    """
    for drop in clients.ledger.unsettled():
        with holding_up_nobody(drop.delivery.key):
            deliver(clients, drop.id)
    items = clients.landing.list_manifests()
    _withdraw(clients, {(item.key, item.etag) for item in items})
    for item in _to_receive(clients, items):
        with holding_up_nobody(item.key):
            _receive_or_refuse(clients, item)
    reconciled = reconcile(clients, find_run)
    opened = tuple(open_attempts(clients))
    return Reconciled(reconciled.orders + opened, reconciled.published)


def _to_receive(clients: Clients, items: list[ObjectInfo]) -> list[ObjectInfo]:
    """Return the manifests to receive at this look: so many that runs need not wait for the rest.

    New ones go in order of arrival, but for a few: were there many at the head that no look can get
    rid of, the others would never have their turn. Of those that wait, for their files or for the
    answer of a drop that they seem to be copies of, any may be looked at.
    """
    claimed = clients.ledger.claimed_deliveries()
    waiting = clients.ledger.waiting_deliveries()
    contents = {delivery.etag for delivery in claimed}
    new: list[ObjectInfo] = []
    again: list[ObjectInfo] = []
    for item in items:
        delivery = _delivery(item)
        if delivery not in claimed:
            is_again = delivery in waiting or item.etag in contents
            (again if is_again else new).append(item)
    in_order = RECEIVED_PER_LOOK - OUT_OF_ORDER_PER_LOOK
    return [
        *new[:in_order],
        *_some(new[in_order:], OUT_OF_ORDER_PER_LOOK),
        *_some(again, RECEIVED_PER_LOOK),
    ]


def _some(items: list[ObjectInfo], most: int) -> list[ObjectInfo]:
    return random.sample(items, min(len(items), most))


def _receive_or_refuse(clients: Clients, item: ObjectInfo) -> None:
    """Receive a manifest; one that shows a defect of ours is refused, so that others go on."""
    try:
        receive(clients, item)
    except SpatialEtlError:
        raise
    except Exception as err:
        logger.exception("could not receive %s", item.key)
        reason = Reason(
            code="internal.unexpected",
            message=f"expected to read the manifest or to say why not, found {type(err).__name__}.",
            remedy="This is a defect of the service: report it with the manifest.",
        )
        marks = f"{item.key}\n{item.etag}".encode()
        _refuse(clients, _delivery(item), _digest(marks), reason, None)


def _delivery(item: ObjectInfo) -> Delivery:
    dropped_at = item.last_modified or now()
    kept_by_ledger = dropped_at.replace(microsecond=dropped_at.microsecond // 1000 * 1000)
    return Delivery(key=item.key, etag=item.etag, received_at=kept_by_ledger)


def receive(clients: Clients, item: ObjectInfo) -> None:
    """Claim, refuse, answer or keep waiting the manifest at `item`."""
    delivery = _delivery(item)
    if item.size_bytes > MAX_MANIFEST_BYTES:
        marks = f"{item.key}\n{item.etag}\n{item.size_bytes}".encode()
        _refuse(clients, delivery, _digest(marks), _too_large(item).reason, None)
        return
    content = clients.landing.read_manifest(item)
    if content is None:
        return
    try:
        document = read_manifest_json(content)
    except ManifestError as err:
        _refuse(clients, delivery, _digest(content), err.reason, None)
        return
    try:
        manifest = parse_manifest(document, landing_bucket=clients.landing.bucket)
    except ManifestError as err:
        _refuse(clients, delivery, drop_id(document, []), err.reason, document)
        return
    _receive_valid(clients, delivery, document, manifest)


def _digest(content: bytes) -> str:
    return hashlib.sha256(b"unreadable\n" + content).hexdigest()


def _too_large(item: ObjectInfo) -> ManifestError:
    return ManifestError(
        "manifest.too_large",
        f"expected at most {MAX_MANIFEST_BYTES} bytes, found {item.size_bytes}.",
        remedy="Put data files outside manifests/ and name them in the manifest.",
    )


def _receive_valid(
    clients: Clients, delivery: Delivery, document: dict[str, Any], manifest: Manifest
) -> None:
    files = _claims(clients, manifest)
    missing = tuple(file.path for file in files if file.size_bytes < 0)
    identity = drop_id(document, [(file.path, file.etag, file.size_bytes) for file in files])
    drop = DropRecord(
        _id=_waiting_id(identity, delivery) if missing else identity,
        status="waiting" if missing else "received",
        batch_id=manifest.batch_id,
        dataset_id=manifest.resolved_dataset_id,
        manifest=manifest.model_dump(mode="json", exclude_unset=True),
        files=files,
        missing=missing,
        delivery=delivery,
        attempt_limit=clients.settings.max_attempts,
        recipe=RECIPE_VERSION,
        received_at=delivery.received_at,
        updated_at=now(),
    )
    if missing:
        _wait(clients, drop, manifest.options.wait_for_files_s)
        return
    # First: what moves the manifest away must not leave a drop that waits for it.
    clients.ledger.forget_waiting(delivery)
    too_large = next(
        (file for file in files if file.size_bytes > clients.settings.max_file_bytes), None
    )
    if too_large is not None:
        reason = Reason(
            code="source.too_large",
            message=f"expected at most {clients.settings.max_file_bytes} bytes, found "
            f"{too_large.size_bytes}.",
            remedy="Split the file, or raise SPATIAL_ETL_MAX_FILE_BYTES.",
            file=too_large.path,
        )
        _insert_refused(clients, drop, reason)
    elif too_large_for_disk := never_fits(drop, clients.settings):
        _insert_refused(clients, drop, too_large_for_disk)
    elif clients.ledger.insert(drop):
        logger.info("claimed %s as drop %s", delivery.key, drop.id[:12])
    else:
        _meet_again(clients, drop)


def _claims(clients: Clients, manifest: Manifest) -> tuple[FileClaim, ...]:
    """Return the files and dataset versions a manifest names, as they are now.

    What is not there yet has no etag and the size -1.
    """
    claims = []
    for file in manifest.files:
        info = clients.landing.stat(file.key)
        claims.append((file.path, info.etag if info else "", info.size_bytes if info else -1))
    for item in manifest.inputs:
        version = clients.catalog.find(item.dataset_id, item.version)
        if version is None:
            claims.append((dataset_path(item.dataset_id, item.version), "", -1))
        else:
            path = dataset_path(item.dataset_id, version.version)
            claims.append((path, version.content_hash, version.size_bytes))
    return tuple(FileClaim(path=path, etag=etag, size_bytes=size) for path, etag, size in claims)


def _waiting_id(identity: str, delivery: Delivery) -> str:
    """Return the id of a drop whose files are not all there: it ends with its delivery."""
    place = f"\n{delivery.key}\t{delivery.etag}\t{delivery.received_at.isoformat()}"
    return hashlib.sha256(f"waiting\n{identity}{place}".encode()).hexdigest()


def _wait(clients: Clients, drop: DropRecord, wait_s: int) -> None:
    clients.ledger.forget_waiting(drop.delivery, except_id=drop.id)
    if now() - drop.received_at <= timedelta(seconds=wait_s):
        clients.ledger.insert(drop)
        return
    reason = Reason(
        code="source.missing",
        message=f"expected all files within {wait_s} s of the manifest, found "
        f"{len(drop.missing)} of {len(drop.files)} missing: {', '.join(drop.missing)}.",
        remedy="Upload the missing files and drop the manifest again.",
        file=drop.missing[0],
    )
    clients.ledger.forget_waiting(drop.delivery)
    _insert_refused(clients, drop, reason)


def _refuse(
    clients: Clients,
    delivery: Delivery,
    identity: str,
    reason: Reason,
    document: dict[str, Any] | None,
) -> None:
    labels = document or {}
    batch_id, dataset_id = labels.get("batch_id"), labels.get("dataset_id")
    drop = DropRecord(
        _id=identity,
        status="received",
        batch_id=batch_id if isinstance(batch_id, str) else None,
        dataset_id=dataset_id if isinstance(dataset_id, str) else None,
        delivery=delivery,
        recipe=RECIPE_VERSION,
        received_at=delivery.received_at,
        updated_at=now(),
    )
    _insert_refused(clients, drop, reason)


def _insert_refused(clients: Clients, drop: DropRecord, reason: Reason) -> None:
    """Record a refusal at the door and answer it; one that the ledger knows is answered again.

    It carries no recipe: what the door refused is looked at anew whenever it comes again.
    """
    receipt = receipt_of(clients, drop, "rejected", reason=reason)
    refused = drop.model_copy(
        update={
            "status": "rejected",
            "recipe": "",
            "reason": reason,
            "receipt": receipt.model_dump(mode="json"),
        }
    )
    if clients.ledger.insert(refused):
        deliver(clients, drop.id)
    else:
        clients.ledger.record_redelivery(drop.id, drop.delivery)
        settle(clients, receipt, drop.delivery)
    logger.info("rejected %s: %s", drop.delivery.key, reason.code)


def _meet_again(clients: Clients, drop: DropRecord) -> None:
    """Handle a drop that the ledger knows already."""
    known = clients.ledger.get(drop.id)
    if known is None or known.is_active:
        return
    if _may_run_again(known):
        clients.ledger.reopen(
            known,
            drop.delivery,
            more_attempts=clients.settings.max_attempts,
            recipe=RECIPE_VERSION,
        )
        logger.info("reopened drop %s, which was %s", known.id[:12], known.status)
        return
    receipt = Receipt.model_validate(known.receipt)
    again = receipt.model_copy(
        update={
            "manifest": drop.delivery.key,
            "status": "unchanged" if receipt.status == "published" else receipt.status,
            # Whoever waits for this answer tells it from an earlier one by what the receipt holds.
            "note": f"What came on {drop.delivery.received_at.isoformat()} is the drop that was "
            f"answered {receipt.status} on {receipt.answered_at.isoformat()}; nothing was run. "
            "Change batch_id to run it again.",
        }
    )
    clients.ledger.record_redelivery(known.id, drop.delivery)
    settle(clients, again, drop.delivery)


def _may_run_again(known: DropRecord) -> bool:
    if known.status in {"failed", "canceled"}:
        return True
    return known.status == "rejected" and known.recipe != RECIPE_VERSION


def _withdraw(clients: Clients, there: set[tuple[str, str]]) -> None:
    """Answer the waiting drops whose manifest was taken away or replaced."""
    for drop in clients.ledger.with_status("waiting"):
        if (drop.delivery.key, drop.delivery.etag) not in there:
            with holding_up_nobody(drop.delivery.key):
                _withdraw_drop(clients, drop)


def _withdraw_drop(clients: Clients, drop: DropRecord) -> None:
    if clients.landing.holds(drop.delivery.key, drop.delivery.etag):
        # Dropped, and claimed by another look, since this one listed the manifests.
        return
    if clients.ledger.is_delivered_otherwise(drop):
        # Another look found its files and claimed the drop that it became.
        clients.ledger.forget_waiting(drop.delivery)
        return
    reason = Reason(
        code="manifest.withdrawn",
        message="expected the manifest to stay until its files have come, found it gone or "
        "replaced.",
        remedy="Drop the manifest again if it should run.",
    )
    answer(clients, drop, receipt_of(clients, drop, "canceled", reason=reason))
