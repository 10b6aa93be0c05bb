"""The line of phases for one attempt at a drop, inside a Dagster step.

What belongs here: what is done before and after a phase, the same whether a run has one drop or
many. What does not: the steps (`ingest`, `ingest_many`), the phases (`libs.pipeline`).
"""

from importlib import import_module
from typing import Any

from dagster import OpExecutionContext

from etl_pipelines.jobs.materializations import materialization, unseen
from etl_pipelines.jobs.phases import answering, run_phase
from libs.pipeline import state


def begin(context: OpExecutionContext, drop_id: str, attempt: int) -> state.Intake | None:
    """Take the attempt and read the manifest from the ledger.

    A run that a user made from an earlier one takes a new attempt. None where the drop is published
    already: it is answered.
    """
    from libs.pipeline.answer import answer_published
    from libs.pipeline.intake import intake as phase

    number = _attempt(context, drop_id, attempt)
    if number is None:
        context.log.info(f"Drop {drop_id[:12]} is published already; nothing is done.")
        return None
    workbench = context.resources.workbench
    taken = run_phase(
        context,
        "intake",
        drop_id,
        number,
        lambda bench: phase(bench, drop_id, number),
        is_last=lambda taken: taken.published is not None,
    )
    if taken.published is None:
        workbench.hold_lease(drop_id, number)
        return taken
    for event in unseen(context.instance, [taken.published]):
        context.log_event(event)
    answer_published(workbench.get_clients(), drop_id, taken.published)
    context.log.info(f"An earlier attempt published version {taken.published.version}.")
    return None


def _attempt(context: OpExecutionContext, drop_id: str, attempt: int) -> int | None:
    """Return the attempt to begin; None where the drop is published and a user runs it again."""
    from libs.pipeline.attempts import take_again

    if context.run.parent_run_id is None:
        return attempt
    with answering(context, "intake", drop_id, attempt):
        workbench = context.resources.workbench
        return take_again(
            workbench.get_clients(),
            drop_id,
            attempt,
            workbench.run_id_of(context.run_id),
            dagster_run_id=context.run_id,
        )


def bring(context: OpExecutionContext, taken: state.Intake) -> state.Fetched | None:
    """Bring the files to the work folder; None where the content is published already."""
    from libs.pipeline.answer import answer_unchanged
    from libs.pipeline.fetch import fetch as phase

    fetched = run_phase(
        context,
        "fetch",
        taken.drop_id,
        taken.attempt,
        lambda bench: phase(bench, taken),
        is_last=lambda fetched: fetched.unchanged is not None,
    )
    if fetched.unchanged is None:
        return fetched
    workbench = context.resources.workbench
    workbench.give_lease_back()
    answer_unchanged(workbench.get_clients(), taken.drop_id, fetched.unchanged)
    context.log.info(
        f"unchanged: {taken.dataset_id}@{fetched.unchanged.version} already holds this content"
    )
    return None


def work(context: OpExecutionContext, name: str, before: Any) -> Any:
    """Run the phase in `libs.pipeline.<name>`, imported when it runs, again where PostGIS fell."""
    from libs.pipeline.steadily import steadily

    phase = getattr(import_module(f"libs.pipeline.{name}"), name)
    taken = before.intake
    return run_phase(
        context, name, taken.drop_id, taken.attempt, lambda bench: steadily(bench, phase, before)
    )


def finish(context: OpExecutionContext, dumped: state.Dumped) -> None:
    """Upload, commit the version, answer the user."""
    from libs.pipeline.answer import answer_published
    from libs.pipeline.publish import publish as phase

    taken = dumped.intake
    published = run_phase(
        context,
        "publish",
        taken.drop_id,
        taken.attempt,
        lambda bench: phase(bench, dumped),
        is_last=lambda _: True,
    )
    workbench = context.resources.workbench
    workbench.give_lease_back()
    context.log_event(materialization(published.version))
    answer_published(workbench.get_clients(), taken.drop_id, published.version)
