"""What Dagster shows of a published version.

What belongs here: versions as materializations of assets, each told once. What does not: the
version itself, which only the ledger's document makes (`libs.pipeline.publish`).
"""

from collections.abc import Iterable

from dagster import AssetKey, AssetMaterialization, DagsterInstance, MetadataValue

from libs.models.version import Version

TIERS = {"join": "silver"}


def materialization(version: Version) -> AssetMaterialization:
    """Return a version as the materialization of its dataset's asset."""
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


def unseen(instance: DagsterInstance, published: Iterable[Version]) -> list[AssetMaterialization]:
    """Return what Dagster does not show yet of versions whose runs died about publishing them."""
    every = [materialization(version) for version in published]
    return [event for event in every if not _is_shown(instance, event)]


def _is_shown(instance: DagsterInstance, event: AssetMaterialization) -> bool:
    newest = instance.get_latest_materialization_event(event.asset_key)
    shown = newest.asset_materialization if newest else None
    return shown is not None and shown.metadata.get("version") == event.metadata["version"]
