"""The ingest job: the seven phases of one drop as steps of one process.

What belongs here: the wiring. What does not: what is done around a phase (`line`), what a phase
does (`libs.pipeline`).
"""

from collections.abc import Iterator
from typing import Any

from dagster import (
    Config,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from etl_pipelines.jobs import line
from libs.pipeline import state

WORKBENCH = {"workbench"}


class DropConfig(Config):
    """Which drop a run works on; everything else is in the ledger."""

    drop_id: str = Field(description="id of the drop in the ledger")
    attempt: int = Field(description="number of the attempt")


@op(required_resource_keys=WORKBENCH, out=Out(state.Intake, is_required=False))
def intake(context: OpExecutionContext, config: DropConfig) -> Iterator[Output[state.Intake]]:
    """Take the attempt and read the manifest; ends the line where the drop is published already."""
    taken = line.begin(context, config.drop_id, config.attempt)
    if taken is not None:
        yield Output(taken)


@op(required_resource_keys=WORKBENCH, out=Out(state.Fetched, is_required=False))
def fetch(context: OpExecutionContext, taken: state.Intake) -> Iterator[Output[state.Fetched]]:
    """Bring the files to the work folder; ends the line where the content is published already."""
    fetched = line.bring(context, taken)
    if fetched is not None:
        yield Output(fetched)


def _phase_op(name: str, description: str) -> OpDefinition:
    """Return the step of the phase in `libs.pipeline.<name>`."""

    @op(name=name, description=description, required_resource_keys=WORKBENCH)
    def phase_op(context: OpExecutionContext, before: Any) -> Any:
        return line.work(context, name, before)

    return phase_op


load = _phase_op("load", "Load every layer into the ephemeral schema.")
transform = _phase_op("transform", "Reproject, append and order, one statement a table.")
check = _phase_op("check", "Compare the hops and hold the data against the contract.")
dump = _phase_op("dump", "Write the files and read them back.")


@op(required_resource_keys=WORKBENCH)
def publish(context: OpExecutionContext, dumped: state.Dumped) -> None:
    """Upload, commit the version, answer the user."""
    line.finish(context, dumped)


@job(executor_def=in_process_executor)
def ingest() -> None:
    """From a claimed manifest to a published dataset version."""
    publish(dump(check(transform(load(fetch(intake()))))))
