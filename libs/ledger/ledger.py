"""Claims, attempts and answers of drops: the `manifests` and `runs` collections.

What belongs here: every query that moves a drop from one status to the next. Each transition is
one atomic update of one document, guarded by the status and the attempt it expects.
What does not: versions and lineage (`libs.ledger.catalog`).
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from libs.ledger.connection import Document, translated
from libs.ledger.records import AttemptRecord, Delivery, DropRecord
from libs.models.errors import Reason, SupersededError
from libs.models.owner import Owner
from libs.models.receipt import ACTIVE_STATUSES, FINAL_STATUSES, PhaseRecord, Receipt
from libs.patience import patient

WORKING = ("running", "publishing")
KEPT_REDELIVERIES = 1000


def now() -> datetime:
    """Return the time in UTC, in the milliseconds that the ledger keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Ledger:
    """Drops in the ledger's database; each query waits out outages of `patience_s` seconds."""

    database: Database[Document]
    patience_s: float = 0

    @cached_property
    @patient
    def identity(self) -> str:
        """The name of this ledger that no other has: made once, kept in the ledger itself.

        What a run leaves behind carries it, so that nobody takes it for another service's. An
        upsert of two processes at once has no answer for one of them on some servers.
        """
        query = {"_id": "identity"}
        with translated("tell its identity"):
            found = self.database.service.find_one(query)
            if found is None:
                with suppress(DuplicateKeyError):
                    self.database.service.insert_one({**query, "ledger": str(uuid.uuid4())})
                found = self.database.service.find_one(query)
        assert found is not None  # noqa: S101 - it was there, or was made, and is never removed
        return str(found["ledger"])

    @patient
    def server_time(self) -> datetime:
        """Return the time by the server's clock, the only one that leases go by."""
        with translated("tell the time"):
            moment: datetime = self.database.command("hello")["localTime"]
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @patient
    def insert(self, drop: DropRecord) -> bool:
        """Insert a drop; False where the ledger knows it already."""
        try:
            with translated("record a drop"):
                self.database.manifests.insert_one(drop.document())
        except DuplicateKeyError:
            return False
        return True

    @patient
    def get(self, drop_id: str) -> DropRecord | None:
        """Return a drop; None where it is not known."""
        with translated("read a drop"):
            return _record(self.database.manifests.find_one({"_id": drop_id}))

    @patient
    def find(
        self, query: Document | None = None, *, limit: int = 0, newest_first: bool = False
    ) -> list[DropRecord]:
        """Return the drops that match, in order of arrival or newest first."""
        order = DESCENDING if newest_first else ASCENDING
        with translated("list drops"):
            found = self.database.manifests.find(query or {})
            return [
                DropRecord.model_validate(document)
                for document in found.sort([("received_at", order), ("_id", order)]).limit(limit)
            ]

    def in_order(self, status: str) -> Iterator[DropRecord]:
        """Yield the drops in a status one after another, in order of arrival."""
        with translated("list drops"):
            found = self.database.manifests.find({"status": status})
            for document in found.sort([("received_at", ASCENDING), ("_id", ASCENDING)]):
                yield DropRecord.model_validate(document)

    def with_status(self, *statuses: str, limit: int = 0) -> list[DropRecord]:
        """Return the drops in these statuses, in order of arrival."""
        return self.find({"status": {"$in": list(statuses)}}, limit=limit)

    @patient
    def find_by_run(self, run_id: str) -> DropRecord | None:
        """Return the drop that run `run_id` worked on; None where it never began an attempt."""
        with translated("find the drop of a run"):
            return _record(self.database.manifests.find_one({"attempts.run_id": run_id}))

    def claimed_deliveries(self) -> set[Delivery]:
        """Return the manifests whose drops are being worked on or being answered.

        An answer stands in the ledger before its manifest has moved away: until it has, the
        manifest is no new one.
        """
        return self._deliveries({"status": {"$ne": "waiting"}, "is_settled": False})

    def waiting_deliveries(self) -> set[Delivery]:
        """Return the manifests whose files are not all there yet."""
        return self._deliveries({"status": "waiting"})

    @patient
    def _deliveries(self, query: Document) -> set[Delivery]:
        with translated("list claimed manifests"):
            found = self.database.manifests.find(query, {"delivery": 1})
            return {Delivery.model_validate(document["delivery"]) for document in found}

    @patient
    def forget_waiting(self, delivery: Delivery, *, except_id: str | None = None) -> None:
        """Delete the waiting drops of a manifest object whose files have come or changed."""
        query: Document = {
            "status": "waiting",
            "delivery.key": delivery.key,
            "delivery.etag": delivery.etag,
        }
        if except_id:
            query["_id"] = {"$ne": except_id}
        with translated("forget a waiting drop"):
            self.database.manifests.delete_many(query)

    @patient
    def is_delivered_otherwise(self, drop: DropRecord) -> bool:
        """Return whether the manifest object of a waiting drop brought a drop that went on."""
        key, etag = drop.delivery.key, drop.delivery.etag
        query = {
            "_id": {"$ne": drop.id},
            "status": {"$ne": "waiting"},
            "$or": [
                {"delivery.key": key, "delivery.etag": etag},
                {"redeliveries": {"$elemMatch": {"key": key, "etag": etag}}},
            ],
        }
        with translated("look for a manifest's other drops"):
            return self.database.manifests.find_one(query, {"_id": 1}) is not None

    def reopen(
        self, drop: DropRecord, delivery: Delivery, *, more_attempts: int, recipe: str
    ) -> bool:
        """Take up again a drop that was answered but not published; False where another did."""
        return self._move(
            {"_id": drop.id, "status": drop.status, "attempt": drop.attempt},
            {
                "status": "received",
                "delivery": delivery.model_dump(),
                "is_settled": False,
                "recipe": recipe,
                "attempt_limit": drop.attempt + more_attempts,
                "unstarted": 0,
                "reason": None,
                "receipt": None,
            },
        )

    def open_attempt(
        self,
        drop: DropRecord,
        *,
        run_id: str | None = None,
        dagster_run_id: str | None = None,
        shared_key: str | None = None,
    ) -> int | None:
        """Give a received drop its next attempt number; None where another tick did.

        `run_id` is the run that will begin it, where that is known already; where it is to share a
        run of Dagster's with others, `dagster_run_id` is that one, or `shared_key` its key.
        """
        number = drop.attempt + 1
        attempt = AttemptRecord(
            number=number,
            requested_at=now(),
            run_id=run_id,
            dagster_run_id=dagster_run_id,
            shared_key=shared_key,
        )
        moved = self._move(
            {"_id": drop.id, "status": "received", "attempt": drop.attempt},
            {"status": "queued", "attempt": number, "held": None},
            push={"attempts": attempt.model_dump()},
        )
        return number if moved or self._is_opened_for(drop.id, number, run_id) else None

    def _is_opened_for(self, drop_id: str, number: int, run_id: str | None) -> bool:
        """Return whether a run has its attempt although the ledger's answer was lost on its way."""
        drop = self.get(drop_id) if run_id is not None else None
        current = drop.current if drop is not None and drop.status == "queued" else None
        return current is not None and (current.number, current.run_id) == (number, run_id)

    def hold(self, drop: DropRecord, reason: Reason) -> None:
        """Record why a received drop gets no attempt yet, where that is news."""
        if drop.held is None or drop.held.code != reason.code:
            query = {"_id": drop.id, "status": "received", "attempt": drop.attempt}
            self._move(query, {"held": reason.model_dump()})

    def begin_attempt(
        self,
        drop_id: str,
        attempt: int,
        run_id: str,
        *,
        owner: Owner,
        lease_s: float,
        dagster_run_id: str | None = None,
    ) -> DropRecord:
        """Let run `run_id` work on a drop; raises `SupersededError` where it may not.

        `dagster_run_id` is Dagster's run where that has other drops too.
        """
        started = now()
        slot = f"attempts.{attempt - 1}"
        values = {
            "status": "running",
            "unstarted": 0,
            f"{slot}.run_id": run_id,
            f"{slot}.dagster_run_id": dagster_run_id,
            f"{slot}.started_at": started,
            f"{slot}.owner": owner.model_dump(),
            f"{slot}.lease_expires_at": self._lease_end(lease_s),
        }
        self._move({"_id": drop_id, "status": "queued", "attempt": attempt}, values)
        drop = self.get(drop_id)
        begun = drop.current if drop and drop.status == "running" else None
        if drop is None or begun is None or (begun.number, begun.run_id) != (attempt, run_id):
            raise self._superseded(drop_id, attempt)
        self._record_run(drop, run_id, started)
        return drop

    @patient
    def _record_run(self, drop: DropRecord, run_id: str, started: datetime) -> None:
        with translated("record a run"):
            self.database.runs.replace_one(
                {"_id": run_id},
                {
                    "drop_id": drop.id,
                    "attempt": drop.attempt,
                    "batch_id": drop.batch_id,
                    "dataset_id": drop.dataset_id,
                    "status": "running",
                    "started_at": started,
                    "ended_at": None,
                },
                upsert=True,
            )

    def renew_lease(self, drop_id: str, attempt: int, lease_s: float) -> None:
        """Hold the drop for `lease_s` more seconds; raises `SupersededError` where it is lost.

        A lease that ran out is renewed all the same while nobody took the drop.
        """
        place = f"attempts.{attempt - 1}.lease_expires_at"
        self._move_or_raise(drop_id, attempt, {place: self._lease_end(lease_s)})

    def record_phases(self, drop_id: str, attempt: int, phases: Mapping[int, PhaseRecord]) -> None:
        """Write how phases of an attempt go, by position; fenced by the attempt number."""
        place = f"attempts.{attempt - 1}.phases"
        values = {f"{place}.{number}": phase.model_dump() for number, phase in phases.items()}
        self._move_or_raise(drop_id, attempt, values)

    def begin_publishing(self, drop_id: str, attempt: int) -> None:
        """Pass the fence before publishing; raises `SupersededError` behind it."""
        self._move_or_raise(drop_id, attempt, {"status": "publishing"})

    def answer(self, receipt: Receipt, *, attempt: int | None, status: str | None = None) -> bool:
        """Make a receipt the final answer of its drop; False where the drop moved on.

        `attempt` is the one that answers; None for a drop no attempt works on. `status` is the one
        that the drop was seen in; None for any that is not final.
        """
        document = receipt.model_dump(mode="json")
        query: Document = {"_id": receipt.drop_id, "status": {"$in": list(ACTIVE_STATUSES)}}
        values: Document = {
            "status": receipt.status,
            "version": receipt.version,
            "reason": receipt.reason.model_dump() if receipt.reason else None,
            "receipt": document,
            "is_settled": False,
        }
        if status is not None:
            query["status"] = status
        if attempt is not None:
            query["attempt"] = attempt
            values |= _attempt_end(attempt, receipt.reason)
        moved = self._move(query, values) or self._holds(receipt.drop_id, document)
        if moved:
            self._end_runs(receipt)
        return moved

    def _holds(self, drop_id: str, receipt: Document) -> bool:
        """Return whether a receipt was taken although the ledger's answer was lost on its way."""
        drop = self.get(drop_id)
        return drop is not None and drop.receipt == receipt

    @patient
    def _end_runs(self, receipt: Receipt) -> None:
        with translated("record the end of a drop's runs"):
            self.database.runs.update_many(
                {"drop_id": receipt.drop_id, "status": "running"},
                {"$set": {"status": receipt.status, "ended_at": now()}},
            )

    def release(
        self,
        drop: DropRecord,
        reason: Reason,
        *,
        run_id: str | None = None,
        has_begun: bool = True,
    ) -> bool:
        """End an attempt for a transient reason, so that the drop waits for the next one.

        One that never began leaves the drop as many attempts as it had before.
        """
        values: Document = {"status": "received", **_attempt_end(drop.attempt, reason)}
        if not has_begun:
            values |= {
                "attempt_limit": drop.attempt_limit + 1,
                "unstarted": drop.unstarted + 1,
            }
        is_held = drop.status in ("queued", *WORKING)
        query = {"_id": drop.id, "attempt": drop.attempt, "status": drop.status}
        moved = is_held and self._move(query, values)
        if run_id:
            self.end_run(run_id, "released")
        return moved

    def mark_settled(self, drop: DropRecord) -> bool:
        """Record that the answer was delivered and the manifest object moved.

        False where the drop has another answer, or another manifest, by now.
        """
        query = {
            "_id": drop.id,
            "delivery.key": drop.delivery.key,
            "delivery.etag": drop.delivery.etag,
            "receipt.answered_at": (drop.receipt or {}).get("answered_at"),
        }
        return self._move(query, {"is_settled": True})

    @patient
    def answered_after(self, delivery: Delivery) -> DropRecord | None:
        """Return the answered drop of the last manifest that came under a name after this one."""
        query = {
            "delivery.key": delivery.key,
            "delivery.received_at": {"$gt": delivery.received_at},
            "receipt": {"$ne": None},
        }
        with translated("look for a later answer"):
            newest = [("delivery.received_at", DESCENDING)]
            return _record(self.database.manifests.find_one(query, sort=newest))

    def record_redelivery(self, drop_id: str, delivery: Delivery) -> None:
        """Record that an answered drop came again; the last `KEPT_REDELIVERIES` are kept.

        A document has its limits, and who drops a manifest every minute must get answers for ever.
        """
        newest = {"$each": [delivery.model_dump()], "$slice": -KEPT_REDELIVERIES}
        self._move({"_id": drop_id}, {}, push={"redeliveries": newest})

    def unsettled(self) -> list[DropRecord]:
        """Return the answered drops whose manifest object was not moved yet."""
        return self.find({"status": {"$in": list(FINAL_STATUSES)}, "is_settled": False})

    @patient
    def unfinished_runs(self) -> dict[str, str]:
        """Return run id -> drop id of the runs that have no recorded end."""
        with translated("list unfinished runs"):
            found = self.database.runs.find({"status": "running"}, {"drop_id": 1})
            return {document["_id"]: document["drop_id"] for document in found}

    @patient
    def end_run(self, run_id: str, status: str) -> None:
        """Record how a run ended, for those who look at runs; the first to say so is believed.

        It follows what the drop's document says, which alone counts.
        """
        with translated("record the end of a run"):
            self.database.runs.update_one(
                {"_id": run_id, "status": "running"},
                {"$set": {"status": status, "ended_at": now()}},
            )

    def _lease_end(self, lease_s: float) -> datetime:
        return self.server_time() + timedelta(seconds=lease_s)

    @patient
    def _move(
        self, query: Document, values: Document, *, push: dict[str, Any] | None = None
    ) -> bool:
        update: Document = {"$set": {**values, "updated_at": now()}}
        if push:
            update["$push"] = push
        with translated("move a drop to its next status"):
            return self.database.manifests.update_one(query, update).matched_count == 1

    def _move_or_raise(self, drop_id: str, attempt: int, values: Document) -> None:
        query = {"_id": drop_id, "attempt": attempt, "status": {"$in": list(WORKING)}}
        if not self._move(query, values):
            raise self._superseded(drop_id, attempt)

    def _superseded(self, drop_id: str, attempt: int) -> SupersededError:
        drop = self.get(drop_id)
        found = f"attempt {drop.attempt}, {drop.status}" if drop else "no such drop"
        return SupersededError(
            "attempt.superseded",
            f"expected drop {drop_id[:12]} to belong to attempt {attempt}, found {found}.",
            remedy="Nothing to do: the newer attempt or the given answer stands.",
        )


def _attempt_end(attempt: int, reason: Reason | None) -> Document:
    slot = f"attempts.{attempt - 1}"
    return {
        f"{slot}.ended_at": now(),
        f"{slot}.reason": reason.model_dump() if reason else None,
    }


def _record(document: Document | None) -> DropRecord | None:
    return DropRecord.model_validate(document) if document else None
