"""The service's definitions and an empty job to hold them against."""

from dagster import Definitions, in_process_executor, job, op

from etl_pipelines.definitions import build_defs


@op
def nothing() -> None:
    """Do nothing."""


@job(executor_def=in_process_executor)
def empty() -> None:
    """One step that does nothing."""
    nothing()


defs = Definitions.merge(build_defs(), Definitions(jobs=[empty]))
