"""The job of small drops that share a run, one after another.

Starting a run takes longer than most small drops do.

Each drop has an attempt, a lease, a schema, a folder, a version and an answer of its own, as in a
run of its own; only the process is shared. One that is refused or fails ends alone. One that kills
the process costs the others no attempt: they had not begun. One that takes long keeps nobody: the
drops behind it are given back, and get another run.

What belongs here: going through the drops. What does not: which drops share a run
(`libs.pipeline.admission`), what is done with one (`line`).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dagster import Config, Failure, OpExecutionContext, in_process_executor, job, op
from pydantic import Field

from etl_pipelines.jobs import line
from etl_pipelines.jobs.ingest import WORKBENCH, DropConfig

PATIENCE_S = 30.0


class DropsConfig(Config):
    """The drops that a run works on, in turn."""

    drops: list[DropConfig] = Field(description="the drops and their attempts")


@op(required_resource_keys=WORKBENCH)
def ingest_each(context: OpExecutionContext, config: DropsConfig) -> None:
    """Take every drop from its manifest to its answer."""
    answered: dict[str, int] = {}
    for number, drop in enumerate(config.drops):
        with (
            _keeping_nobody(context, config.drops[number + 1 :]),
            context.resources.workbench.for_one_drop(),
        ):
            end = _ingest(context, drop)
        answered[end] = answered.get(end, 0) + 1
    context.add_output_metadata(answered)


def _ingest(context: OpExecutionContext, drop: DropConfig) -> str:
    """Take a drop to its answer; return how it ended."""
    try:
        taken = line.begin(context, drop.drop_id, drop.attempt)
        if taken is None:
            return "published before"
        fetched = line.bring(context, taken)
        if fetched is None:
            return "unchanged"
        before: Any = fetched
        for phase in ("load", "transform", "check", "dump"):
            before = line.work(context, phase, before)
        line.finish(context, before)
    except Failure as failure:
        status = str(failure.metadata["drop_status"].value)
        context.log.warning(f"Drop {drop.drop_id[:12]}, {status}: {failure.description}")
        return status
    return "published"


@contextmanager
def _keeping_nobody(context: OpExecutionContext, behind: Sequence[DropConfig]) -> Iterator[None]:
    """Give the drops behind the one at work back where that takes long."""
    from libs.pipeline.attempts import give_back

    clients = context.resources.workbench.get_clients()
    timer = threading.Timer(
        PATIENCE_S, lambda: give_back(clients, [(drop.drop_id, drop.attempt) for drop in behind])
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@job(executor_def=in_process_executor)
def ingest_many() -> None:
    """From claimed manifests of small drops to their answers."""
    ingest_each()
