"""Runs killed after each step that changes anything, and runs stopped until others took over.

Each run is a process of its own (`tests.crash.worker`), killed or stopped by a tripwire around its
drivers (`tests.crash.tripwire`). Then the daemon's part is played: looks and further attempts until
all is quiet, and one reap. What is left is audited with bare clients (`tests.crash.audit`).
"""

import signal
import time
from typing import Any

import pytest

from libs.pipeline.reaping import reap
from tests.crash import worker
from tests.crash.audit import Audit
from tests.crash.stage import Stage, wake

# Steps that repeat one another: of these every third is tried.
REPEATED = "ledger update manifests"


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


def test_what_kills_a_shared_run_costs_no_other_drop_an_attempt(stage: Stage) -> None:
    names = ["one", "two", "three", "four"]
    undisturbed = stage.work()
    stage.drop("probe", "probe")
    worker.start(stage.environment, undisturbed).join()
    steps = len(undisturbed.journal.read_text().splitlines())
    for name in names:
        stage.drop(name, name)
    process = worker.start(stage.environment, stage.work(at=steps * 3 // 2))
    process.join()
    assert process.exitcode == -signal.SIGKILL

    assert stage.finish() == []

    assert stage.audit("probe", *names) == Audit()
    drops = stage.clients.ledger.find({"batch_id": {"$in": names}})
    assert sorted(drop.attempt for drop in drops) == [1, 1, 1, 2]


AFTER_FENCE = ("ledger update manifests", -4)


@pytest.mark.parametrize(
    ("step", "occurrence", "attempt"),
    [
        ("ledger update manifests", 1, 2),
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
    kinds = {finding.kind for finding in reap(stage.clients) if finding.is_over}
    assert kinds <= {"object", "seal"}
    assert stage.audit("probe", "zombie") == Audit()


def test_of_two_attempts_behind_the_fence_the_later_one_publishes(stage: Stage) -> None:
    at = stage.number_of(*AFTER_FENCE)
    stage.drop("zombie", "zombie")
    first, _ = stage.stop(at, lease_s=1)
    time.sleep(1)
    # It looks, as the daemon does: the attempt is sealed, given up, and the next one opened.
    second, _ = stage.stop(at)

    wake(first)
    wake(second)

    after = state_of(stage)
    assert (after["version"]["attempt"], after["receipt"]["attempt"]) == (2, 2)
    assert (first.exitcode, second.exitcode, after["drop"]["attempt"]) == (1, 0, 2)
    assert after["archived"]
    kinds = {finding.kind for finding in reap(stage.clients) if finding.is_over}
    assert kinds <= {"object", "seal"}
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
