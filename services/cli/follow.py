"""Following a drop from its manifest to its answer.

A manifest stays in `manifests/` until its drop is answered and the receipt written. So a receipt is
the answer to this manifest, and not to an earlier one of the same name, once the manifest is gone.

What belongs here: looking again and again, telling what changed, knowing the answer. What does not:
printing the answer (`services.cli.receipts`).
"""

import time

from libs.ledger.records import DropRecord
from libs.models.errors import TransientError
from libs.models.receipt import ACTIVE_STATUSES, Receipt
from libs.storage import client as s3
from libs.storage.landing import LandingZone, receipt_key
from services.cli.connections import Connections
from services.cli.deliver import Dropped
from services.cli.exits import AnswerTimeoutError, CliError
from services.cli.output import say
from services.cli.receipts import SHORT_HASH, phase_line

POLL_S = 0.3
PATIENCE_S = 30.0
UNCLAIMED_HINT_S = 15.0
GONE_GRACE_S = 5.0
NAMED_FILES = 5


def follow(servers: Connections, dropped: Dropped, *, timeout_s: float | None) -> Receipt:
    """Tell on stderr how a drop goes, and return its answer.

    Raises `AnswerTimeoutError` after `timeout_s` seconds, `TransientError` where a server has not
    answered for half a minute, `CliError` where the manifest is gone without an answer.
    """
    watch = Watch(servers, dropped)
    started = well_at = time.monotonic()
    while True:
        try:
            receipt = watch.look()
        except TransientError as err:
            if time.monotonic() - well_at > PATIENCE_S:
                raise
            watch.teller.once(f"{err.reason.message} Trying again.")
        else:
            well_at = time.monotonic()
            if receipt is not None:
                return receipt
        if timeout_s is not None and time.monotonic() - started >= timeout_s:
            batch_id = dropped.drop.manifest.batch_id
            raise AnswerTimeoutError(
                "cli.timeout",
                f"expected an answer within {timeout_s:g} s, found the drop "
                f"{watch.teller.status or 'not claimed yet'}.",
                remedy=f"The drop goes on; see `spatial-etl explain {batch_id}`.",
            )
        time.sleep(POLL_S)


class Watch:
    """What is known of a drop between two looks."""

    def __init__(self, servers: Connections, dropped: Dropped) -> None:
        self._servers, self._dropped = servers, dropped
        self._landing: LandingZone = servers.landing
        self._identity, self._missing = dropped.identity(self._landing)
        self._active_id: str | None = None
        self._dropped_at = time.monotonic()
        self._gone_at: float | None = None
        self.teller = Teller()

    def look(self) -> Receipt | None:
        """Look once, tell what changed, and return the answer where there is one."""
        item = self._landing.stat(self._dropped.drop.key)
        is_there = item is not None and item.etag == self._dropped.etag
        drop = self._find()
        if drop is not None and drop.is_active:
            self._active_id = drop.id
            self.teller.tell(drop)
            return None
        if drop is not None and (not is_there or drop.id == self._active_id):
            if drop.id == self._active_id:
                self.teller.tell(drop)
            return self._answer(drop, is_settled=not is_there)
        if is_there:
            self._tell_unclaimed()
            return None
        return self._answer_of_unknown()

    def _find(self) -> DropRecord | None:
        """Return the drop of our manifest; an answered one may be the answer to an earlier one."""
        ledger = self._servers.ledger
        if self._active_id is not None:
            drop = ledger.get(self._active_id)
            if drop is not None:
                return drop
        query = {
            "status": {"$in": list(ACTIVE_STATUSES)},
            "delivery.key": self._dropped.drop.key,
            "delivery.etag": self._dropped.etag,
        }
        active = ledger.find(query, limit=1, newest_first=True)
        if active:
            return active[0]
        if self._missing:
            self._identity, self._missing = self._dropped.identity(self._landing)
        return ledger.get(self._identity)

    def _answer(self, drop: DropRecord, *, is_settled: bool) -> Receipt:
        if is_settled:
            written = self._written_receipt()
            if written is not None and written.drop_id == drop.id:
                return written
        return Receipt.model_validate(drop.receipt)

    def _answer_of_unknown(self) -> Receipt | None:
        """Return the receipt of a drop that the ledger has under another identity than we know."""
        item = self._landing.stat(receipt_key(self._dropped.drop.key))
        if item is not None and item.etag != self._dropped.earlier_receipt_etag:
            return self._written_receipt()
        self._gone_at = self._gone_at or time.monotonic()
        if time.monotonic() - self._gone_at < GONE_GRACE_S:
            return None
        raise CliError(
            "cli.manifest_gone",
            f"expected s3://{self._landing.bucket}/{self._dropped.drop.key} to stay until it is "
            "answered, found it gone without an answer.",
            remedy="Somebody took it away or replaced it: submit again.",
        )

    def _written_receipt(self) -> Receipt | None:
        return read_receipt(self._landing, self._dropped.drop.key)

    def _tell_unclaimed(self) -> None:
        if self._missing:
            self.teller.once(waiting_text(self._missing, len(self._dropped.drop.manifest.files)))
        elif time.monotonic() - self._dropped_at > UNCLAIMED_HINT_S:
            self.teller.once(
                f"not claimed after {UNCLAIMED_HINT_S:g} s; does the sensor run? "
                "`spatial-etl doctor` looks"
            )


class Teller:
    """Tells on stderr what is new about a drop."""

    def __init__(self) -> None:
        self.status: str | None = None
        self._said: set[str] = set()
        self._phases_told: dict[int, int] = {}

    def once(self, text: str) -> None:
        """Say `text` unless it was said before."""
        if text not in self._said:
            self._said.add(text)
            say(text)

    def tell(self, drop: DropRecord) -> None:
        """Say the status where it changed, and each phase that has ended."""
        self.status = drop.status
        if drop.status == "publishing":
            self._tell_phases(drop)
        if drop.is_active and not _is_published(drop):
            self.once(_status_text(drop))
        self._tell_phases(drop)

    def _tell_phases(self, drop: DropRecord) -> None:
        for attempt in drop.attempts:
            is_over = attempt.ended_at is not None or not drop.is_active
            told = self._phases_told.get(attempt.number, 0)
            for phase in attempt.phases[told:]:
                if phase.seconds is None and not is_over:
                    break
                say(f"  {phase_line(phase, is_over=is_over)}")
                self._phases_told[attempt.number] = self._phases_told.get(attempt.number, 0) + 1


def _is_published(drop: DropRecord) -> bool:
    phases = drop.current.phases if drop.current else ()
    return drop.status == "publishing" and bool(phases) and phases[-1].seconds is not None


def _status_text(drop: DropRecord) -> str:
    attempt = drop.current
    match drop.status:
        case "waiting":
            return waiting_text(drop.missing, len(drop.files))
        case "received" if attempt is not None and attempt.reason is not None:
            return (
                f"attempt {attempt.number} of {drop.attempt_limit} ended: {attempt.reason.code}: "
                f"{attempt.reason.message} It is tried again."
            )
        case "received" if drop.held is not None:
            return f"held     {drop.held.code}: {drop.held.message}"
        case "received":
            return f"received as drop {drop.id[:SHORT_HASH]}"
        case "running" if attempt is not None and attempt.run_id:
            return f"running  attempt {drop.attempt}, run {attempt.run_id}"
        case _:
            return f"{drop.status}  attempt {drop.attempt}"


def waiting_text(missing: tuple[str, ...], files: int) -> str:
    """Return which of `files` files a drop waits for."""
    named = ", ".join(missing[:NAMED_FILES])
    more = f" and {len(missing) - NAMED_FILES} more" if len(missing) > NAMED_FILES else ""
    return f"waiting  for {len(missing)} of {files} files: {named}{more}"


def read_receipt(landing: LandingZone, manifest_key: str) -> Receipt | None:
    """Return the newest receipt under a manifest's name; None where there is none."""
    key = receipt_key(manifest_key)
    if landing.stat(key) is None:
        return None
    content = b"".join(s3.stream(landing.client, landing.bucket, key))
    return Receipt.model_validate_json(content)
