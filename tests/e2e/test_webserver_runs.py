"""What a user may do to a run in the webserver: cancel it, and run it again."""

import time
from pathlib import Path
from typing import Any

from pymongo.database import Database

from services.local.layout import Layout
from tests.chaos.processes import Processes
from tests.e2e.webserver import Webserver
from tests.support import LandingUser, geojson, make_manifest, point

Ledger = Database[dict[str, Any]]
MANY = 150_000
TIMEOUT_S = 120
SHARING = 12


def wait_for_shared_run(ledger: Ledger, batch: str) -> str:
    """Wait until drops of a batch share a run that has begun; return the id of Dagster's run."""
    shared = {"batch_id": {"$regex": f"^{batch}"}, "attempts.dagster_run_id": {"$ne": None}}
    until = time.monotonic() + TIMEOUT_S
    while (drop := ledger.manifests.find_one({**shared, "status": "running"})) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return str(drop["attempts"][0]["dagster_run_id"])


def wait_for_phase(ledger: Ledger, batch_id: str, phase: str) -> str:
    """Wait until a drop's run is in a phase; return the run's id."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        drop = ledger.manifests.find_one({"batch_id": batch_id}) or {}
        for attempt in drop.get("attempts", ()):
            if any(item["name"] == phase and not item["seconds"] for item in attempt["phases"]):
                return str(attempt["run_id"])
        assert time.monotonic() < until, drop
        time.sleep(0.05)


def wait_for_status(user: LandingUser, name: str, status: str) -> dict[str, Any]:
    """Wait until a receipt says so; return it."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        receipt = user.receipt(name)
        if receipt["status"] == status:
            return receipt
        assert time.monotonic() < until, receipt
        time.sleep(0.2)


def wait_until_archived(user: LandingUser, name: str) -> None:
    """Wait until a manifest that was rejected first has moved: that follows its new receipt."""
    until = time.monotonic() + TIMEOUT_S
    while user.exists(f"rejected/{name}.json") or not user.exists(f"archive/{name}.json"):
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_run_is_canceled_run_again_and_run_again_when_it_is_published(
    user: LandingUser,
    ledger_database: Ledger,
    webserver: Webserver,
    stack_env: dict[str, str],
    name: str,
) -> None:
    content = geojson(*(({"id": n}, point(n % 180, n % 80)) for n in range(MANY)))
    path = user.put(f"uploads/{name}.geojson", content)
    user.drop(name, make_manifest(name, [path]))
    first = wait_for_phase(ledger_database, name, "load")

    webserver.cancel(first)

    receipt = wait_for_status(user, name, "canceled")
    assert (receipt["reason"]["code"], receipt["run_id"]) == ("attempt.canceled", first)
    assert user.exists(f"rejected/{name}.json")
    webserver.wait_for_steps(first)
    work_folder = Path(stack_env["SPATIAL_ETL_WORK_DIR"]) / first
    processes = Processes(Layout.of(Path(stack_env["DAGSTER_HOME"]).parent))
    until = time.monotonic() + TIMEOUT_S
    while work_folder.exists() or processes.runs():
        assert time.monotonic() < until
        time.sleep(0.2)

    second = webserver.reexecute(first)

    receipt = wait_for_status(user, name, "published")
    assert (receipt["run_id"], receipt["attempt"]) == (second, 2)
    assert receipt["tables"][0]["rows"] == MANY
    wait_until_archived(user, name)

    third = webserver.reexecute(second)

    assert webserver.wait_for_steps(third) == {"intake": "SUCCESS"} | dict.fromkeys(
        ("fetch", "load", "transform", "check", "dump", "publish"), "SKIPPED"
    )
    assert user.receipt(name) == receipt
    assert ledger_database.assets.count_documents({"dataset_id": f"test/{name}"}) == 1


def test_a_shared_run_is_canceled_with_all_that_is_left_in_it_and_run_again(
    user: LandingUser, ledger_database: Ledger, webserver: Webserver, name: str
) -> None:
    names = [f"{name}-{number}" for number in range(SHARING)]
    path = user.put(f"uploads/{name}.geojson", geojson(({"id": 1}, point(1, 2))))
    for drop in names:
        user.drop(drop, make_manifest(drop, [path]))
    shared = wait_for_shared_run(ledger_database, name)

    webserver.cancel(shared)

    statuses = {drop: user.receipt(drop)["status"] for drop in names}
    assert set(statuses.values()) == {"published", "canceled"}
    canceled = [drop for drop, status in statuses.items() if status == "canceled"]
    for drop in canceled:
        assert user.receipt(drop)["reason"]["code"] == "attempt.canceled"
    webserver.wait_for_steps(shared)

    webserver.reexecute(shared)

    for drop in canceled:
        assert wait_for_status(user, drop, "published")["attempt"] == 2
    assert ledger_database.assets.count_documents({"manifest_id": {"$in": [
        drop["_id"] for drop in ledger_database.manifests.find({"batch_id": {"$in": names}})
    ]}}) == SHARING  # fmt: skip
