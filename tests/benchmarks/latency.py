"""P3: a small drop beside an empty Dagster job, both started by the same daemon, taken in turn.

The empty job is timed from its launch through the webserver to its end, as the daemon sees it.
"""

import json
import time
from pathlib import Path

from tests.benchmarks.service import POLL_S, Answer, BenchService
from tests.support import geojson, point

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


def time_small_drops(
    service: BenchService, folder: Path, repeats: int
) -> tuple[list[Answer], list[float]]:
    """Return the answers of `repeats` small drops, and the seconds of as many empty jobs."""
    path = folder / "points.geojson"
    drops, empties = [], []
    for number in range(repeats):
        content = geojson(
            *(({"n": n, "name": f"point {n}"}, point(n / 10, number)) for n in range(FEATURES))
        )
        path.write_bytes(content)
        drops.append(service.time_drop(service.upload(path)))
        empties.append(time_empty_job(service))
    return drops, empties


def time_empty_job(service: BenchService) -> float:
    """Launch the empty job through the daemon's queue and return its seconds to the end."""
    started = time.time()
    params = {"selector": REPOSITORY, "runConfigData": {}, "mode": "default"}
    launched = service.webserver.ask(LAUNCH, params=params)["launchRun"]
    assert "run" in launched, json.dumps(launched)
    while True:
        run = service.webserver.ask(RUN, run=launched["run"]["runId"])["runOrError"]
        if run["status"] in {"SUCCESS", "FAILURE"}:
            assert run["status"] == "SUCCESS", run
            return float(run["endTime"]) - started
        time.sleep(POLL_S)
