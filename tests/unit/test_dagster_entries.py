"""The code server and the daemon differ from Dagster's in one thing each, or do not start."""

import pytest
from dagster._daemon import sensor
from dagster._grpc.server import DagsterApiServer

from services.dagster import code_server, daemon


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


def test_the_daemon_looks_after_sensors_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", sensor.MIN_INTERVAL_LOOP_TIME)
    daemon.look_often()
    assert sensor.MIN_INTERVAL_LOOP_TIME == 1

    monkeypatch.delattr(sensor, "MIN_INTERVAL_LOOP_TIME")
    with pytest.raises(RuntimeError, match="another way"):
        daemon.look_often()
