"""The reaper as a job, and the schedule that runs it.

What belongs here: the wiring, and what a run of it shows. What does not: what may be taken away
(`libs.pipeline.reaping`).
"""

from collections import Counter

from dagster import (
    DefaultScheduleStatus,
    MetadataValue,
    OpExecutionContext,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

EVERY_HOUR = "23 * * * *"


@op(required_resource_keys={"workbench"})
def take_away(context: OpExecutionContext) -> None:
    """Take away what dead runs left behind."""
    from libs.pipeline.reaping import reap as reap_all

    findings = reap_all(context.resources.workbench.get_clients())
    for finding in findings:
        said = "reaped" if finding.is_over else "kept"
        context.log.info(f"{said} {finding.kind} {finding.name}: {finding.why}")
    reaped = Counter[str](finding.kind for finding in findings if finding.is_over)
    context.add_output_metadata(
        {
            "reaped": MetadataValue.json(dict(reaped)),
            "kept": sum(not finding.is_over for finding in findings),
        }
    )


@job(executor_def=in_process_executor)
def reap() -> None:
    """What runs left that could not clean up after themselves is taken away."""
    take_away()


reap_schedule = ScheduleDefinition(
    name="reap_schedule",
    job=reap,
    cron_schedule=EVERY_HOUR,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Takes away what dead runs left behind, every hour.",
)
