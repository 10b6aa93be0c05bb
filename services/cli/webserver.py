"""What the Dagster webserver tells: its version, its queue, its daemons, its sensors.

What belongs here: questions to its GraphQL interface. What does not: what the answers mean for a
user (`services.cli.status`, `services.cli.doctor`).
"""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 4.0
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_COUNTS = """
query Counts($queued: RunsFilter!, $started: RunsFilter!) {
  queued: runsOrError(filter: $queued) { ... on Runs { count } }
  started: runsOrError(filter: $started) { ... on Runs { count } }
}
"""
_STATE = """
{
  version
  workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus
    locationOrLoadError { __typename
      ... on RepositoryLocation { repositories { sensors { name sensorState { status } } } }
      ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses {
    daemonType required healthy lastHeartbeatErrors { message } } } }
}
"""


class WebserverError(Exception):
    """The webserver does not answer, or not as a Dagster webserver does."""


@dataclass(frozen=True)
class QueueCounts:
    """Runs of Dagster."""

    queued: int
    started: int


@dataclass(frozen=True)
class DagsterState:
    """What the webserver knows of the rest of Dagster."""

    version: str
    load_errors: tuple[str, ...]
    """Code locations that are not loaded, and why."""
    unhealthy_daemons: tuple[str, ...]
    """Required daemons that do not report, and their last error."""
    sensors: dict[str, str]
    """Name of a sensor -> RUNNING or STOPPED."""


def queue_counts(url: str) -> QueueCounts:
    """Return how many runs wait in Dagster's queue and how many are started."""
    variables = {
        "queued": {"statuses": ["QUEUED", "NOT_STARTED"]},
        "started": {"statuses": ["STARTING", "STARTED", "CANCELING"]},
    }
    data = _ask(url, _COUNTS, variables)
    try:
        return QueueCounts(int(data["queued"]["count"]), int(data["started"]["count"]))
    except (KeyError, TypeError) as err:
        raise WebserverError("its answer has another form") from err


def dagster_state(url: str) -> DagsterState:
    """Return version, code locations, daemons and sensors."""
    data = _ask(url, _STATE, {})
    try:
        entries = data["workspaceOrError"]["locationEntries"]
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        return DagsterState(
            version=data["version"],
            load_errors=tuple(error for entry in entries if (error := _load_error(entry))),
            unhealthy_daemons=tuple(error for item in daemons if (error := _daemon_error(item))),
            sensors={
                sensor["name"]: sensor["sensorState"]["status"]
                for entry in entries
                for repository in (entry["locationOrLoadError"] or {}).get("repositories", [])
                for sensor in repository["sensors"]
            },
        )
    except (KeyError, TypeError) as err:
        raise WebserverError("its answer has another form") from err


def _load_error(entry: dict[str, Any]) -> str | None:
    loaded = entry["locationOrLoadError"] or {}
    if loaded.get("__typename") == "RepositoryLocation":
        return None
    reason = str(loaded.get("message") or entry["loadStatus"]).strip().splitlines()[0]
    return f"{entry['name']}: {reason}"


def _daemon_error(daemon: dict[str, Any]) -> str | None:
    if not daemon["required"] or daemon["healthy"]:
        return None
    errors = daemon["lastHeartbeatErrors"] or []
    reason = errors[0]["message"].strip().splitlines()[0] if errors else "no heartbeat"
    return f"{daemon['daemonType']}: {reason}"


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        request = urllib.request.Request(  # noqa: S310 - http to our own webserver
            f"{url.rstrip('/')}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _WITHOUT_PROXY.open(request, timeout=TIMEOUT_S) as reply:
            answer = json.load(reply)
    except (OSError, ValueError) as err:
        reason = getattr(err, "reason", None) or err
        raise WebserverError(f"{url}: {reason}") from err
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or answer.get("errors"):
        raise WebserverError(f"{url} answers with an error")
    return data
