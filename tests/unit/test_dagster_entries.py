"""What the code server, the daemon and its queue do otherwise than Dagster, or do not start."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterRun
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._daemon import controller, sensor
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster._grpc.server import DagsterApiServer

from services.dagster import code_server, daemon, run_queue


def test_a_code_server_forks_its_runs_from_what_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    preloaded: list[str] = []
    monkeypatch.setattr("multiprocessing.forkserver.set_forkserver_preload", preloaded.extend)
    monkeypatch.setattr(
        DagsterApiServer, "__init__", lambda self: vars(self).update(_mp_ctx="another")
    )

    code_server.fork_runs(["definitions", "services.dagster.warm"])

    assert DagsterApiServer()._mp_ctx.get_start_method() == "forkserver"
    assert preloaded == ["definitions", "services.dagster.warm"]


def test_a_dagster_that_starts_runs_in_another_way_is_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("multiprocessing.forkserver.set_forkserver_preload", lambda _: None)
    monkeypatch.setattr(DagsterApiServer, "__init__", lambda self: None)
    code_server.fork_runs([])

    with pytest.raises(RuntimeError, match="another way"):
        DagsterApiServer()


def test_the_daemon_looks_after_sensors_several_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", sensor.MIN_INTERVAL_LOOP_TIME)
    monkeypatch.setattr(controller, "QueuedRunCoordinatorDaemon", QueuedRunCoordinatorDaemon)
    daemon.look_often()
    assert sensor.MIN_INTERVAL_LOOP_TIME <= 0.25


@pytest.mark.parametrize(
    ("module", "name"),
    [(sensor, "MIN_INTERVAL_LOOP_TIME"), (controller, "QueuedRunCoordinatorDaemon")],
)
def test_a_dagster_whose_daemons_go_another_pace_is_not_started(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", sensor.MIN_INTERVAL_LOOP_TIME)
    monkeypatch.setattr(controller, "QueuedRunCoordinatorDaemon", QueuedRunCoordinatorDaemon)
    monkeypatch.delattr(module, name)
    with pytest.raises(RuntimeError, match="another way"):
        daemon.look_often()


def test_the_daemon_looks_at_the_queue_when_a_run_comes_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue: list[str] = []
    looks: list[list[str]] = []

    def submit_run(_self: object, context: SubmitRunContext) -> DagsterRun:
        queue.append(context.dagster_run.run_id)
        return context.dagster_run

    def look(_self: object) -> Iterator[None]:
        looks.append(list(queue))
        yield None

    monkeypatch.setattr(QueuedRunCoordinator, "submit_run", submit_run)
    monkeypatch.setattr(QueuedRunCoordinatorDaemon, "run_iteration", look)
    monkeypatch.setattr(run_queue, "ROUND_S", 60)
    monkeypatch.setattr(controller, "QueuedRunCoordinatorDaemon", QueuedRunCoordinatorDaemon)
    daemon.look_often()
    looking = controller.QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration()

    next(looking)
    waiting = threading.Thread(target=lambda: next(looking))
    waiting.start()
    run = DagsterRun(job_name="ingest")
    run_queue.PromptRunCoordinator().submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
    waiting.join()
    looking.close()

    assert looks == [[], [run.run_id]]


def test_the_daemon_goes_on_to_its_next_round_when_no_run_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QueuedRunCoordinatorDaemon, "run_iteration", lambda _self: iter([None]))
    monkeypatch.setattr(run_queue, "ROUND_S", 0)
    assert list(run_queue.PromptQueueDaemon(interval_seconds=1).run_iteration()) == [None]
