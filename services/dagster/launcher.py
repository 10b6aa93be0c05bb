"""Dagster's default run launcher, and an answer to "is this run's process still there?".

Without the answer a run whose process is gone together with its code server (kill -9, out of
memory, a reboot) stays STARTED for ever and holds one of the queue's few places. Run monitoring
asks, and reports such a run as failed.

What belongs here: that question. What does not: what a failed run means for its drop (the ledger's
attempts), since a run may outlive a code server that was killed alone: it is then reported as
failed while it still works, and only the ledger's fencing keeps it from publishing.
"""

from collections.abc import Mapping
from typing import Any, Self

from dagster import DagsterRun, Field, IntSource, StringSource
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

ASK_TIMEOUT_S = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Runs are children of the code server at `host:port`, so that server knows which live."""

    def __init__(
        self, host: str, port: int, inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._host = host
        self._port = port
        super().__init__(inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        """Return the fields of `run_launcher.config` in dagster.yaml."""
        return {
            "host": Field(StringSource, description="host of the code server"),
            "port": Field(IntSource, description="port of the code server"),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the launcher that dagster.yaml describes."""
        return cls(config_value["host"], config_value["port"], inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tell run monitoring that it may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Ask the code server; while it does not answer, nothing is held against the run."""
        client = DagsterGrpcClient(host=self._host, port=self._port)
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            reply = client.can_cancel_execution(request, timeout=ASK_TIMEOUT_S)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer")
        if deserialize_value(reply, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "the code server was started anew and has no such run"
        )
