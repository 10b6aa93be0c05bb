"""Sensor and runs without Dagster: the looks in a thread, each attempt in a process of a pool.

What belongs here: what the daemon and the run launcher do, as little of it as the corpus needs.
What does not: the phases (`libs.pipeline`).
"""

import os
import threading
import uuid
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from multiprocessing import get_context
from typing import Any

from libs.compute.postgis import PostGIS
from libs.ledger import connection
from libs.models.config import MinIOSettings, MongoSettings, PostGISSettings, ServiceSettings
from libs.models.errors import InternalError, SpatialEtlError
from libs.pipeline.answer import answer_error, answer_published
from libs.pipeline.attempts import RunState
from libs.pipeline.check import check
from libs.pipeline.clients import gdal, ledger, storage
from libs.pipeline.dump import dump
from libs.pipeline.fetch import fetch
from libs.pipeline.intake import intake
from libs.pipeline.lease import Lease, hold
from libs.pipeline.load import load
from libs.pipeline.publish import publish
from libs.pipeline.reception import look
from libs.pipeline.transform import transform
from libs.pipeline.workbench import Clients, open_workbench

PAUSE_S = 0.2


class LineDaemon:
    """Looks at the landing zone and runs what is due, until the `with` block ends."""

    def __init__(self, env: dict[str, str], runs: int) -> None:
        self._env, self._runs = env, runs
        self._attempts: dict[str, Future[None]] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._pool = self._new_pool()

    def __enter__(self) -> "LineDaemon":
        os.environ.update(self._env)
        connection.ensure_indexes(connection.connect(MongoSettings()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._runs, mp_context=get_context("spawn"), initializer=_settle_in,
            initargs=(self._env,),
        )  # fmt: skip

    def _watch(self) -> None:
        clients = open_clients()
        while not self._is_over.wait(PAUSE_S):
            for order in look(clients, self._find_run).orders:
                self._submit(order.run_key, order.drop_id, order.attempt)

    def _submit(self, run_key: str, drop_id: str, attempt: int) -> None:
        try:
            future = self._pool.submit(run_attempt, drop_id, attempt)
        except BrokenProcessPool:
            self._pool = self._new_pool()
            future = self._pool.submit(run_attempt, drop_id, attempt)
        self._attempts[run_key] = future

    def _find_run(self, run_key: str, _run_id: str | None) -> RunState | None:
        if run_key not in self._attempts:
            return None
        return "ended" if self._attempts[run_key].done() else "active"


def open_clients() -> Clients:
    """Return the clients that the environment describes."""
    landing, lake = storage(MinIOSettings())
    drops, catalog = ledger(MongoSettings())
    settings = ServiceSettings()
    return Clients(
        settings=settings,
        landing=landing,
        lake=lake,
        ledger=drops,
        catalog=catalog,
        postgis=PostGIS(PostGISSettings()),
        gdal=gdal(settings),
    )


_CLIENTS: list[Clients] = []


def _settle_in(env: dict[str, str]) -> None:
    os.environ.update(env)
    _CLIENTS.append(open_clients())


def _lease(clients: Clients, drop_id: str, attempt: int) -> AbstractContextManager[Lease]:
    lease_s = clients.settings.lease_s
    return hold(clients.ledger, drop_id, attempt, lease_s=lease_s, on_lost=lambda: None)


def run_attempt(drop_id: str, attempt: int) -> None:
    """Run all phases of one attempt; an error is the drop's answer, as in a run of Dagster's."""
    (clients,) = _CLIENTS
    try:
        with open_workbench(clients, str(uuid.uuid4())) as bench:
            state: Any = intake(bench, drop_id, attempt)
            with _lease(clients, drop_id, attempt):
                for phase in (fetch, load, transform, check, dump, publish):
                    state = phase(bench, state)
        answer_published(clients, drop_id, state.version)
    except SpatialEtlError as err:
        answer_error(clients, drop_id, attempt, err)
    except Exception as err:
        message = f"expected an answer, found {type(err).__name__}: {err}."
        defect = InternalError("internal.unexpected", message, remedy="This is a defect of ours.")
        answer_error(clients, drop_id, attempt, defect)
