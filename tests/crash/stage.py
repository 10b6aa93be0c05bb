"""A service without a daemon whose runs are processes to be killed, stopped or cut off.

What belongs here: the service, its user and the daemon's part. What does not: the runs
(`tests.crash.worker`), where they are stopped (`tests.crash.tripwire`), the audit.
"""

import os
import signal
import time
import uuid
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from libs.models.config import ServiceSettings
from libs.pipeline.attempts import RunState
from libs.pipeline.reaping import reap
from libs.pipeline.reception import look
from libs.pipeline.workbench import Clients
from tests.crash import worker
from tests.crash.audit import Audit, Auditor, Expected
from tests.crash.worker import Work
from tests.support import LandingUser, make_manifest

LANDING, LAKE = "crash-landing", "crash-lake"
ROWS = b"id,name\n1,a\n2,b\n3,c\n"
STOPPED_TIMEOUT_S = 60


@dataclass
class Stage:
    """A service of its own, without a daemon: its settings, its user, its auditor."""

    environment: dict[str, str]
    clients: Clients
    user: LandingUser
    folder: Path
    stopped: list[ForkServerProcess] = field(default_factory=list)

    def refresh(self) -> None:
        """Take up settings that were changed in the environment of this process."""
        self.clients = replace(self.clients, settings=ServiceSettings())

    def drop(self, name: str, dataset: str, *, rows: bytes = ROWS) -> None:
        """Drop a table, of three rows and one with its name unless told."""
        path = self.user.put(f"uploads/{name}.csv", rows + name.encode() + b",x\n")
        files = [{"path": path, "type": "tabular"}]
        self.user.drop(
            name,
            make_manifest(
                name, [], intent="ingest_tabular", dataset_id=f"crash/{dataset}", files=files
            ),
        )

    def work(self, **changes: object) -> Work:
        return replace(Work(self.folder / uuid.uuid4().hex), **changes)

    def number_of(self, step: str, occurrence: int) -> int:
        """Return the number of a step in an undisturbed run, counted from 1."""
        # The first run of a ledger gives it its identity: a step that no later one has.
        assert self.clients.ledger.identity
        self.drop("probe", "probe")
        probe = self.work()
        worker.start(self.environment, probe).join()
        steps = probe.journal.read_text().splitlines()
        return [number for number, name in enumerate(steps, 1) if name == step][occurrence]

    def stop(self, at: int, **changes: object) -> tuple[ForkServerProcess, Work]:
        """Start a run, and return it when it was stopped after a step."""
        work = self.work(at=at, signal=signal.SIGSTOP, **changes)
        process = worker.start(self.environment, work)
        self.stopped.append(process)
        wait_until_stopped(process.pid)
        return process, work

    def finish(self) -> list[str]:
        """Play the daemon, to whom every run of before is dead, until all is quiet; then reap."""
        for _ in range(10):
            orders = look(self.clients, dead).orders
            worker.run_orders(orders)
            if not orders and not self.clients.ledger.with_status(*IN_PROGRESS):
                break
        findings = reap(self.clients)
        return [f"{finding.kind}: {finding.why}" for finding in findings if not finding.is_over]

    def audit(self, *names: str) -> Audit:
        """Audit drops that all must be published."""
        return Auditor(self.environment).audit({name: Expected("published") for name in names})


IN_PROGRESS = ("received", "queued", "running", "publishing")


def dead(run_key: str, run_id: str | None) -> RunState | None:
    """Answer as Dagster does about runs whose processes it saw end, and knows of no other."""
    return "ended" if run_id else None


def wake(process: ForkServerProcess, *, wait_s: float = STOPPED_TIMEOUT_S) -> None:
    """Let a stopped run go on, and wait for its end."""
    os.killpg(process.pid, signal.SIGCONT)
    process.join(wait_s)


def wait_until_stopped(pid: int) -> None:
    until = time.monotonic() + STOPPED_TIMEOUT_S
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "T":
        assert time.monotonic() < until, state
        time.sleep(0.05)
