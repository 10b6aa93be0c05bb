"""A phase as a step: recorded, measured, and its errors answered to the user."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import Failure

from etl_pipelines.jobs.phases import run_phase
from libs.ledger.records import DropRecord
from libs.models.errors import CrsError, LedgerError, SupersededError
from libs.models.receipt import PhaseRecord
from libs.pipeline.workbench import Workbench
from tests.unit.conftest import Reception
from tests.unit.examples import GONE, NOON, ROADS, document

CRS_MISSING = CrsError("crs.missing", "expected a CRS, found none.", remedy="Declare it.", file="f")
LOST = LedgerError("ledger.unavailable", "expected an answer, found none.", remedy="Wait.")


@dataclass
class Context:
    """What a step sees of Dagster."""

    bench: Workbench
    name: str
    metadata: dict[str, Any] = field(default_factory=dict)
    run_id: str = "run1"

    @property
    def op(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.name)

    @property
    def resources(self) -> SimpleNamespace:
        return SimpleNamespace(workbench=self)

    lost: SupersededError | None = None

    def give_lease_back(self) -> None:
        """Let go of the drop: nothing holds it here."""

    def run_id_of(self, dagster_run_id: str) -> str:
        return dagster_run_id

    def get_workbench(self, run_id: str, drop_id: str, attempt: int) -> Workbench:
        assert run_id == self.run_id
        return self.bench

    def get_clients(self) -> Any:
        return self.bench.clients

    def add_output_metadata(self, metadata: dict[str, Any]) -> None:
        self.metadata |= metadata


@pytest.fixture
def drop_id(reception: Reception) -> str:
    """Return the id of a drop whose first attempt runs."""
    reception.upload(ROADS)
    reception.drop("roads.json", document())
    order = reception.order()
    ledger = reception.clients.ledger
    ledger.begin_attempt(order.drop_id, 1, Context.run_id, owner=GONE, lease_s=60)
    reception.runs[order.run_key] = "active"
    return order.drop_id


def known(reception: Reception, drop_id: str) -> DropRecord:
    drop = reception.clients.ledger.get(drop_id)
    assert drop is not None
    return drop


@pytest.mark.parametrize("is_last", [True, False])
def test_a_phase_is_recorded_when_it_starts_and_when_it_has_ended(
    bench: Workbench, reception: Reception, drop_id: str, is_last: bool
) -> None:
    intake = PhaseRecord(name="intake", started_at=NOON, seconds=1.0)
    bench.ended.append(intake)
    seen: list[Any] = []

    def phase(_: Workbench) -> SimpleNamespace:
        seen.extend(known(reception, drop_id).current.phases)
        return SimpleNamespace(facts={"files": 2})

    context = Context(bench, "fetch")
    run_phase(context, "fetch", drop_id, 1, phase, is_last=lambda _: is_last)
    assert [(item.name, item.seconds) for item in seen] == [("intake", 1.0), ("fetch", None)]
    if not is_last:
        assert known(reception, drop_id).current.phases[1].seconds is None
        run_phase(context, "load", drop_id, 1, phase)
    done = known(reception, drop_id).current.phases[1]
    assert (done.name, done.facts["files"]) == ("fetch", 2)
    assert done.seconds is not None
    assert done.facts["peak_memory_bytes"] > 1024 * 1024
    assert context.metadata == {**done.facts, "seconds": done.seconds}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CRS_MISSING, "rejected", "crs.missing"),
        (LOST, "received", "ledger.unavailable"),
        (ZeroDivisionError("by zero"), "failed", "internal.unexpected"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_an_error_is_answered_and_ends_the_run(
    bench: Workbench, reception: Reception, drop_id: str, error: Exception, status: str, code: str
) -> None:
    def phase(_: Workbench) -> Any:
        raise error

    with pytest.raises(Failure) as caught:
        run_phase(Context(bench, "intake"), "intake", drop_id, 1, phase)
    assert caught.value.__cause__ is error
    assert not caught.value.allow_retries
    assert caught.value.metadata["drop_status"].value == status
    assert caught.value.metadata["code"].value == code
    assert code in caught.value.description
    assert known(reception, drop_id).status == status
    if status != "received":
        assert reception.receipt("roads.json").reason.code == code


def test_a_superseded_attempt_ends_its_run_and_answers_nothing(
    bench: Workbench, reception: Reception, drop_id: str
) -> None:
    reception.clients.ledger.release(known(reception, drop_id), LOST.reason)
    (order,) = reception.look()
    reception.runs[order.run_key] = "active"

    def phase(_: Workbench) -> Any:
        raise AssertionError("a superseded attempt must not work")

    with pytest.raises(Failure, match="expected drop"):
        run_phase(Context(bench, "load"), "load", drop_id, 1, phase)
    assert known(reception, drop_id).status == "queued"
    assert reception.names("receipts/") == []


def test_an_interrupt_is_no_answer(bench: Workbench, reception: Reception, drop_id: str) -> None:
    def phase(_: Workbench) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_phase(Context(bench, "intake"), "intake", drop_id, 1, phase)
    assert known(reception, drop_id).status == "running"
