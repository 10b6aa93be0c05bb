"""Small drops that share a run: each has its own answer, whatever becomes of the others."""

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from etl_pipelines.definitions import build_defs
from etl_pipelines.jobs import ingest_many
from libs.pipeline.attempts import RunOrder
from libs.pipeline.reception import look
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping
from tests.integration.line import Line
from tests.support import geojson, make_manifest, point


def run_shared(orders: list[RunOrder], *, parent_run_id: str | None = None) -> DagsterRun:
    """Run attempts as the daemon would where they share a run, in this process.

    With `parent_run_id` as a user would who runs that one again.
    """
    drops = [{"drop_id": order.drop_id, "attempt": order.attempt} for order in orders]
    job = build_defs().resolve_job_def("ingest_many")
    with DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            job,
            run_config={"ops": {"ingest_each": {"config": {"drops": drops}}}},
            parent_run_id=parent_run_id,
            root_run_id=parent_run_id,
        )
        execute_run(InMemoryJob(job), run, instance)
        found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == DagsterRunStatus.SUCCESS
    return found


@pytest.fixture
def orders(line: Line, name: str) -> list[RunOrder]:
    """Four claimed drops, of which the second is no GeoJSON; the last is of the first's dataset."""
    contents = [geojson(({"n": n}, point(n, n))) for n in range(4)]
    contents[1] = b"{"
    datasets = [f"test/{name}-{number}" for number in (0, 1, 2, 0)]
    for number, (content, dataset) in enumerate(zip(contents, datasets, strict=True)):
        path = line.user.put(f"uploads/{name}/{number}.geojson", content)
        line.user.drop(
            f"{name}-{number}", make_manifest(f"{name}-{number}", [path], dataset_id=dataset)
        )
    found = look(line.clients, lambda *_: "active").orders
    assert len({order.run_key for order in found}) < len(found)
    return sorted(found, key=lambda order: order.batch_id)


def answers(line: Line, name: str, drops: int = 4) -> list[tuple[str, int | None]]:
    receipts = [line.user.receipt(f"{name}-{number}", timeout_s=5) for number in range(drops)]
    return [(receipt["status"], receipt["version"]) for receipt in receipts]


def test_each_drop_of_a_run_has_its_own_answer_version_and_run_id(
    line: Line, orders: list[RunOrder], name: str, environment: dict[str, str]
) -> None:
    run = run_shared(orders)

    assert answers(line, name) == [
        ("published", 1), ("rejected", None), ("published", 1), ("published", 2),
    ]  # fmt: skip
    receipts = [line.user.receipt(f"{name}-{number}") for number in range(4)]
    assert receipts[1]["reason"]["code"] == "source.unreadable"
    assert {receipt["run_url"].rpartition("/")[2] for receipt in receipts} == {run.run_id}
    run_ids = [receipt["run_id"] for receipt in receipts]
    assert len({*run_ids, run.run_id}) == 5
    for run_id in run_ids:
        schema = RunIdSchemaMapping.from_run_id(run_id).schema_name
        query = f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'"
        assert line.clients.postgis.run(query) == []
        assert not (Path(environment["SPATIAL_ETL_WORK_DIR"]) / run_id).exists()
        assert line.clients.ledger.database.runs.find_one({"_id": run_id})["ended_at"] is not None


def test_a_defect_in_one_drop_ends_that_one_alone(
    line: Line, orders: list[RunOrder], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("libs.pipeline.load")
    real, calls = module.load, iter(range(4))

    def broken(*args: Any) -> Any:
        if next(calls) == 0:
            raise RuntimeError("a defect")
        return real(*args)

    monkeypatch.setattr(module, "load", broken)

    run_shared(orders)

    assert answers(line, name) == [
        ("failed", None), ("rejected", None), ("published", 1), ("published", 1),
    ]  # fmt: skip


def test_drops_behind_one_that_takes_long_are_given_back(
    line: Line, orders: list[RunOrder], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("libs.pipeline.load")
    real, may_go_on = module.load, threading.Event()

    def slow(*args: Any) -> Any:
        while line.clients.ledger.get(orders[-1].drop_id).status == "queued":
            may_go_on.wait(0.05)
        return real(*args)

    monkeypatch.setattr(ingest_many, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "load", slow)

    run_shared(orders)

    assert line.user.receipt(f"{name}-0", timeout_s=5)["status"] == "published"
    others = [line.clients.ledger.get(order.drop_id) for order in orders[1:]]
    assert [(drop.status, drop.attempt_limit - drop.attempt) for drop in others] == [
        ("received", line.clients.settings.max_attempts)
    ] * 3
    assert {drop.attempts[0].reason.code for drop in others} == {"attempt.given_back"}


def test_a_shared_run_that_is_run_again_does_what_was_not_done(
    line: Line, orders: list[RunOrder], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("libs.pipeline.load")
    with monkeypatch.context() as patch:
        patch.setattr(module, "load", None)
        first = run_shared(orders[:3])
    assert answers(line, name, 3) == [("failed", None)] * 3
    run_shared(orders[3:])

    run_shared(orders, parent_run_id=first.run_id)

    assert answers(line, name) == [
        ("published", 2), ("rejected", None), ("published", 1), ("published", 1),
    ]  # fmt: skip
