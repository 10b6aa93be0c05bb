"""Reception: attempts at a drop, their ends, and drops that come again."""

import json

import pytest

from libs.models.errors import (
    CrsError,
    FidelityError,
    LedgerError,
    SpatialEtlError,
    StorageError,
)
from libs.models.receipt import Receipt
from libs.pipeline import reception as reception_module
from libs.storage.landing import LandingZone
from tests.unit.conftest import Reception
from tests.unit.examples import BUCKET, GONE, ROADS, document

OTHER = f"s3://{BUCKET}/uploads/other.gpkg"
CRS_MISSING = CrsError("crs.missing", "expected a CRS, found none.", remedy="Declare it.")
LOST = LedgerError("ledger.unavailable", "expected an answer, found none.", remedy="Wait.")


def test_a_run_that_ends_without_an_answer_is_tried_again_and_then_failed(
    dropped: Reception,
) -> None:
    for number in (1, 2, 3):
        order = next(iter(dropped.look() or dropped.look()))
        assert order.run_key == f"{order.drop_id}:{number}"
        dropped.start(order)
        dropped.runs[order.run_key] = "ended"
    assert dropped.look() == []
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.attempt) == ("failed", 3)
    assert receipt.reason.code == "attempt.lost"
    assert dropped.names("rejected/") == ["roads.json"]
    assert dropped.look() == []


def test_attempts_are_farther_and_farther_apart(dropped: Reception) -> None:
    dropped.set(retry_backoff_s=10)
    for number, pause_s in ((1, 10), (2, 20)):
        order = dropped.order()
        assert order.attempt == number
        dropped.start(order)
        dropped.runs[order.run_key] = "ended"
        assert dropped.look() == []
        dropped.clock.advance(pause_s - 3)
        assert dropped.look() == []
        dropped.clock.advance(3)
    assert dropped.order().attempt == 3


def test_runs_that_never_begin_cost_no_attempt_but_not_for_ever(dropped: Reception) -> None:
    for number in range(1, 15):
        order = next(iter(dropped.look() or dropped.look()))
        assert order.attempt == number
        if number == 4:
            dropped.start(order)
        dropped.runs[order.run_key] = "ended"
    (drop,) = dropped.clients.ledger.find()
    assert (drop.attempt, drop.attempt_limit, drop.unstarted) == (14, 15, 9)
    assert dropped.look() == []
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.reason.code) == ("failed", "attempt.never_began")
    assert "as 9 in a row before it" in receipt.reason.message
    dropped.drop("roads.json", document())
    assert dropped.order().attempt == 15
    (drop,) = dropped.clients.ledger.find()
    assert (drop.attempt_limit, drop.unstarted) == (17, 0)


def test_runs_that_never_begin_are_farther_and_farther_apart(dropped: Reception) -> None:
    dropped.set(retry_backoff_s=100)
    for pause_s in (100, 200, 400, 600, 600):
        dropped.runs[dropped.order().run_key] = "ended"
        assert dropped.look() == []
        dropped.clock.advance(pause_s - 3)
        assert dropped.look() == []
        dropped.clock.advance(3)


def test_a_clock_that_is_set_back_keeps_no_drop_waiting(dropped: Reception) -> None:
    dropped.set(retry_backoff_s=10)
    dropped.fail(dropped.order(), LOST)
    assert dropped.look() == []
    dropped.clock.advance(-3600)
    assert dropped.order().attempt == 2


def test_a_running_drop_whose_run_nobody_knows_is_lost(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order)
    del dropped.runs[order.run_key]
    assert [item.attempt for item in dropped.look() or dropped.look()] == [2]


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_canceled_run_cancels_its_drop(dropped: Reception, has_begun: bool) -> None:
    order = dropped.order()
    if has_begun:
        dropped.start(order)
    dropped.runs[order.run_key] = "canceled"
    assert dropped.look() == []
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.reason.code) == ("canceled", "attempt.canceled")
    assert dropped.names("rejected/") == ["roads.json"]


@pytest.mark.parametrize("state", ["ended", "canceled"])
def test_a_drop_that_was_published_but_not_answered_is_answered_published(
    dropped: Reception, state: str
) -> None:
    order = dropped.order()
    dropped.commit(order)
    dropped.runs[order.run_key] = state
    assert dropped.look() == []
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.version) == ("published", 1)
    assert dropped.names("archive/") == ["roads.json"]


@pytest.mark.parametrize("step", ["put_receipt", "settle"])
@pytest.mark.parametrize("status", ["published", "rejected"])
def test_an_answer_interrupted_before_it_was_delivered_is_delivered_by_the_next_look(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch, step: str, status: str
) -> None:
    if status == "rejected":
        dropped.drop("roads.json", b"{")
    order = dropped.order() if status == "published" else None

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LandingZone, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            dropped.publish(order) if order else dropped.look()
    assert dropped.statuses() == [status]
    assert dropped.waiting_manifests() == ["roads.json"]
    assert dropped.look() == []
    assert dropped.receipt("roads.json").status == status
    assert dropped.waiting_manifests() == []
    assert dropped.clients.ledger.unsettled() == []


def test_a_manifest_replaced_while_its_drop_runs_is_neither_lost_nor_archived_unread(
    dropped: Reception,
) -> None:
    first = dropped.order()
    dropped.start(first)
    replacement = document(batch_id="second")
    dropped.drop("roads.json", replacement)
    second = dropped.order()
    assert second.drop_id != first.drop_id
    dropped.runs[second.run_key] = "active"
    dropped.clients.ledger.begin_attempt(second.drop_id, 1, "run-second", owner=GONE, lease_s=60)
    dropped.fail_running(first, CRS_MISSING)
    assert dropped.waiting_manifests() == ["roads.json"]
    assert dropped.names("rejected/") == []
    dropped.fail_running(second, CRS_MISSING)
    assert dropped.waiting_manifests() == []
    (kept,) = dropped.names("rejected/")
    assert json.loads(dropped.minio.content(BUCKET, f"rejected/{kept}")) == replacement


def test_the_same_manifest_dropped_again_over_a_changed_file_runs_beside_the_first(
    dropped: Reception,
) -> None:
    first = dropped.order()
    dropped.start(first)
    dropped.clock.advance(5)
    dropped.upload(ROADS, content=b"newer data")
    dropped.drop("roads.json", document())
    second = dropped.order()
    assert second.drop_id != first.drop_id
    dropped.fail_running(first, CRS_MISSING)
    assert dropped.waiting_manifests() == ["roads.json"]
    dropped.publish(second)
    assert dropped.waiting_manifests() == []
    assert dropped.receipt("roads.json").drop_id == second.drop_id


def test_the_same_manifest_dropped_again_while_it_runs_is_answered_once_more(
    dropped: Reception,
) -> None:
    order = dropped.order()
    dropped.runs[order.run_key] = "active"
    dropped.clock.advance(5)
    dropped.drop("roads.json", document())
    assert dropped.look() == []
    dropped.publish(order)
    assert dropped.waiting_manifests() == ["roads.json"]
    assert dropped.look() == []
    assert dropped.waiting_manifests() == []
    assert dropped.receipt("roads.json").version == 1
    assert dropped.look() == []


def test_of_two_manifests_under_one_name_the_receipt_is_the_last_ones(dropped: Reception) -> None:
    first = dropped.order()
    dropped.start(first)
    dropped.drop("roads.json", document(batch_id="second"))
    second = dropped.order()
    dropped.fail(second, CRS_MISSING)
    dropped.fail_running(first, CRS_MISSING)
    assert dropped.receipt("roads.json").batch_id == "second"


def test_whoever_delivers_an_answer_too_late_delivers_the_last_one_after_it(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dropped.order()
    put = LandingZone.put_receipt

    def stopped_meanwhile(landing: LandingZone, receipt: Receipt) -> str:
        monkeypatch.setattr(LandingZone, "put_receipt", put)
        dropped.look()
        assert dropped.receipt("roads.json").status == "failed"
        dropped.drop("roads.json", document())
        dropped.publish(dropped.order())
        return put(landing, receipt)

    monkeypatch.setattr(LandingZone, "put_receipt", stopped_meanwhile)
    dropped.fail(first, FidelityError("fidelity.x", "m", remedy="r"))

    assert dropped.receipt("roads.json").status == "published"
    assert dropped.names("archive/") == ["roads.json"]
    assert dropped.names("rejected/") == dropped.waiting_manifests() == []
    assert dropped.clients.ledger.unsettled() == []


def test_a_copy_whose_answer_was_interrupted_after_it_moved_keeps_its_answer(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.publish(dropped.order())
    dropped.minio.remove_object(BUCKET, "uploads/roads.gpkg")
    dropped.drop("again.json", document())
    dropped.look()
    assert "waiting" in dropped.statuses()
    dropped.upload(ROADS)
    settle = LandingZone.settle

    def interrupted(*args: object, **named: object) -> None:
        settle(*args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LandingZone, "settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dropped.look()
    assert dropped.look() == []
    assert dropped.receipt("again.json").status == "unchanged"
    assert dropped.statuses() == ["published"]


def test_a_receipt_that_cannot_be_written_holds_up_no_other_drop(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = dropped.order()
    dropped.runs[lost.run_key] = "canceled"
    dropped.drop("second.json", document(batch_id="second"))
    full = StorageError("storage.full", "expected room, found none.", remedy="Make room.")

    def refused(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(LandingZone, "put_receipt", refused)
        assert [order.batch_id for order in dropped.look()] == ["second"]
    dropped.look()
    assert dropped.receipt("roads.json").status == "canceled"


def test_a_thousand_drops_are_started_in_order_of_arrival_and_never_too_many(
    reception: Reception,
) -> None:
    reception.set(max_queued=25, shared_drop_bytes=0)
    reception.upload(ROADS)
    names = [f"{number * 7919 % 1000:03}" for number in range(1000)]
    for name in names:
        reception.drop(f"{name}.json", document(batch_id=name))
        reception.clock.advance(1)
    started: list[str] = []
    for _ in range(4):
        orders = reception.look()
        assert len(orders) == 25
        assert len(reception.clients.ledger.with_status("queued")) == 25
        for order in orders:
            reception.start(order)
            started.append(order.batch_id)
    assert started == names[:100]
    # The rest is claimed look by look: runs do not wait for it.
    assert len(reception.clients.ledger.with_status("received")) == 300


def test_a_full_queue_starts_nothing(dropped: Reception) -> None:
    dropped.set(max_queued=1)
    order = dropped.order()
    dropped.runs[order.run_key] = "active"
    dropped.drop("second.json", document(batch_id="second"))
    assert dropped.look() == []
    dropped.start(order)
    assert dropped.order().batch_id == "second"


@pytest.mark.parametrize(
    ("error", "status", "folder"),
    [
        (CRS_MISSING, "rejected", "rejected/"),
        (FidelityError("fidelity.x", "m", remedy="r"), "failed", "rejected/"),
    ],
)
def test_an_attempt_that_fails_for_good_answers(
    dropped: Reception, error: SpatialEtlError, status: str, folder: str
) -> None:
    assert dropped.fail(dropped.order(), error) == status
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.reason) == (status, error.reason)
    assert dropped.names(folder) == ["roads.json"]


def test_a_transient_error_is_tried_again_up_to_the_limit(dropped: Reception) -> None:
    attempts = []
    for expected in ("received", "received", "failed"):
        order = dropped.order()
        attempts.append(order.attempt)
        assert dropped.fail(order, LOST) == expected
    assert attempts == [1, 2, 3]
    assert dropped.receipt("roads.json").reason == LOST.reason
    assert dropped.look() == []


def test_an_error_after_the_commit_does_not_undo_it(dropped: Reception) -> None:
    order = dropped.order()
    dropped.commit(order)
    assert dropped.fail_running(order, LOST) == "published"
    assert dropped.receipt("roads.json").status == "published"


def test_a_failed_drop_dropped_again_runs_again_with_a_higher_attempt(dropped: Reception) -> None:
    order = dropped.order()
    dropped.fail(order, FidelityError("fidelity.x", "m", remedy="r"))
    dropped.drop("again.json", document())
    again = dropped.order()
    assert again.run_key == f"{order.drop_id}:2"
    assert dropped.clients.ledger.get(order.drop_id).attempt_limit == 4
    dropped.publish(again)
    assert dropped.receipt("again.json").status == "published"
    assert dropped.names("archive/") == ["again.json"]


def test_a_canceled_drop_dropped_again_runs_again(dropped: Reception) -> None:
    order = dropped.order()
    dropped.runs[order.run_key] = "canceled"
    dropped.look()
    dropped.drop("roads.json", document())
    assert dropped.order().attempt == 2


def test_a_rejected_drop_dropped_again_is_answered_again_without_a_run(dropped: Reception) -> None:
    dropped.fail(dropped.order(), CRS_MISSING)
    dropped.drop("again.json", document())
    assert dropped.look() == []
    receipt = dropped.receipt("again.json")
    assert (receipt.status, receipt.reason) == ("rejected", CRS_MISSING.reason)
    assert "Change batch_id to run it again" in receipt.note
    assert dropped.names("rejected/") == ["again.json", "roads.json"]


def test_an_unreadable_manifest_dropped_again_is_answered_again(reception: Reception) -> None:
    for name in ("a.json", "b.json", "a.json"):
        reception.drop(name, b"{")
        assert reception.look() == []
        assert reception.receipt(name).manifest == f"manifests/{name}"
        assert reception.waiting_manifests() == []
    assert reception.statuses() == ["rejected"]
    assert reception.clients.ledger.unsettled() == []


def test_a_drop_rejected_by_an_older_recipe_runs_again_once(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.fail(dropped.order(), CRS_MISSING)
    monkeypatch.setattr(reception_module, "RECIPE_VERSION", "newer")
    dropped.drop("again.json", document())
    dropped.fail(dropped.order(), CRS_MISSING)
    dropped.drop("third.json", document())
    assert dropped.look() == []
    assert dropped.receipt("third.json").status == "rejected"


def test_nothing_there_is_nothing_to_do(reception: Reception) -> None:
    assert reception.look() == []
    assert reception.minio.keys(BUCKET) == []
