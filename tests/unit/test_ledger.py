"""The ledger: every move of a drop is one guarded update."""

from typing import Any

import pytest
from pymongo.errors import AutoReconnect, PyMongoError, ServerSelectionTimeoutError

from libs.ledger.connection import connect, translated
from libs.ledger.ledger import Ledger
from libs.ledger.records import Delivery, DropRecord
from libs.models.config import MongoSettings
from libs.models.errors import LedgerError, Reason, SupersededError
from libs.models.receipt import ACTIVE_STATUSES, FINAL_STATUSES, PhaseRecord
from tests.unit.examples import GONE, NOON, drop, receipt
from tests.unit.fakes import Clock

REASON = Reason(code="compute.lost", message="m", remedy="r")


@pytest.fixture
def queued(ledger: Ledger) -> DropRecord:
    """Return a drop whose first attempt is requested."""
    ledger.insert(drop())
    ledger.open_attempt(drop())
    return known(ledger)


@pytest.fixture
def running(ledger: Ledger, queued: DropRecord) -> DropRecord:
    """Return a drop whose first attempt runs as `run1`."""
    return ledger.begin_attempt(queued.id, 1, "run1", owner=GONE, lease_s=60)


def known(ledger: Ledger, drop_id: str = "d1") -> DropRecord:
    found = ledger.get(drop_id)
    assert found is not None
    return found


def in_status(ledger: Ledger, status: str) -> DropRecord:
    """Put the running drop into a status."""
    ledger.database.manifests.update_one({"_id": "d1"}, {"$set": {"status": status}})
    return known(ledger)


def test_the_driver_repeats_no_write() -> None:
    database = connect(MongoSettings(uri="mongodb://127.0.0.1:1/?retryWrites=true", database="d"))
    assert not database.client.options.retry_writes
    database.client.close()


def test_a_drop_is_inserted_once(ledger: Ledger) -> None:
    assert ledger.insert(drop(batch_id="first"))
    assert not ledger.insert(drop(batch_id="second"))
    assert known(ledger).batch_id == "first"


def test_a_drop_comes_back_as_it_was(ledger: Ledger) -> None:
    ledger.insert(drop())
    assert known(ledger) == drop()


def test_an_unknown_drop_is_none(ledger: Ledger) -> None:
    assert ledger.get("nobody") is None


def test_drops_come_in_order_of_arrival(ledger: Ledger, clock: Clock) -> None:
    for name in ("c", "a", "b"):
        ledger.insert(drop(name, received_at=clock()))
        clock.advance(1)
    assert [item.id for item in ledger.with_status("received")] == ["c", "a", "b"]
    assert [item.id for item in ledger.with_status("received", limit=2)] == ["c", "a"]
    assert [item.id for item in ledger.find(newest_first=True, limit=1)] == ["b"]
    assert ledger.with_status("queued") == []


@pytest.mark.parametrize("status", [*ACTIVE_STATUSES, *FINAL_STATUSES])
def test_a_manifest_is_claimed_until_it_was_answered_and_moved(ledger: Ledger, status: str) -> None:
    ledger.insert(drop(status=status, receipt={"answered_at": "now"}))
    is_claimed = status != "waiting"
    assert ledger.claimed_deliveries() == ({drop().delivery} if is_claimed else set())
    ledger.mark_settled(known(ledger))
    assert ledger.claimed_deliveries() == set()


def test_an_attempt_is_opened_by_one_of_two(ledger: Ledger) -> None:
    ledger.insert(drop())
    seen_by_both = known(ledger)
    assert ledger.open_attempt(seen_by_both) == 1
    assert ledger.open_attempt(seen_by_both) is None
    opened = known(ledger)
    assert (opened.status, opened.attempt, len(opened.attempts)) == ("queued", 1, 1)
    assert opened.current.number == 1


def test_an_attempt_is_opened_for_a_run_that_asks_twice(ledger: Ledger) -> None:
    """The ledger's first answer may be lost on its way."""
    ledger.insert(drop())
    seen = known(ledger)
    for _ in range(2):
        assert ledger.open_attempt(seen, run_id="run1") == 1
    assert ledger.open_attempt(seen, run_id="run2") is None
    assert len(known(ledger).attempts) == 1


def test_an_attempt_begins_once(ledger: Ledger, queued: DropRecord) -> None:
    begun = ledger.begin_attempt(queued.id, 1, "run1", owner=GONE, lease_s=60)
    assert (begun.status, begun.current.run_id) == ("running", "run1")
    assert begun.current.started_at is not None
    with pytest.raises(SupersededError, match="found attempt 1, running"):
        ledger.begin_attempt(queued.id, 1, "run2", owner=GONE, lease_s=60)
    assert known(ledger).current.run_id == "run1"


def test_an_attempt_begins_for_a_run_that_asks_twice(ledger: Ledger, running: DropRecord) -> None:
    """The ledger's first answer may be lost on its way."""
    begun = ledger.begin_attempt(running.id, 1, "run1", owner=GONE, lease_s=60)
    assert (begun.status, begun.current.run_id, len(begun.attempts)) == ("running", "run1", 1)


def test_a_run_is_recorded(ledger: Ledger, running: DropRecord, database: Any) -> None:
    assert ledger.answer(receipt(run_id="run1"), attempt=1)
    run = database.runs.find_one({"_id": "run1"})
    assert (run["drop_id"], run["attempt"], run["status"]) == ("d1", 1, "published")
    assert run["ended_at"] >= run["started_at"]


@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempt_may_not_begin(ledger: Ledger, queued: DropRecord, attempt: int) -> None:
    with pytest.raises(SupersededError, match=f"to belong to attempt {attempt}"):
        ledger.begin_attempt(queued.id, attempt, "run1", owner=GONE, lease_s=60)


@pytest.mark.parametrize("status", sorted({*ACTIVE_STATUSES, *FINAL_STATUSES} - {"queued"}))
def test_an_attempt_begins_from_the_queue_only(
    ledger: Ledger, queued: DropRecord, status: str
) -> None:
    in_status(ledger, status)
    with pytest.raises(SupersededError, match=f"found attempt 1, {status}"):
        ledger.begin_attempt(queued.id, 1, "run1", owner=GONE, lease_s=60)


def test_an_unknown_drop_may_not_begin(ledger: Ledger) -> None:
    with pytest.raises(SupersededError, match="no such drop"):
        ledger.begin_attempt("nobody", 1, "run1", owner=GONE, lease_s=60)


def test_phases_are_recorded_in_their_places(ledger: Ledger, running: DropRecord) -> None:
    intake = PhaseRecord(name="intake", started_at=NOON, seconds=0.1, facts={"files": 1})
    fetch = PhaseRecord(name="fetch", started_at=NOON)
    ledger.record_phases("d1", 1, {0: intake, 1: fetch})
    done = fetch.model_copy(update={"seconds": 2.5, "facts": {"size_bytes": 10}})
    ledger.record_phases("d1", 1, {1: done})
    assert known(ledger).current.phases == (intake, done)


@pytest.mark.parametrize(
    ("attempt", "status"),
    [(2, "running"), (0, "running"), (1, "queued"), (1, "received"), (1, "published")],
)
def test_a_superseded_attempt_records_and_publishes_nothing(
    ledger: Ledger, running: DropRecord, attempt: int, status: str
) -> None:
    before = in_status(ledger, status)
    with pytest.raises(SupersededError):
        ledger.record_phases("d1", attempt, {0: PhaseRecord(name="intake", started_at=NOON)})
    with pytest.raises(SupersededError):
        ledger.begin_publishing("d1", attempt)
    assert known(ledger) == before


def test_the_fence_may_be_passed_twice(ledger: Ledger, running: DropRecord) -> None:
    ledger.begin_publishing("d1", 1)
    ledger.begin_publishing("d1", 1)
    assert known(ledger).status == "publishing"


def test_a_drop_is_answered_once(ledger: Ledger, running: DropRecord) -> None:
    assert ledger.answer(receipt(status="published", version=4), attempt=1)
    assert not ledger.answer(receipt(status="failed", reason=REASON), attempt=1)
    assert ledger.answer(receipt(status="published", version=4), attempt=1), "an answer repeated"
    answered = known(ledger)
    assert (answered.status, answered.version, answered.reason) == ("published", 4, None)
    assert answered.receipt["status"] == "published"
    assert not answered.is_active
    assert not answered.is_settled


def test_a_reason_is_kept_with_drop_and_attempt(ledger: Ledger, running: DropRecord) -> None:
    ledger.answer(receipt(status="rejected", reason=REASON), attempt=1)
    assert known(ledger).reason == REASON
    assert known(ledger).current.reason == REASON
    assert known(ledger).current.ended_at is not None


def test_another_attempt_does_not_answer(ledger: Ledger, running: DropRecord) -> None:
    assert not ledger.answer(receipt(), attempt=2)
    assert known(ledger) == running


def test_a_drop_without_an_attempt_is_answered(ledger: Ledger) -> None:
    ledger.insert(drop(status="waiting"))
    assert ledger.answer(receipt(status="canceled"), attempt=None)
    assert (known(ledger).status, known(ledger).attempts) == ("canceled", ())


@pytest.mark.parametrize("status", ["queued", "running", "publishing"])
def test_a_released_drop_waits_for_its_next_attempt(
    ledger: Ledger, running: DropRecord, status: str
) -> None:
    assert ledger.release(in_status(ledger, status), REASON, run_id="run1")
    released = known(ledger)
    assert (released.status, released.current.reason) == ("received", REASON)
    assert ledger.open_attempt(released) == 2
    assert [item.number for item in known(ledger).attempts] == [1, 2]


def test_a_drop_that_moved_on_since_it_was_seen_is_not_moved(
    ledger: Ledger, running: DropRecord
) -> None:
    ledger.begin_publishing(running.id, 1)
    assert not ledger.release(running, REASON)
    assert not ledger.answer(receipt(status="failed"), attempt=1, status=running.status)
    assert known(ledger).status == "publishing"


@pytest.mark.parametrize("status", ["received", "published", "failed"])
def test_what_no_attempt_works_on_is_not_released(
    ledger: Ledger, running: DropRecord, status: str
) -> None:
    assert not ledger.release(in_status(ledger, status), REASON)
    assert known(ledger).status == status


def test_a_superseded_attempt_does_not_release(ledger: Ledger, running: DropRecord) -> None:
    ledger.release(running, REASON)
    ledger.open_attempt(known(ledger))
    assert not ledger.release(running, REASON)
    assert known(ledger).status == "queued"


AGAIN = Delivery(key="manifests/again.json", etag="m1", received_at=NOON)


def test_an_answered_drop_is_reopened_by_one_of_two(ledger: Ledger, running: DropRecord) -> None:
    ledger.answer(receipt(status="failed", reason=REASON), attempt=1)
    seen_by_both = known(ledger)
    assert ledger.reopen(seen_by_both, AGAIN, more_attempts=3, recipe="1")
    assert not ledger.reopen(seen_by_both, AGAIN, more_attempts=3, recipe="1")
    reopened = known(ledger)
    assert (reopened.status, reopened.attempt, reopened.attempt_limit) == ("received", 1, 4)
    assert (reopened.delivery, reopened.reason, reopened.receipt) == (AGAIN, None, None)
    assert ledger.open_attempt(reopened) == 2


def test_only_waiting_drops_of_that_manifest_are_forgotten(ledger: Ledger) -> None:
    mine = Delivery(key="manifests/a.json", etag="m1", received_at=NOON)
    other = mine.model_copy(update={"etag": "m2"})
    for name, status, delivery in (
        ("old", "waiting", mine), ("new", "waiting", mine), ("runs", "running", mine),
        ("other", "waiting", other),
    ):  # fmt: skip
        ledger.insert(drop(name, status=status, delivery=delivery))
    ledger.forget_waiting(mine, except_id="new")
    assert {item.id for item in ledger.find()} == {"new", "runs", "other"}
    ledger.forget_waiting(mine)
    assert {item.id for item in ledger.find()} == {"runs", "other"}


def test_a_redelivery_is_recorded_beside_the_answer(
    ledger: Ledger, running: DropRecord, database: Any
) -> None:
    ledger.answer(receipt(), attempt=1)
    ledger.record_redelivery("d1", AGAIN)
    ledger.record_redelivery("d1", AGAIN)
    kept = database.manifests.find_one({"_id": "d1"})
    assert [item["key"] for item in kept["redeliveries"]] == ["manifests/again.json"] * 2
    assert kept["status"] == "published"


def test_an_answer_is_unsettled_until_its_own_manifest_was_moved(
    ledger: Ledger, running: DropRecord
) -> None:
    assert ledger.unsettled() == []
    ledger.answer(receipt(), attempt=1)
    (answered,) = ledger.unsettled()
    for changes in ({"delivery": AGAIN}, {"receipt": {"answered_at": "at another time"}}):
        assert not ledger.mark_settled(answered.model_copy(update=changes))
        assert ledger.unsettled() == [answered]
    assert ledger.mark_settled(answered)
    assert ledger.unsettled() == []


@pytest.mark.parametrize("error", [AutoReconnect, ServerSelectionTimeoutError, PyMongoError])
def test_a_server_that_does_not_answer_is_a_transient_error(error: type[PyMongoError]) -> None:
    with (
        pytest.raises(LedgerError, match="expected the ledger to look") as caught,
        translated("look"),
    ):
        raise error("mongodb://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
