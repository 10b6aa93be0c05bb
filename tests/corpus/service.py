"""The service that the corpus is fed to: the whole stack, one that runs, or its phases alone.

What belongs here: starting and ending. What does not: feeding (`feeding`).
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minio import Minio

from services.local.stack import admin_environment, remove_stack, start_stack
from tests.corpus.line_daemon import LineDaemon
from tests.support import LandingUser, bare_s3_client

SERVERS = ("postgis", "s3", "mongo")
CHILD_TIMEOUT_S = 60
"""Hangs are part of the corpus: a child gets less time than in a service that reads large files."""


@dataclass(frozen=True)
class Service:
    """A running service, as a user with an S3 client sees it: its buckets."""

    client: Minio
    landing: str
    lake: str

    @property
    def user(self) -> LandingUser:
        """A user of its landing zone."""
        return LandingUser(self.client, self.landing)


@contextmanager
def whole_stack(runs: int) -> Iterator[Service]:
    """Start daemon, sensor, code server and servers of their own; all gone afterwards."""
    with _stack({"SPATIAL_ETL_MAX_CONCURRENT_RUNS": str(runs)}) as env:
        yield _service(env)


@contextmanager
def running_stack(state_dir: Path) -> Iterator[Service]:
    """Use the stack that `make up` started in `state_dir`."""
    yield _service(admin_environment(state_dir))


@contextmanager
def phases_alone(runs: int) -> Iterator[Service]:
    """Start the servers; the phases run in `runs` processes without Dagster, which is faster."""
    with _stack({}, only=SERVERS) as env, LineDaemon(env, runs):
        yield _service(env)


@contextmanager
def _stack(
    settings: dict[str, str], only: tuple[str, ...] | None = None
) -> Iterator[dict[str, str]]:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ |= {"SPATIAL_ETL_GDAL_TIMEOUT_S": str(CHILD_TIMEOUT_S)} | settings
    with tempfile.TemporaryDirectory(prefix="spatial-etl-corpus-") as folder:
        state_dir = Path(folder) / "state"
        try:
            start_stack(state_dir, environ=environ, only=only)
            yield admin_environment(state_dir)
        finally:
            remove_stack(state_dir)


def _service(env: dict[str, str]) -> Service:
    return Service(bare_s3_client(env), env["MINIO_LANDING_BUCKET"], env["MINIO_LAKE_BUCKET"])
