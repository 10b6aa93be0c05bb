"""Phase 7, publish: files into the lake, then one document into the ledger.

The insert of the version document is the commit point: before it nothing is visible, after it the
version is whole.

What belongs here: uploading, numbering, committing. What does not: lineage and telling the user,
which any attempt may repeat (`libs.pipeline.answer`).
"""

from libs.ledger.ledger import now
from libs.models.errors import SupersededError
from libs.models.version import Output, TableVersion, Version, Warn
from libs.pipeline.kinds.registry import kind_of
from libs.pipeline.state import Dumped, DumpedFile, DumpedTable, Intake, Published
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.drivers import OUTPUT_SUFFIXES
from libs.storage.lake import version_prefix

MAX_RACES = 100


def publish(bench: Workbench, dumped: Dumped) -> Published:
    """Publish the tables as the next version of the dataset.

    Raises `SupersededError` where another attempt owns the drop by now. A version that an earlier
    attempt published for the same drop is taken as it is.
    """
    fetched = dumped.checked.transformed.loaded.fetched
    intake = fetched.intake
    clients = bench.clients
    clients.ledger.begin_publishing(intake.drop_id, intake.attempt)
    number = clients.catalog.next_version(intake.dataset_id)
    tables = tuple(_upload(bench, intake, number, table) for table in dumped.tables)
    for _ in range(MAX_RACES):
        version = Version(
            dataset_id=intake.dataset_id,
            version=number,
            manifest_id=intake.drop_id,
            run_id=intake.run_id,
            attempt=intake.attempt,
            content_hash=fetched.content_hash,
            kind=kind_of(intake.manifest.intent).name,
            tables=tables,
            inputs=fetched.inputs,
            metadata=intake.manifest.metadata,
            warnings=all_warnings(dumped),
            created_at=now(),
        )
        try:
            clients.ledger.begin_publishing(intake.drop_id, intake.attempt)
            # Whoever gives the drop to another attempt in between seals this one, and its insert is
            # refused, however late it comes.
            committed = clients.catalog.publish(version)
        except SupersededError:
            _discard(bench, tables)
            raise
        if committed is not None:
            if committed.run_id != intake.run_id:
                _discard(bench, tables)
            return Published(intake, committed)
        number = clients.catalog.next_version(intake.dataset_id)
        tables = _renumber(bench, intake, number, tables)
    raise SupersededError(
        "attempt.no_version_number",
        f"expected a free version number of {intake.dataset_id} within {MAX_RACES} tries, found "
        "none.",
        remedy="Drop the manifest again when fewer drops publish this dataset at once.",
    )


def all_warnings(dumped: Dumped) -> tuple[Warn, ...]:
    """Return what every phase warned of, in order."""
    checked = dumped.checked
    transformed = checked.transformed
    loaded = transformed.loaded
    phases = (loaded.fetched.intake, loaded, transformed, checked, dumped)
    return tuple(warn for phase in phases for warn in phase.warnings)


def _upload(bench: Workbench, intake: Intake, number: int, table: DumpedTable) -> TableVersion:
    prefix = version_prefix(intake.dataset_id, number, bench.run_id)
    outputs = tuple(
        _upload_file(bench, f"{prefix}{table.table.name}", file) for file in table.files
    )
    return kind_of(intake.manifest.intent).describe(table, outputs)


def _upload_file(bench: Workbench, stem: str, file: DumpedFile) -> Output:
    key = f"{stem}{OUTPUT_SUFFIXES[file.format]}"
    sha256 = bench.clients.lake.upload(file.path, key)
    return Output(format=file.format, key=key, size_bytes=file.size_bytes, sha256=sha256)


def _renumber(
    bench: Workbench, intake: Intake, number: int, tables: tuple[TableVersion, ...]
) -> tuple[TableVersion, ...]:
    """Copy the files below the prefix of the next number; the number before went to another."""
    prefix = version_prefix(intake.dataset_id, number, bench.run_id)
    renumbered = []
    for table in tables:
        outputs = []
        for output in table.outputs:
            key = prefix + output.key.rpartition("/")[2]
            bench.clients.lake.copy(output.key, key, output.sha256)
            outputs.append(output.model_copy(update={"key": key}))
        renumbered.append(table.model_copy(update={"outputs": tuple(outputs)}))
    _discard(bench, tables)
    return tuple(renumbered)


def _discard(bench: Workbench, tables: tuple[TableVersion, ...]) -> None:
    for table in tables:
        for output in table.outputs:
            bench.clients.lake.remove(output.key)
