"""Leases: who holds a drop, who is noticed to be gone, who is stopped when he wakes."""

import os
import subprocess
import threading
from dataclasses import replace
from typing import Any

import pytest

from libs.ledger.ledger import Ledger
from libs.models.errors import LedgerError, Reason, SupersededError
from libs.models.owner import Owner
from libs.pipeline.answer import answer_error
from libs.pipeline.attempts import take_again
from libs.pipeline.intake import intake
from libs.pipeline.lease import hold
from libs.pipeline.reaping import reap
from libs.pipeline.workbench import Workbench
from tests.unit.conftest import Reception
from tests.unit.examples import ELSEWHERE, GONE, HERE, document, version


class NoSchemas:
    """A compute database without a run's schema."""

    def ephemeral_schemas(self) -> dict[str, str]:
        return {}


LOST = LedgerError("ledger.unavailable", "expected an answer, found none.", remedy="Wait.")
REASON = Reason(code="x.y", message="m", remedy="r")


def test_this_process_is_alive_and_a_killed_one_is_gone() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        owner = HERE.model_copy(update={"pid": child.pid})
        assert HERE.standing() == "alive"
        assert owner.standing() == "gone", "another process has that id"
        child.kill()
    assert Owner.model_validate(HERE.model_dump()) == HERE
    assert (GONE.standing(), ELSEWHERE.standing()) == ("gone", "elsewhere")


def test_a_killed_process_is_gone_before_its_parent_noticed() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert HERE.model_copy(update={"pid": child}).standing() == "gone"
    os.waitpid(child, 0)


@pytest.mark.parametrize("owner", [HERE, ELSEWHERE, GONE], ids=["here", "elsewhere", "gone"])
def test_an_attempt_is_given_up_when_its_lease_runs_out(dropped: Reception, owner: Owner) -> None:
    order = dropped.order()
    dropped.start(order, owner)
    dropped.clock.advance(58)
    assert dropped.look() == []
    dropped.clock.advance(2)
    assert [item.attempt for item in dropped.look() or dropped.look()] == [2]


def test_a_lease_that_is_renewed_holds_the_drop(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order)
    for _ in range(5):
        dropped.clock.advance(50)
        dropped.clients.ledger.renew_lease(order.drop_id, 1, 60)
        assert dropped.look() == []


@pytest.mark.parametrize("state", ["ended", None])
@pytest.mark.parametrize("owner", [HERE, ELSEWHERE], ids=["here", "elsewhere"])
def test_a_run_that_outlives_its_code_server_may_finish(
    dropped: Reception, owner: Owner, state: Any
) -> None:
    order = dropped.order()
    dropped.start(order, owner)
    dropped.runs[order.run_key] = state
    assert dropped.look() == []
    dropped.clients.ledger.begin_publishing(order.drop_id, 1)


def test_a_canceled_run_is_answered_though_its_process_lives(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order, HERE)
    dropped.runs[order.run_key] = "canceled"
    dropped.look()
    assert dropped.receipt("roads.json").status == "canceled"
    with pytest.raises(SupersededError):
        dropped.clients.ledger.renew_lease(order.drop_id, 1, 60)


def test_a_superseded_attempt_renews_nothing_and_is_told(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order)
    told = threading.Event()
    ledger = dropped.clients.ledger
    with hold(ledger, order.drop_id, 1, lease_s=0.04, on_lost=told.set) as lease:
        assert not told.wait(0.1)
        known = ledger.get(order.drop_id)
        assert known is not None
        ledger.release(known, REASON)
        assert told.wait(10)
    assert isinstance(lease.lost, SupersededError)


def test_a_ledger_that_does_not_answer_is_asked_again(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = dropped.order()
    dropped.start(order)
    asked: list[int] = []
    told = threading.Event()

    def unavailable(*_: Any) -> None:
        asked.append(1)
        if len(asked) > 2:
            told.set()
        raise LOST

    monkeypatch.setattr(Ledger, "renew_lease", unavailable)
    with hold(dropped.clients.ledger, order.drop_id, 1, lease_s=0.04, on_lost=told.set) as lease:
        assert told.wait(10)
    assert lease.lost is None


def test_a_lease_given_back_is_not_lost(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order)
    told = threading.Event()
    ledger = dropped.clients.ledger
    with hold(ledger, order.drop_id, 1, lease_s=0.04, on_lost=told.set) as lease:
        lease.give_back()
        dropped.fail_running(order, SupersededError("a.b", "m", remedy="r"))
        known = ledger.get(order.drop_id)
        assert known is not None
        ledger.release(known, REASON)
        assert not told.wait(0.1)


def test_a_later_attempt_finds_what_an_earlier_one_published(
    dropped: Reception, bench: Workbench
) -> None:
    order = dropped.order()
    dropped.commit(order)
    known = dropped.clients.ledger.get(order.drop_id)
    dropped.clients.ledger.release(known, REASON)
    second = dropped.order()
    made = dropped.clients.catalog.version_of_drop(order.drop_id)
    assert intake(bench, second.drop_id, second.attempt).published == made


@pytest.mark.parametrize("given_up_as", ["received", "failed", "canceled"])
def test_an_attempt_given_up_between_fence_and_commit_publishes_nothing(
    dropped: Reception, given_up_as: str
) -> None:
    dropped.set(max_attempts=3 if given_up_as == "received" else 1)
    order = dropped.order()
    zombie = dropped.start(order, HERE)
    clients = replace(dropped.clients, postgis=NoSchemas())
    clients.ledger.begin_publishing(order.drop_id, 1)
    if given_up_as == "canceled":
        dropped.runs[order.run_key] = "canceled"
    dropped.clock.advance(60)
    again = dropped.look() or dropped.look()

    made = version(1, manifest_id=order.drop_id, dataset_id=order.dataset_id, run_id=zombie)
    with pytest.raises(SupersededError) as caught:
        clients.catalog.publish(made)
    answer_error(clients, order.drop_id, 1, caught.value, run_id=zombie)

    assert clients.catalog.version_of_drop(order.drop_id) is None
    assert [item.is_over for item in reap(clients) if item.kind == "seal"] == [False]
    if given_up_as == "received":
        dropped.publish(again[0])
        assert dropped.receipt("roads.json").status == "published"
        assert clients.catalog.seals() == []
        assert clients.catalog.publish(made).attempt == 2
    else:
        assert dropped.receipt("roads.json").status == given_up_as


def test_a_version_that_comes_after_its_runs_error_is_refused(dropped: Reception) -> None:
    """An insert may lie at a ledger's door while the run that sent it has given up waiting."""
    order = dropped.order()
    run_id = dropped.start(order)
    clients = replace(dropped.clients, postgis=NoSchemas())
    clients.ledger.begin_publishing(order.drop_id, 1)
    assert dropped.fail_running(order, LOST) == "received"
    made = version(1, manifest_id=order.drop_id, dataset_id=order.dataset_id, run_id=run_id)
    with pytest.raises(SupersededError):
        clients.catalog.publish(made)
    assert [item.is_over for item in reap(clients) if item.kind == "seal"] == [True]


def test_a_run_that_passes_the_fence_while_it_is_given_up_keeps_its_drop(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = dropped.order()
    dropped.start(order, HERE)
    ledger = dropped.clients.ledger
    release = Ledger.release

    def passes_meanwhile(*args: Any, **named: Any) -> bool:
        ledger.begin_publishing(order.drop_id, 1)
        return release(*args, **named)

    dropped.clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "release", passes_meanwhile)
        assert dropped.look() == []
    assert dropped.statuses() == ["publishing"]


def test_a_second_run_of_an_attempt_leaves_the_record_of_the_first(
    dropped: Reception, database: Any
) -> None:
    order = dropped.order()
    run_id = dropped.start(order)
    ledger = dropped.clients.ledger
    with pytest.raises(SupersededError) as caught:
        ledger.begin_attempt(order.drop_id, 1, "second", owner=HERE, lease_s=60)
    assert answer_error(dropped.clients, order.drop_id, 1, caught.value) == "running"
    for error in (LOST, caught.value):
        told = answer_error(dropped.clients, order.drop_id, 1, error, run_id="second")
        assert told == "running", "the run that works on the attempt has the say"
    assert database.runs.find_one({"_id": run_id})["status"] == "running"


def test_a_version_whose_run_died_before_its_answer_is_answered_with_lineage(
    dropped: Reception, database: Any
) -> None:
    order = dropped.order()
    dropped.commit(order)
    dropped.runs[order.run_key] = "ended"

    (published,) = dropped.reconcile().published

    assert published.manifest_id == order.drop_id
    assert database.lineage.count_documents({}) == len(published.inputs) > 0
    assert dropped.receipt("roads.json").status == "published"


def test_a_waiting_drop_that_went_on_is_forgotten_not_answered(reception: Reception) -> None:
    reception.drop("roads.json", document())
    reception.look()
    (waiting,) = reception.clients.ledger.with_status("waiting")
    reception.upload("uploads/roads.gpkg")
    order = reception.order()
    # Whoever claimed it died before forgetting the waiting drop.
    reception.clients.ledger.insert(waiting)
    reception.publish(order)
    reception.look()
    assert reception.receipt("roads.json").status == "published"
    assert reception.statuses() == ["published"]


@pytest.mark.parametrize("status", ["failed", "canceled", "rejected"])
def test_a_run_made_again_from_an_answered_one_is_a_new_attempt(
    dropped: Reception, status: str
) -> None:
    order = dropped.order()
    dropped.start(order)
    set_status(dropped, order.drop_id, status)

    assert take_again(dropped.clients, order.drop_id, 1, "run-again") == 2

    again = dropped.clients.ledger.get(order.drop_id)
    assert again is not None
    assert (again.status, again.attempt) == ("queued", 2)
    assert again.current is not None
    assert again.current.run_id == "run-again"


@pytest.mark.parametrize("status", ["published", "unchanged"])
def test_a_run_made_again_from_a_published_one_has_nothing_to_do(
    dropped: Reception, status: str
) -> None:
    order = dropped.order()
    dropped.start(order)
    set_status(dropped, order.drop_id, status)
    before = dropped.clients.ledger.get(order.drop_id)
    assert take_again(dropped.clients, order.drop_id, 1, "run-again") is None
    assert dropped.clients.ledger.get(order.drop_id) == before


@pytest.mark.parametrize("status", ["running", "publishing"])
def test_a_run_made_again_while_another_works_is_superseded(
    dropped: Reception, status: str
) -> None:
    order = dropped.order()
    dropped.start(order)
    set_status(dropped, order.drop_id, status)
    with pytest.raises(SupersededError, match=f"attempt 1, {status}"):
        take_again(dropped.clients, order.drop_id, 1, "run-again")


def test_a_run_made_again_that_dies_before_it_begins_is_noticed(dropped: Reception) -> None:
    order = dropped.order()
    dropped.start(order)
    set_status(dropped, order.drop_id, "failed")
    take_again(dropped.clients, order.drop_id, 1, "run-again")
    assert [item.attempt for item in dropped.look() or dropped.look()] == [3]


def set_status(reception: Reception, drop_id: str, status: str) -> None:
    """Put a drop into a status."""
    reception.clients.ledger.database.manifests.update_one(
        {"_id": drop_id}, {"$set": {"status": status, "is_settled": True}}
    )
