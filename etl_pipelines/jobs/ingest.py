"""The ingest job: the seven phases as steps of one process.

What belongs here: the wiring. What does not: what a phase does (`libs.pipeline`).
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    Config,
    MetadataValue,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from etl_pipelines.jobs.phases import run_phase
from libs.models.version import Version
from libs.pipeline import state

WORKBENCH = {"workbench"}
TIERS = {"join": "silver"}


class DropConfig(Config):
    """Which drop a run works on; everything else is in the ledger."""

    drop_id: str = Field(description="id of the drop in the ledger")
    attempt: int = Field(description="number of the attempt")


@op(required_resource_keys=WORKBENCH)
def intake(context: OpExecutionContext, config: DropConfig) -> state.Intake:
    """Take the attempt and read the manifest from the ledger."""
    from libs.pipeline.intake import intake as phase

    return run_phase(
        context,
        config.drop_id,
        config.attempt,
        lambda bench: phase(bench, config.drop_id, config.attempt),
    )


@op(required_resource_keys=WORKBENCH, out=Out(state.Fetched, is_required=False))
def fetch(context: OpExecutionContext, taken: state.Intake) -> Iterator[Output[state.Fetched]]:
    """Bring the files to the work folder; ends the line where the content is published already."""
    from libs.pipeline.answer import answer_unchanged
    from libs.pipeline.fetch import fetch as phase

    fetched = run_phase(context, taken.drop_id, taken.attempt, lambda bench: phase(bench, taken))
    if fetched.unchanged is None:
        yield Output(fetched)
        return
    clients = context.resources.workbench.get_clients()
    answer_unchanged(clients, taken.drop_id, fetched.unchanged)
    context.log.info(
        f"unchanged: {taken.dataset_id}@{fetched.unchanged.version} already holds this content"
    )


def _phase_op(name: str, description: str) -> OpDefinition:
    """Return the step of the phase in `libs.pipeline.<name>`, imported when it runs."""

    @op(name=name, description=description, required_resource_keys=WORKBENCH)
    def phase_op(context: OpExecutionContext, before: Any) -> Any:
        phase = getattr(import_module(f"libs.pipeline.{name}"), name)
        taken = before.intake
        return run_phase(context, taken.drop_id, taken.attempt, lambda bench: phase(bench, before))

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
    context.log_event(_materialization(published.version))
    answer_published(context.resources.workbench.get_clients(), taken.drop_id, published.version)


def _materialization(version: Version) -> AssetMaterialization:
    rows = sum(table.rows for table in version.tables)
    return AssetMaterialization(
        asset_key=AssetKey([TIERS.get(version.kind, "bronze"), *version.dataset_id.split("/")]),
        description=version.metadata.description,
        metadata={
            "version": version.version,
            "dagster/row_count": rows,
            "tables": MetadataValue.json(
                [
                    table.model_dump(mode="json", include={"name", "rows", "crs", "bbox"})
                    for table in version.tables
                ]
            ),
            "files": MetadataValue.json(
                [output.key for table in version.tables for output in table.outputs]
            ),
            "size_bytes": sum(
                output.size_bytes for table in version.tables for output in table.outputs
            ),
            "warnings": len(version.warnings),
        },
    )


@job(executor_def=in_process_executor)
def ingest() -> None:
    """From a claimed manifest to a published dataset version."""
    publish(dump(check(transform(load(fetch(intake()))))))
