"""A chaos: drops keep coming, a process is killed at a random moment, again and again.

Everything runs on a stack of its own, on the loopback interface; only its own processes are killed.
"""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minio.error import MinioException
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from urllib3.exceptions import HTTPError

from services.local.layout import Layout
from services.local.stack import remove_stack, stack_status, start_stack
from tests.chaos.processes import TARGETS, Processes
from tests.chaos.stream import KINDS, Stream
from tests.crash.audit import FINAL, Audit, Auditor, Expected
from tests.support import LandingUser

SETTINGS = {
    # A drop may be hit again and again: it must be published all the same.
    "SPATIAL_ETL_MAX_ATTEMPTS": "1000",
    "SPATIAL_ETL_RETRY_BACKOFF_S": "0",
    "SPATIAL_ETL_LEASE_S": "20",
    "SPATIAL_ETL_SENSOR_INTERVAL_S": "1",
}
IN_FLIGHT = 4
LONGEST_PAUSE_S = 3.0
WAIT_FOR_TARGET_S = 5.0
WAIT_FOR_WORK_S = 10.0
DOWN_S = 30.0
POLL_S = 0.1
DOWN = (PyMongoError, MinioException, HTTPError, OSError)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One kill: what was hit, and in which phases the drops in flight were."""

    target: str
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a chaos showed."""

    trials: list[Trial]
    drops: int
    attempts: int
    seconds: float
    audit: Audit


class Chaos:
    """One chaos on one stack."""

    def __init__(self, state_dir: Path, seed: int, say: Say) -> None:
        self._say = say
        self._rng = random.Random(seed)
        self._settings = start_stack(state_dir, environ=SETTINGS)
        self._state_dir = state_dir
        self._processes = Processes(Layout.of(state_dir))
        self._auditor = Auditor(self._settings)
        user = LandingUser(self._auditor.s3, self._settings["MINIO_LANDING_BUCKET"])
        self._stream = Stream(user, state_dir, self._rng)
        self._mongo = MongoClient[dict[str, Any]](
            self._settings["MONGO_URI"], tz_aware=True, serverSelectionTimeoutMS=2000
        )
        self._ledger = self._mongo[self._settings["MONGO_DATABASE"]]

    def run(self, trials: int, patience_s: float) -> Outcome:
        """Kill `trials` times under a stream of drops, wait until all is quiet, reap and audit."""
        started = time.monotonic()
        contents = self._undisturbed(patience_s)
        done = [self._trial(number, trials) for number in range(1, trials + 1)]
        self._wait_for_quiet(patience_s)
        self._reap()
        expected = {
            name: Expected(kind.status, contents.get(kind.name))
            for name, kind in self._stream.dropped.items()
        }
        attempts = sum(drop["attempt"] for drop in self._ledger.manifests.find({}))
        audit = self._auditor.audit(expected)
        return Outcome(done, len(expected), attempts, time.monotonic() - started, audit)

    def close(self) -> None:
        """End the stack and delete its data."""
        self._mongo.close()
        remove_stack(self._state_dir)

    def _undisturbed(self, patience_s: float) -> dict[str, str]:
        """Drop each kind once, in peace; return the digest of what each is published as."""
        names = {kind.name: self._stream.drop(kind) for kind in KINDS}
        self._wait_for_quiet(patience_s)
        versions = {
            kind: self._ledger.assets.find_one({"dataset_id": f"test/{name}"})
            for kind, name in names.items()
        }
        return {kind: self._auditor.content(doc) for kind, doc in versions.items() if doc}

    def _trial(self, number: int, trials: int) -> Trial:
        self._fill()
        self._wait_for_work()
        time.sleep(self._rng.uniform(0, LONGEST_PAUSE_S))
        target = self._rng.choice(TARGETS)
        phases: tuple[str, ...] = ()
        until = time.monotonic() + WAIT_FOR_TARGET_S
        while True:
            phases = self._phases() or phases
            if self._processes.kill(target) is not None:
                break
            if time.monotonic() > until:
                target = self._rng.choice(TARGETS)
                until = time.monotonic() + WAIT_FOR_TARGET_S
            time.sleep(POLL_S / 10)
        self._say(f"{number}/{trials}: killed {target} during {', '.join(phases) or 'no phase'}")
        return Trial(target, phases)

    def _fill(self) -> None:
        """Keep some drops in flight; a user tries again while a server is down."""
        until = time.monotonic() + DOWN_S
        while time.monotonic() < until:
            try:
                if self._ledger.manifests.count_documents(_in_progress()) < IN_FLIGHT:
                    self._stream.drop()
                    self._stream.drop()
            except DOWN:
                time.sleep(POLL_S)
            else:
                return

    def _wait_for_work(self) -> None:
        """Wait, not for long, until a drop is in some phase: there is more to break then."""
        until = time.monotonic() + WAIT_FOR_WORK_S
        while not self._phases() and time.monotonic() < until:
            time.sleep(POLL_S)

    def _phases(self) -> tuple[str, ...]:
        try:
            drops = list(self._ledger.manifests.find(_in_progress()))
        except PyMongoError:
            return ()
        attempts = [drop["attempts"][-1] for drop in drops if drop["attempts"]]
        return tuple(sorted(a["phases"][-1]["name"] for a in attempts if a["phases"]))

    def _wait_for_quiet(self, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        while not self._is_quiet():
            if time.monotonic() > until:
                self._say("it did not become quiet in time")
                return
            time.sleep(1)

    def _is_quiet(self) -> bool:
        try:
            drops = {drop["batch_id"]: drop for drop in self._ledger.manifests.find({})}
            is_answered = all(
                name in drops and drops[name]["status"] in FINAL and drops[name]["is_settled"]
                for name in self._stream.dropped
            )
        except DOWN:
            return False
        return is_answered and not self._processes.runs() and self._processes.are_all_up()

    def _reap(self) -> None:
        while not all(status.is_healthy for status in stack_status(self._state_dir)):
            time.sleep(1)
        command = [sys.executable, "-m", "services.cli.main", "--env-file"]
        env_file = str(Layout.of(self._state_dir).stack_env)
        done = subprocess.run(
            [*command, env_file, "reap"], capture_output=True, text=True, check=True
        )
        self._say(done.stdout + done.stderr)


def _in_progress() -> dict[str, Any]:
    return {"status": {"$nin": sorted(FINAL)}}
