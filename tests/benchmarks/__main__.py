"""`make bench`: how long a small drop takes beside an empty Dagster job, on an idle stack.

Both are started by the same daemon and taken in turn, so that a slow machine slows both. The empty
job is timed as the daemon would see it: from its entry into the queue to its end.
"""

import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from minio import Minio
from pymongo import MongoClient

from services.local.stack import remove_stack, start_stack
from tests.e2e.webserver import Webserver
from tests.support import LandingUser, geojson, make_manifest, point

REPEATS = 10
FEATURES = 1000
LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }
"""
RUN = """
query Run($run: ID!) { runOrError(runId: $run) { ... on Run { status startTime endTime } } }
"""
REPOSITORY = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "spatial-etl",
    "jobName": "empty",
}


def main() -> int:
    """Print the table; 0 where every drop was published."""
    state_dir = Path(tempfile.mkdtemp(prefix="spatial-etl-bench-")) / "state"
    env = start_stack(state_dir, environ={}, definitions="tests.benchmarks.definitions")
    try:
        drops, empties = measure(env)
    finally:
        remove_stack(state_dir)
    report(drops, empties)
    return 0


def measure(env: dict[str, str]) -> tuple[list[dict[str, float]], list[float]]:
    """Return the seconds of each drop by hop, and of each empty job."""
    user = LandingUser(
        Minio(
            env["MINIO_ENDPOINT"],
            access_key=env["MINIO_ACCESS_KEY"],
            secret_key=env["MINIO_SECRET_KEY"],
            secure=False,
            region="us-east-1",
        ),
        "landing-zone",
    )
    webserver = Webserver(env["SPATIAL_ETL_WEBSERVER_URL"])
    drops, empties = [], []
    with MongoClient[dict[str, Any]](env["MONGO_URI"], tz_aware=True) as client:
        database = client[env["MONGO_DATABASE"]]
        for _ in range(REPEATS):
            drops.append(time_drop(user, database))
            empties.append(time_empty_job(webserver))
    return drops, empties


def time_drop(user: LandingUser, database: Any) -> dict[str, float]:
    """Drop 1,000 points and return the seconds of each hop, from put to receipt."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    content = geojson(
        *(({"n": n, "name": f"point {n}"}, point(n / 10, 1)) for n in range(FEATURES))
    )
    path = user.put(f"uploads/{name}/points.geojson", content)
    started = time.time()
    user.drop(name, make_manifest(name, [path]))
    while not user.exists(f"receipts/{name}.json"):
        time.sleep(0.05)
    total = time.time() - started
    drop = database.manifests.find_one({"batch_id": name})
    assert drop["status"] == "published", json.dumps(drop, default=str)
    attempt = drop["attempts"][0]
    phases = {phase["name"]: phase["seconds"] for phase in attempt["phases"]}
    noticed = attempt["requested_at"].timestamp() - started
    start_up = (attempt["started_at"] - attempt["requested_at"]).total_seconds()
    rest = total - noticed - start_up - sum(phases.values())
    return {"total": total, "noticed": noticed, "queue and start-up": start_up, **phases,
            "steps and answer": rest}  # fmt: skip


def time_empty_job(webserver: Webserver) -> float:
    """Launch the empty job through the daemon's queue and return its seconds to the end."""
    started = time.time()
    params = {"selector": REPOSITORY, "runConfigData": {}, "mode": "default"}
    launched = webserver.ask(LAUNCH, params=params)["launchRun"]
    run_id = launched["run"]["runId"]
    while True:
        run = webserver.ask(RUN, run=run_id)["runOrError"]
        if run["status"] in {"SUCCESS", "FAILURE"}:
            assert run["status"] == "SUCCESS", run
            return float(run["endTime"]) - started
        time.sleep(0.05)


def report(drops: list[dict[str, float]], empties: list[float]) -> None:
    """Print medians with min and max."""
    print(f"{FEATURES} features, idle stack, {REPEATS} times each, seconds: median (min to max)")
    row("drop -> published", [drop["total"] for drop in drops])
    row("empty job", empties)
    row("difference", [d["total"] - e for d, e in zip(drops, empties, strict=True)])
    row("ratio", [d["total"] / e for d, e in zip(drops, empties, strict=True)])
    print("where a drop's seconds go:")
    for hop in drops[0]:
        if hop != "total":
            row(f"  {hop}", [drop[hop] for drop in drops])


def row(label: str, values: list[float]) -> None:
    print(f"{label:24}{statistics.median(values):8.3f}   ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    sys.exit(main())
