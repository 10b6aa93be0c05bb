"""The service as a benchmark sees it: a drop, its seconds by hop, and the memory of runs.

What belongs here: one drop, measured. What does not: what is dropped, and against what it is held.
"""

import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from pymongo import MongoClient

from services.local.layout import Layout
from services.local.stack import admin_environment, remove_stack, start_stack
from tests.chaos.processes import Processes
from tests.e2e.webserver import Webserver
from tests.support import LandingUser, bare_s3_client, make_manifest

LANDING = "landing-zone"
POLL_S, POLL_SHARE = 0.02, 0.01
"""Seconds between looks for an answer, and the least share of those so far: looking costs time."""
SAMPLE_S = 0.1
ANSWER_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Answer:
    """A drop that was published: seconds in all and by phase, with parts."""

    seconds: float
    phases: dict[str, float]
    parts: dict[str, float]
    rows: int


@dataclass(frozen=True)
class BenchService:
    """A stack of its own, idle but for what is measured."""

    env: dict[str, str]
    user: LandingUser
    database: Any
    webserver: Webserver
    processes: Processes

    def upload(self, path: Path) -> str:
        """Put a file in the landing zone and return its path."""
        key = f"uploads/{uuid.uuid4().hex[:8]}/{path.name}"
        self.user.client.fput_object(LANDING, key, str(path))
        return f"s3://{LANDING}/{key}"

    def time_drop(self, path: str, **changes: Any) -> Answer:
        """Drop a manifest over `path` and return what publishing it took, from put to receipt."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        started = time.time()
        self.user.drop(name, make_manifest(name, [path], **changes))
        while not self.user.exists(f"receipts/{name}.json"):
            waited = time.time() - started
            if waited > ANSWER_TIMEOUT_S:
                raise TimeoutError(name)
            time.sleep(max(POLL_S, POLL_SHARE * waited))
        seconds = time.time() - started
        drop = self.database.manifests.find_one({"batch_id": name})
        assert drop["status"] == "published", json.dumps(drop, default=str)
        return _answer(drop, started, seconds)


@contextmanager
def bench_service() -> Iterator[BenchService]:
    """Start a stack with an empty job beside the service's own; all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="spatial-etl-bench-") as folder:
        state_dir = Path(folder) / "state"
        env = start_stack(state_dir, environ={}, definitions="tests.benchmarks.definitions")
        client = bare_s3_client(admin_environment(state_dir))
        try:
            with MongoClient[dict[str, Any]](env["MONGO_URI"], tz_aware=True) as mongo:
                yield BenchService(
                    env=env,
                    user=LandingUser(client, LANDING),
                    database=mongo[env["MONGO_DATABASE"]],
                    webserver=Webserver(env["SPATIAL_ETL_WEBSERVER_URL"]),
                    processes=Processes(Layout.of(state_dir)),
                )
        finally:
            remove_stack(state_dir)


@dataclass
class MemorySampler:
    """Samples what runs and their readers use together: their proportional set size.

    It takes processor time itself: what is timed beside rivals goes without it.
    """

    processes: Processes
    peak_bytes: int = 0
    _is_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._thread
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            pids = (*self.processes.runs(), *self.processes.readers())
            self.peak_bytes = max(self.peak_bytes, sum(map(_tree_bytes, pids)))


def _tree_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += member.memory_full_info().pss
    return total


def _answer(drop: dict[str, Any], started: float, seconds: float) -> Answer:
    (attempt,) = drop["attempts"]
    phases = {phase["name"]: phase["seconds"] for phase in attempt["phases"]}
    noticed = attempt["requested_at"].timestamp() - started
    start_up = (attempt["started_at"] - attempt["requested_at"]).total_seconds()
    rest = seconds - noticed - start_up - sum(phases.values())
    return Answer(
        seconds=seconds,
        phases={
            "noticed": noticed, "queue and start-up": start_up, **phases, "steps and answer": rest,
        },
        parts={
            f"{phase['name']}: {part}": spent
            for phase in attempt["phases"]
            for part, spent in phase["parts"].items()
        },
        rows=max(int(phase["facts"].get("rows", 0)) for phase in attempt["phases"]),
    )  # fmt: skip
