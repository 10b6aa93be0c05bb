"""The ingest job on real servers, broken on purpose in each of its phases."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from etl_pipelines.definitions import build_defs
from etl_pipelines.jobs.phases import PHASES
from libs.models.errors import ComputeError
from libs.pipeline.attempts import RunOrder
from libs.pipeline.reception import look
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping
from tests.integration.line import Line
from tests.support import geojson, make_manifest, point


def run_job(order: RunOrder) -> ExecuteInProcessResult:
    """Run an attempt as the daemon would, in this process."""
    config = {"drop_id": order.drop_id, "attempt": order.attempt}
    with DagsterInstance.ephemeral() as instance:
        return (
            build_defs()
            .resolve_job_def("ingest")
            .execute_in_process(
                run_config={"ops": {"intake": {"config": config}}},
                instance=instance,
                raise_on_error=False,
            )
        )


@pytest.fixture
def order(line: Line, name: str) -> RunOrder:
    """A claimed drop of two points."""
    content = geojson(({"id": 1}, point(1, 2)), ({"id": 2}, point(3, 4)))
    path = line.user.put(f"uploads/{name}/points.geojson", content)
    return line.order(name, make_manifest(name, [path]))


def break_phase(monkeypatch: pytest.MonkeyPatch, phase: str, error: Exception) -> None:
    """Let a phase do its work and then raise `error`."""
    module = importlib.import_module(f"libs.pipeline.{phase}")
    real = getattr(module, phase)

    def broken(*args: Any) -> None:
        real(*args)
        raise error

    monkeypatch.setattr(module, phase, broken)


def assert_nothing_is_left(line: Line, run_id: str, environment: dict[str, str]) -> None:
    schema = RunIdSchemaMapping.from_run_id(run_id).schema_name
    found = line.clients.postgis.run(f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'")
    assert found == []
    assert not (Path(environment["SPATIAL_ETL_WORK_DIR"]) / run_id).exists()


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_a_crash_in_a_phase_is_answered_and_leaves_nothing(
    line: Line,
    order: RunOrder,
    name: str,
    phase: str,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> None:
    break_phase(monkeypatch, phase, RuntimeError("a defect"))

    result = run_job(order)

    assert not result.success
    receipt = line.user.receipt(name, timeout_s=5)
    assert (receipt["status"], receipt["reason"]["code"]) == ("failed", "internal.unexpected")
    assert f"phase {phase}" in receipt["reason"]["message"]
    assert line.clients.catalog.latest(f"test/{name}") is None
    assert line.user.exists(f"rejected/{name}.json")
    assert_nothing_is_left(line, result.run_id, environment)


def test_a_crash_after_the_commit_point_is_answered_as_published(
    line: Line,
    order: RunOrder,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> None:
    break_phase(monkeypatch, "publish", RuntimeError("a defect"))

    result = run_job(order)

    receipt = line.user.receipt(name, timeout_s=5)
    assert (receipt["status"], receipt["version"]) == ("published", 1)
    assert_nothing_is_left(line, result.run_id, environment)


def test_a_transient_error_is_tried_again_and_then_final(
    line: Line, order: RunOrder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = ComputeError("compute.unavailable", "PostGIS is gone.", remedy="Wait.")
    break_phase(monkeypatch, "load", lost)
    orders = [order]
    for _ in range(2):
        run_job(orders[-1])
        assert line.clients.ledger.get(order.drop_id).status == "received"
        orders += look(line.clients, lambda *_: "active").orders

    run_job(orders[-1])

    assert [one.attempt for one in orders] == [1, 2, 3]
    receipt = line.user.receipt(name, timeout_s=5)
    assert (receipt["status"], receipt["reason"]["code"]) == ("failed", "compute.unavailable")
    drop = line.clients.ledger.get(order.drop_id)
    assert [one.reason.code for one in drop.attempts] == ["compute.unavailable"] * 3


def test_a_second_run_of_the_same_attempt_touches_nothing(
    line: Line, order: RunOrder, name: str
) -> None:
    assert run_job(order).success
    before = line.clients.ledger.get(order.drop_id)

    second = run_job(order)

    assert not second.success
    assert line.clients.ledger.get(order.drop_id) == before
    assert line.clients.catalog.next_version(f"test/{name}") == 2


def test_two_drops_that_race_for_a_version_number_both_get_one(
    line: Line, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []
    for number in (1, 2):
        path = line.user.put(f"uploads/{name}/{number}.geojson", geojson(({"n": number}, None)))
        manifest = make_manifest(f"{name}-{number}", [path], dataset_id=f"test/{name}")
        orders.append(line.order(f"{name}-{number}", manifest))
    catalog = type(line.clients.catalog)
    real = catalog.next_version
    answers = iter([1])
    run_job(orders[0])
    monkeypatch.setattr(catalog, "next_version", lambda self, ds: next(answers, real(self, ds)))

    run_job(orders[1])

    first, second = line.clients.catalog.versions(f"test/{name}")
    assert (first.version, second.version) == (1, 2)
    keys = [output.key for table in second.tables for output in table.outputs]
    assert all(key.startswith(f"test/{name}/v2-{second.run_id}/") for key in keys)
    under = line.clients.lake.client.list_objects(
        line.clients.lake.bucket, f"test/{name}/", recursive=True
    )
    published = [o.key for v in (first, second) for t in v.tables for o in t.outputs]
    assert sorted(item.object_name for item in under) == sorted(published), "nothing left over"
