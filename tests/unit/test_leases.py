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


def test_a_later_attempt_finds_what_the_zombie_published(
    dropped: Reception, bench: Workbench
) -> None:
    order = dropped.order()
    zombie = dropped.start(order)
    dropped.clients.ledger.begin_publishing(order.drop_id, 1)
    dropped.clock.advance(60)
    (second,) = dropped.look() or dropped.look()
    made = version(1, manifest_id=order.drop_id, dataset_id=order.dataset_id, run_id=zombie)
    dropped.clients.catalog.publish(made)

    assert intake(bench, second.drop_id, second.attempt).published == made


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("given_up_as", ["failed", "canceled"])
def test_a_drop_given_up_between_fence_and_commit_is_published_all_the_same(
    dropped: Reception, given_up_as: str, dies: bool
) -> None:
    dropped.set(max_attempts=1)
    order = dropped.order()
    zombie = dropped.start(order, HERE)
    clients = dropped.clients
    clients.ledger.begin_publishing(order.drop_id, 1)
    if given_up_as == "canceled":
        dropped.runs[order.run_key] = "canceled"
    dropped.clock.advance(60)
    dropped.look()
    assert dropped.receipt("roads.json").status == given_up_as
    made = version(1, manifest_id=order.drop_id, dataset_id=order.dataset_id, run_id=zombie)
    clients.catalog.publish(made)

    if dies:
        clients = replace(clients, postgis=NoSchemas())
        assert [item.kind for item in reap(clients, dry_run=True)] == ["answer"]
        assert dropped.receipt("roads.json").status == given_up_as
        reap(clients)
        assert reap(clients) == []
    else:
        superseded = SupersededError("a.b", "m", remedy="r")
        assert answer_error(clients, order.drop_id, 1, superseded) == "published"

    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.version, receipt.run_id) == ("published", 1, zombie)
    assert dropped.statuses() == ["published"]
    assert dropped.names("archive/") == ["roads.json"]
    assert dropped.names("rejected/") == dropped.waiting_manifests() == []
    assert dropped.look() == []


def test_a_second_run_of_an_attempt_leaves_the_record_of_the_first(
    dropped: Reception, database: Any
) -> None:
    order = dropped.order()
    run_id = dropped.start(order)
    ledger = dropped.clients.ledger
    with pytest.raises(SupersededError) as caught:
        ledger.begin_attempt(order.drop_id, 1, "second", owner=HERE, lease_s=60)
    assert answer_error(dropped.clients, order.drop_id, 1, caught.value) == "running"
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
