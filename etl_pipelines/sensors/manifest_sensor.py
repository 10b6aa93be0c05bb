"""The manifest sensor: looks at the landing zone and starts the attempts that are due.

What belongs here: turning orders into run requests. What does not: deciding what is due
(`libs.pipeline.reception`).
"""

import time
from collections.abc import Iterable
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from etl_pipelines.jobs.ingest import ingest
from etl_pipelines.jobs.ingest_many import ingest_many
from etl_pipelines.jobs.materializations import unseen
from etl_pipelines.jobs.phases import ATTEMPT_TAG, DROP_TAG
from libs.models.config import ServiceSettings
from libs.pipeline.attempts import FindRun, RunOrder, RunState
from libs.pipeline.reception import look

RUN_KEY_TAG = "dagster/run_key"
ENDED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE}
LOOKING_S, PAUSE_S = 4.0, 0.4


def build_manifest_sensor() -> SensorDefinition:
    """Return the sensor, its interval taken from the settings."""

    @sensor(
        name="manifest_sensor",
        jobs=[ingest, ingest_many],
        minimum_interval_seconds=ServiceSettings().sensor_interval_s,
        default_status=DefaultSensorStatus.RUNNING,
        required_resource_keys={"workbench"},
        description="Claims manifests dropped in the landing zone and starts their runs.",
    )
    def manifest_sensor(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        clients = context.resources.workbench.get_clients()
        find_run = _run_finder(context.instance)
        until = time.monotonic() + LOOKING_S
        while True:
            found = look(clients, find_run)
            if found.orders or found.published:
                return SensorResult(
                    run_requests=_requests(found.orders),
                    asset_events=unseen(context.instance, found.published),
                )
            if time.monotonic() >= until:
                return SkipReason("No drop is due.")
            time.sleep(PAUSE_S)

    return manifest_sensor


def _run_finder(instance: DagsterInstance) -> FindRun:
    def find_run(run_key: str, run_id: str | None) -> RunState | None:
        if run_id is not None:
            run = instance.get_run_by_id(run_id)
        else:
            runs = instance.get_runs(RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
            run = runs[0] if runs else None
        if run is None or run.status == DagsterRunStatus.NOT_STARTED:
            # The daemon died between making the run and putting it into the queue: a request with
            # the same key lets it go on.
            return None
        if run.status == DagsterRunStatus.CANCELED:
            return "canceled"
        return "ended" if run.status in ENDED else "active"

    return find_run


def _requests(orders: Iterable[RunOrder]) -> list[RunRequest]:
    runs: dict[str, list[RunOrder]] = {}
    for order in orders:
        runs.setdefault(order.run_key, []).append(order)
    return [_request(run[0]) if len(run) == 1 else _shared_request(run) for run in runs.values()]


def _request(order: RunOrder) -> RunRequest:
    return RunRequest(
        run_key=order.run_key,
        job_name=ingest.name,
        run_config={"ops": {"intake": {"config": _config(order)}}},
        tags={
            DROP_TAG: order.drop_id,
            ATTEMPT_TAG: str(order.attempt),
            "spatial_etl/batch": order.batch_id,
            "spatial_etl/dataset": order.dataset_id,
        },
    )


def _shared_request(orders: list[RunOrder]) -> RunRequest:
    return RunRequest(
        run_key=orders[0].run_key,
        job_name=ingest_many.name,
        run_config={"ops": {"ingest_each": {"config": {"drops": [*map(_config, orders)]}}}},
        tags={"spatial_etl/drops": str(len(orders))},
    )


def _config(order: RunOrder) -> dict[str, Any]:
    return {"drop_id": order.drop_id, "attempt": order.attempt}
