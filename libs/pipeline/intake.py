"""Phase 1, intake: take the attempt, read the manifest from the ledger.

What belongs here: passing the fence at the start of a run. What does not: deciding that a drop may
run (`libs.pipeline.reception`).
"""

from libs.models.errors import SupersededError
from libs.models.manifest import parse_manifest
from libs.models.owner import Owner
from libs.models.version import Warn
from libs.pipeline.state import Intake
from libs.pipeline.workbench import Workbench


def intake(bench: Workbench, drop_id: str, attempt: int) -> Intake:
    """Begin `attempt` of a drop; raises `SupersededError` where it may not begin.

    `published` is the version that an earlier attempt published and died over.
    """
    clients = bench.clients
    drop = clients.ledger.begin_attempt(
        drop_id,
        attempt,
        bench.run_id,
        owner=Owner.this_process(),
        lease_s=clients.settings.lease_s,
        dagster_run_id=bench.dagster_run_id,
    )
    if drop.manifest is None:
        raise SupersededError(
            "attempt.no_manifest",
            f"expected drop {drop_id[:12]} to hold a manifest, found none.",
            remedy="Drop the manifest again.",
        )
    manifest = parse_manifest(drop.manifest, landing_bucket=clients.landing.bucket)
    warnings = []
    if manifest.dataset_id is None:
        warnings.append(
            Warn(
                code="manifest.dataset_id_derived",
                message=f"The manifest names no dataset_id; it became "
                f"{manifest.resolved_dataset_id!r}, from the project and the first file's name.",
            )
        )
    return Intake(
        drop_id=drop_id,
        attempt=attempt,
        run_id=bench.run_id,
        manifest=manifest,
        dataset_id=manifest.resolved_dataset_id,
        claims=drop.files,
        delivery=drop.delivery,
        warnings=tuple(warnings),
        published=clients.catalog.version_of_drop(drop_id),
    )
