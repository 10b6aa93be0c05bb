"""The compute server's client, without a server."""

import signal
import threading
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2.errors import QueryCanceled

from libs.compute.postgis import PostGIS
from libs.models.errors import ComputeError

TIMEOUT_S = 10


class Canceled(BaseException):
    """A user's wish, as Dagster raises it."""


class SlowCursor:
    """A cursor whose statement ends when it is canceled for the second time."""

    def __init__(self) -> None:
        self.cancels = 0
        self.ended = threading.Event()
        self.connection = SimpleNamespace(cancel=self.cancel)

    def cancel(self) -> None:
        self.cancels += 1
        if self.cancels == 2:
            self.ended.set()

    def execute(self, statement: str) -> None:
        assert self.ended.wait(TIMEOUT_S), statement
        raise QueryCanceled


def test_an_interrupt_cancels_the_statement_that_runs() -> None:
    cursor = SlowCursor()

    def interrupt(*_: object) -> None:
        raise Canceled

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Canceled):
            PostGIS(settings=None)._execute(cursor, "SELECT pg_sleep(60)")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cursor.cancels == 2


def test_an_error_of_the_server_is_named() -> None:
    def lost(_: str) -> None:
        raise psycopg2.OperationalError("server closed the connection")

    with pytest.raises(ComputeError, match="server closed the connection"):
        PostGIS(settings=None)._execute(SimpleNamespace(execute=lost), "SELECT 1")
