"""The ground of a trial: a stack of its own, a stream of drops, and bare clients that look on.

What belongs here: starting the stack, knowing what is in progress, waiting for quiet, the audit.
What does not: what is done to the stack (`chaos`, `outages`, `flood`).
"""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from minio.error import MinioException
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from urllib3.exceptions import HTTPError

from services.local.layout import Layout
from services.local.stack import admin_environment, remove_stack, stack_status, start_stack
from tests.chaos.processes import Processes
from tests.chaos.stream import KINDS, Kind, Stream
from tests.crash.audit import FINAL, Audit, Auditor, Expected
from tests.support import LandingUser

POLL_S = 0.1
DOWN = (PyMongoError, MinioException, HTTPError, OSError)
Say = Callable[[str], None]


class Ground:
    """One stack with `settings`, and a stream of drops that is the same for the same seed."""

    def __init__(
        self,
        state_dir: Path,
        seed: int,
        say: Say,
        settings: Mapping[str, str],
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        self.say = say
        self.rng = random.Random(seed)
        start_stack(state_dir, environ=settings)
        self.settings = admin_environment(state_dir)
        self.layout = Layout.of(state_dir)
        self.processes = Processes(self.layout)
        self.auditor = Auditor(self.settings)
        user = LandingUser(self.auditor.s3, self.settings["MINIO_LANDING_BUCKET"])
        self.stream = Stream(user, state_dir, self.rng, kinds)
        self._mongo = MongoClient[dict[str, Any]](
            self.settings["MONGO_URI"], tz_aware=True, serverSelectionTimeoutMS=2000
        )
        self.ledger = self._mongo[self.settings["MONGO_DATABASE"]]
        self._contents: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the stack and delete its data."""
        self._mongo.close()
        remove_stack(self.layout.state_dir)

    def learn(self, patience_s: float) -> None:
        """Drop each kind once, in peace, and keep the digest of what each is published as."""
        names = {kind.name: self.stream.drop(kind) for kind in self.stream.kinds}
        self.wait_for_quiet(patience_s)
        versions = {
            kind: self.ledger.assets.find_one({"dataset_id": f"test/{name}"})
            for kind, name in names.items()
        }
        self._contents = {kind: self.auditor.content(doc) for kind, doc in versions.items() if doc}

    def phases(self) -> tuple[str, ...]:
        """Return the phases in which the drops in flight are."""
        try:
            drops = list(self.ledger.manifests.find(in_progress()))
        except PyMongoError:
            return ()
        attempts = [drop["attempts"][-1] for drop in drops if drop["attempts"]]
        return tuple(sorted(a["phases"][-1]["name"] for a in attempts if a["phases"]))

    def wait_for_work(self, longest_s: float) -> None:
        """Wait, not for long, until a drop is in some phase: there is more to break then."""
        until = time.monotonic() + longest_s
        while not self.phases() and time.monotonic() < until:
            time.sleep(POLL_S)

    def wait_for_quiet(self, patience_s: float) -> bool:
        """Wait until every drop is answered and no run works; False where that takes too long."""
        until = time.monotonic() + patience_s
        while not self.is_quiet():
            if time.monotonic() > until:
                self.say("it did not become quiet in time")
                return False
            time.sleep(1)
        return True

    def is_quiet(self) -> bool:
        """Return whether every drop is answered and settled, and no run works any more."""
        try:
            answered = {
                drop["batch_id"]
                for drop in self.ledger.manifests.find(
                    {"status": {"$in": sorted(FINAL)}, "is_settled": True}, {"batch_id": 1}
                )
            }
        except DOWN:
            return False
        is_answered = answered >= set(self.stream.dropped)
        return is_answered and not self.processes.runs() and self.processes.are_all_up()

    def attempts(self) -> int:
        """Return how many attempts all drops took."""
        return sum(drop["attempt"] for drop in self.ledger.manifests.find({}, {"attempt": 1}))

    def reap_and_audit(self) -> Audit:
        """Let the service reap once, and compare what is there with what was dropped."""
        while not all(status.is_healthy for status in stack_status(self.layout.state_dir)):
            time.sleep(1)
        command = [sys.executable, "-m", "services.cli.main", "--env-file"]
        done = subprocess.run(
            [*command, str(self.layout.stack_env), "reap"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.say(done.stdout + done.stderr)
        expected = {
            name: Expected(kind.status, self._contents.get(kind.name))
            for name, kind in self.stream.dropped.items()
        }
        return self.auditor.audit(expected)


def in_progress() -> dict[str, Any]:
    """Return the query for drops without an answer."""
    return {"status": {"$nin": sorted(FINAL)}}
