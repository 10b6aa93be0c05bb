"""Runs killed after each step that changes anything, and runs stopped until others took over.

Each run is a process of its own (`tests.crash.worker`), killed or stopped by a tripwire around its
drivers (`tests.crash.tripwire`). Then the daemon's part is played: looks and further attempts until
all is quiet, and one reap. What is left is audited with bare clients (`tests.crash.audit`).
"""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

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
# Steps that repeat one another: of these every third is tried.
REPEATED = "ledger update manifests"
STOPPED_TIMEOUT_S = 60


@dataclass
class Stage:
    """A service of its own, without a daemon: its settings, its user, its auditor."""

    environment: dict[str, str]
    clients: Clients
    user: LandingUser
    folder: Path
    stopped: list[ForkServerProcess] = field(default_factory=list)

    def drop(self, name: str, dataset: str) -> None:
        """Drop a table of three rows."""
        path = self.user.put(f"uploads/{name}.csv", ROWS + name.encode() + b",x\n")
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
            for order in orders:
                worker.run_job(order)
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


@pytest.fixture
def stage(
    stack_env: dict[str, str], s3_client: Minio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Return a service with empty buckets, an empty ledger and an empty work folder."""
    environment = stack_env | {
        "MINIO_LANDING_BUCKET": LANDING,
        "MINIO_LAKE_BUCKET": LAKE,
        "MONGO_DATABASE": f"crash_{uuid.uuid4().hex[:12]}",
        "SPATIAL_ETL_RETRY_BACKOFF_S": "0",
        "SPATIAL_ETL_MAX_QUEUED": "100",
        "SPATIAL_ETL_WORK_DIR": str(tmp_path / "work"),
    }
    for bucket in (LANDING, LAKE):
        if not s3_client.bucket_exists(bucket):
            s3_client.make_bucket(bucket)
        for item in s3_client.list_objects(bucket, recursive=True):
            s3_client.remove_object(bucket, item.object_name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    clients = worker.all_clients()
    stage = Stage(environment, clients, LandingUser(s3_client, LANDING), tmp_path)
    yield stage
    for process in stage.stopped:
        process.kill()
    clients.ledger.database.client.drop_database(environment["MONGO_DATABASE"])
    clients.ledger.database.client.close()
    clients.postgis.engine.dispose()


def steps_to_try(steps: list[str]) -> list[int]:
    """Return the numbers of the steps after which a run is killed, counted from 1."""
    repeated = [number for number, step in enumerate(steps, 1) if step == REPEATED]
    return sorted({n for n, step in enumerate(steps, 1) if step != REPEATED} | {*repeated[::3]})


def test_a_run_killed_after_any_step_is_finished_by_the_next_one(stage: Stage) -> None:
    stage.drop("whole", "first")
    undisturbed = stage.work(stale_number=1)
    stage.drop("before", "whole")
    process = worker.start(stage.environment, stage.work())
    process.join()
    stage.drop("again", "whole")
    process = worker.start(stage.environment, undisturbed)
    process.join()
    assert process.exitcode == 0
    steps = undisturbed.journal.read_text().splitlines()
    names = ["whole", "before", "again"]

    for number in steps_to_try(steps):
        name = f"killed-{number}"
        names.append(name)
        stage.drop(f"{name}", "whole")
        process = worker.start(stage.environment, stage.work(at=number, stale_number=1))
        process.join()
        assert process.exitcode == -signal.SIGKILL, steps[number - 1]
    kept = stage.finish()

    assert kept == []
    assert stage.audit(*names) == Audit()
    assert {"s3 DELETE crash-lake crash", "ledger insert assets"} <= set(steps)


AFTER_FENCE = ("ledger update manifests", -4)


@pytest.mark.parametrize(
    ("step", "occurrence", "attempt"),
    [
        ("ledger findAndModify manifests", 0, 2),
        ("s3 PUT crash-lake crash", 0, 2),
        (*AFTER_FENCE, 2),
        ("ledger insert assets", 0, 1),
    ],
    ids=["begun", "uploading", "behind the fence", "published"],
)
def test_a_run_stopped_across_its_lease_changes_nothing_when_it_wakes(
    stage: Stage, step: str, occurrence: int, attempt: int
) -> None:
    at = stage.number_of(step, occurrence)
    stage.drop("zombie", "zombie")
    zombie, stopped = stage.stop(at, lease_s=1)
    time.sleep(1)
    stage.finish()
    before = state_of(stage)
    assert before["drop"]["receipt"]["attempt"] == attempt

    wake(zombie)

    assert zombie.exitcode == 1
    assert "attempt.superseded" in stopped.journal.with_suffix(".log").read_text()
    assert state_of(stage) == before
    # Its schema and folder are gone with it; a file it was writing when it was told may stay.
    assert {finding.kind for finding in reap(stage.clients) if finding.is_over} <= {"object"}
    assert stage.audit("probe", "zombie") == Audit()


def test_of_two_attempts_behind_the_fence_the_first_to_insert_wins(stage: Stage) -> None:
    at = stage.number_of(*AFTER_FENCE)
    stage.drop("zombie", "zombie")
    first, _ = stage.stop(at, lease_s=1)
    time.sleep(1)
    # It looks, as the daemon does: the attempt is given up and the next one opened.
    second, _ = stage.stop(at - 1)

    wake(first)
    wake(second)

    after = state_of(stage)
    assert (after["version"]["attempt"], after["receipt"]["attempt"]) == (1, 1)
    assert (second.exitcode, after["drop"]["attempt"]) == (0, 2)
    assert after["archived"]
    assert not any(finding.is_over for finding in reap(stage.clients))
    assert stage.audit("probe", "zombie") == Audit()


def state_of(stage: Stage) -> dict[str, Any]:
    """Return all that a user can see of the drop `zombie`."""
    database = stage.clients.ledger.database
    drop = database.manifests.find_one({"batch_id": "zombie"})
    assert drop is not None
    return {
        "drop": drop,
        "version": database.assets.find_one({"manifest_id": drop["_id"]}),
        "receipt": stage.user.read_json("receipts/zombie.json"),
        "archived": stage.user.exists("archive/zombie.json"),
    }


def wake(process: ForkServerProcess) -> None:
    """Let a stopped run go on, and wait for its end."""
    os.killpg(process.pid, signal.SIGCONT)
    process.join(STOPPED_TIMEOUT_S)


def wait_until_stopped(pid: int) -> None:
    until = time.monotonic() + STOPPED_TIMEOUT_S
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "T":
        assert time.monotonic() < until, state
        time.sleep(0.05)
