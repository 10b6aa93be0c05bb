"""What a person sees in the Dagster webserver, asked for through its GraphQL."""

import json
import math
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

STEPS = """
query Steps($run: ID!) { runOrError(runId: $run) { ... on Run {
  status stepStats { stepKey status startTime }
} } }
"""
EVENTS = """
query Events($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  __typename
  ... on MessageEvent { message stepKey }
  ... on ExecutionStepOutputEvent { metadataEntries { label
    ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue }
    ... on TextMetadataEntry { text }
  } }
  ... on ExecutionStepFailureEvent { error { message stack causes { message stack } } }
} } } }
"""
RUN = """
query Config($run: ID!) { runOrError(runId: $run) { ... on Run {
  runConfigYaml tags { key value }
} } }
"""
TERMINATE = """
mutation Terminate($run: String!) { terminateRun(runId: $run) { __typename } }
"""
REEXECUTE = """
mutation Again($parent: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $parent, strategy: ALL_STEPS}) {
    __typename ... on LaunchRunSuccess { run { runId } }
  }
}
"""
ASSET = """
query Asset($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(limit: 1) { metadataEntries { label
    ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text }
  } }
} } }
"""


@dataclass(frozen=True)
class Webserver:
    """A webserver at a URL."""

    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.loads(response.read())
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    def wait_for_steps(self, run_id: str, *, timeout_s: float = 30) -> dict[str, str]:
        """Return the status of each step in order of start, once the run is over.

        Skipped ones come last.
        """
        until = time.monotonic() + timeout_s
        while True:
            run = self.ask(STEPS, run=run_id)["runOrError"]
            if run["status"] in {"SUCCESS", "FAILURE", "CANCELED"}:
                steps = sorted(run["stepStats"], key=lambda step: step["startTime"] or math.inf)
                return {step["stepKey"]: step["status"] for step in steps}
            assert time.monotonic() < until, run
            time.sleep(0.2)

    def cancel(self, run_id: str) -> None:
        """Cancel a run."""
        answer = self.ask(TERMINATE, run=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def reexecute(self, run_id: str) -> str:
        """Run all steps of a run again; return the new run's id."""
        answer = self.ask(REEXECUTE, parent=run_id)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        new_id: str = answer["run"]["runId"]
        return new_id

    def output_metadata(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the metadata of each step's output."""
        events = self.ask(EVENTS, run=run_id)["logsForRun"]["events"]
        return {
            event["stepKey"]: entry_values(event["metadataEntries"])
            for event in events
            if event["__typename"] == "ExecutionStepOutputEvent"
        }

    def materialization(self, asset_key: list[str]) -> dict[str, Any]:
        """Return the metadata of an asset's newest materialization."""
        asset = self.ask(ASSET, key={"path": asset_key})["assetOrError"]
        (newest,) = asset["assetMaterializations"]
        return entry_values(newest["metadataEntries"])

    def everything_about(self, run_id: str) -> str:
        """Return run config, tags and every event as text."""
        return json.dumps([self.ask(RUN, run=run_id), self.ask(EVENTS, run=run_id)])


def entry_values(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return metadata entries by label."""
    return {
        entry["label"]: next((v for k, v in entry.items() if k != "label"), None)
        for entry in entries
    }
