"""The ingest job: the seven phases as steps of one process.

What belongs here: the wiring. What does not: what a phase does (`libs.pipeline`).
"""

from collections.abc import Iterator
from importlib import import_module
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

from etl_pipelines.jobs.materializations import materialization, unseen
from etl_pipelines.jobs.phases import answering, run_phase
from libs.pipeline import state

WORKBENCH = {"workbench"}


class DropConfig(Config):
    """Which drop a run works on; everything else is in the ledger."""

    drop_id: str = Field(description="id of the drop in the ledger")
    attempt: int = Field(description="number of the attempt")


@op(required_resource_keys=WORKBENCH, out=Out(state.Intake, is_required=False))
def intake(context: OpExecutionContext, config: DropConfig) -> Iterator[Output[state.Intake]]:
    """Take the attempt and read the manifest from the ledger.

    A run that a user made from an earlier one takes a new attempt. The line ends here where the
    drop is published already.
    """
    from libs.pipeline.answer import answer_published
    from libs.pipeline.intake import intake as phase

    attempt = _attempt(context, config)
    if attempt is None:
        context.log.info("The drop is published already; nothing is done.")
        return
    workbench = context.resources.workbench
    taken = run_phase(
        context, config.drop_id, attempt, lambda bench: phase(bench, config.drop_id, attempt)
    )
    if taken.published is None:
        workbench.hold_lease(config.drop_id, attempt)
        yield Output(taken)
        return
    for event in unseen(context.instance, [taken.published]):
        context.log_event(event)
    answer_published(workbench.get_clients(), config.drop_id, taken.published)
    context.log.info(f"An earlier attempt published version {taken.published.version}.")


def _attempt(context: OpExecutionContext, config: DropConfig) -> int | None:
    """Return the attempt to begin; None where the drop is published and a user runs it again."""
    from libs.pipeline.attempts import take_again

    if context.run.parent_run_id is None:
        return config.attempt
    with answering(context, config.drop_id, config.attempt):
        clients = context.resources.workbench.get_clients()
        return take_again(clients, config.drop_id, config.attempt, context.run_id)


@op(required_resource_keys=WORKBENCH, out=Out(state.Fetched, is_required=False))
def fetch(context: OpExecutionContext, taken: state.Intake) -> Iterator[Output[state.Fetched]]:
    """Bring the files to the work folder; ends the line where the content is published already."""
    from libs.pipeline.answer import answer_unchanged
    from libs.pipeline.fetch import fetch as phase

    fetched = run_phase(context, taken.drop_id, taken.attempt, lambda bench: phase(bench, taken))
    if fetched.unchanged is None:
        yield Output(fetched)
        return
    workbench = context.resources.workbench
    workbench.give_lease_back()
    answer_unchanged(workbench.get_clients(), taken.drop_id, fetched.unchanged)
    context.log.info(
        f"unchanged: {taken.dataset_id}@{fetched.unchanged.version} already holds this content"
    )


def _phase_op(name: str, description: str) -> OpDefinition:
    """Return the step of the phase in `libs.pipeline.<name>`, imported when it runs."""

    @op(name=name, description=description, required_resource_keys=WORKBENCH)
    def phase_op(context: OpExecutionContext, before: Any) -> Any:
        from libs.pipeline.steadily import steadily

        phase = getattr(import_module(f"libs.pipeline.{name}"), name)
        taken = before.intake
        return run_phase(
            context, taken.drop_id, taken.attempt, lambda bench: steadily(bench, phase, before)
        )

    return phase_op


load = _phase_op("load", "Load every layer into the ephemeral schema.")
transform = _phase_op("transform", "Reproject, append and order, one statement a table.")
check = _phase_op("check", "Compare the hops and hold the data against the contract.")
dump = _phase_op("dump", "Write the files and read them back.")


@op(required_resource_keys=WORKBENCH)
def publish(context: OpExecutionContext, dumped: state.Dumped) -> None:
    """Upload, commit the version, answer the user."""
    from libs.pipeline.answer import answer_published
    from libs.pipeline.publish import publish as phase

    taken = dumped.intake
    published = run_phase(context, taken.drop_id, taken.attempt, lambda bench: phase(bench, dumped))
    workbench = context.resources.workbench
    workbench.give_lease_back()
    context.log_event(materialization(published.version))
    answer_published(workbench.get_clients(), taken.drop_id, published.version)


@job(executor_def=in_process_executor)
def ingest() -> None:
    """From a claimed manifest to a published dataset version."""
    publish(dump(check(transform(load(fetch(intake()))))))
