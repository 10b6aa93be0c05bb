"""Phase 2, fetch: the files come to the run's work folder, hashed while they stream.

What belongs here: downloading, and knowing content that is already published. What does not:
opening the files (`libs.pipeline.load`).
"""

import hashlib
from pathlib import Path

from libs.ledger.records import FileClaim
from libs.models.errors import JoinError, SourceError, StorageError
from libs.models.manifest import JoinInput, Manifest, ManifestFile, canonical_json
from libs.models.version import TableVersion, Version, dataset_path
from libs.pipeline.recipe import RECIPE_VERSION
from libs.pipeline.state import Fetched, FetchedDataset, FetchedFile, Intake
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.containers.names import local_name

PARQUET_FORMATS = ("geoparquet", "parquet")


def fetch(bench: Workbench, intake: Intake) -> Fetched:
    """Download every file that the drop claimed.

    Raises `SourceError` where a file is gone, is another one by now, is too large, or has another
    sha256 than the manifest says.
    """
    folder = bench.subfolder("files")
    etags = {claim.path: claim.etag for claim in intake.claims}
    files = tuple(
        _fetch_file(bench, file, etags[file.path], folder / str(number))
        for number, file in enumerate(intake.manifest.files)
    )
    datasets = tuple(
        _fetch_dataset(bench, item, claim, folder / f"input{number}")
        for number, (item, claim) in enumerate(
            zip(intake.manifest.inputs, intake.claims[len(files) :], strict=True)
        )
    )
    digest = content_hash(intake.manifest, files, datasets)
    newest = bench.clients.catalog.latest(intake.dataset_id)
    unchanged = newest if newest and newest.content_hash == digest else None
    return Fetched(intake, files, digest, unchanged, datasets)


def _fetch_file(bench: Workbench, file: ManifestFile, etag: str, folder: Path) -> FetchedFile:
    folder.mkdir()
    path = folder / local_name(file.name)
    sha256, size_bytes = bench.clients.landing.fetch(file.key, etag, path)
    if file.sha256 is not None and file.sha256 != sha256:
        raise SourceError(
            "source.sha256_differs",
            f"expected sha256 {file.sha256}, found {sha256}.",
            remedy="Upload the file again, or correct files[].sha256.",
            file=file.path,
        )
    return FetchedFile(file, path, sha256, size_bytes)


def _fetch_dataset(
    bench: Workbench, item: JoinInput, claim: FileClaim, folder: Path
) -> FetchedDataset:
    """Download the Parquet file of a table of the version that the drop claimed."""
    folder.mkdir()
    number = int(claim.path.rpartition("@")[2])
    version = bench.clients.catalog.get(item.dataset_id, number)
    table = _chosen_table(version, item)
    output = next((o for o in table.outputs if o.format in PARQUET_FORMATS), None)
    if output is None:
        raise JoinError(
            "join.no_parquet",
            f"expected {claim.path} to have table {table.name!r} as Parquet, found "
            f"{', '.join(o.format for o in table.outputs)}.",
            remedy="Publish the dataset with the output geoparquet or parquet.",
            file=claim.path,
            layer=table.name,
        )
    path = folder / "table.parquet"
    sha256 = bench.clients.lake.download(output.key, path)
    if sha256 != output.sha256:
        raise StorageError(
            "storage.corrupt_read",
            f"expected {output.key} to have sha256 {output.sha256}, found {sha256}.",
            remedy="Check the S3 server's disks; the drop is tried again.",
            file=claim.path,
        )
    return FetchedDataset(item.dataset_id, number, table, path, sha256, output.size_bytes)


def _chosen_table(version: Version, item: JoinInput) -> TableVersion:
    names = [table.name for table in version.tables]
    wanted = item.table or (names[0] if len(names) == 1 else None)
    table = next((table for table in version.tables if table.name == wanted), None)
    if table is None:
        raise JoinError(
            "join.no_such_table",
            f"expected {f'table {wanted!r}' if wanted else 'the name of a table'}, found "
            f"{', '.join(names)} in the version.",
            remedy="Name one of them in inputs[].table.",
            file=dataset_path(version.dataset_id, version.version),
        )
    return table


def _asked_for(manifest: Manifest) -> dict[str, bool]:
    """Return whether a raster's target_crs was asked for: its default does not warp."""
    if manifest.intent != "ingest_raster":
        return {}
    return {"is_target_crs_given": "target_crs" in manifest.options.model_fields_set}


def content_hash(
    manifest: Manifest,
    files: tuple[FetchedFile, ...],
    datasets: tuple[FetchedDataset, ...] = (),
) -> str:
    """Return the sha256 hex over inputs, request and recipe version.

    The request is what may change the published data: how each file is to be read, the contract
    and the options. Where a file lies and what the metadata says are not part of it.
    """
    request = {
        "recipe": RECIPE_VERSION,
        "intent": manifest.intent,
        "contract": manifest.contract.model_dump(mode="json"),
        "options": manifest.options.model_dump(mode="json", exclude={"wait_for_files_s"}),
        **_asked_for(manifest),
        "files": [
            {
                **item.file.model_dump(mode="json", exclude={"path"}),
                "name": item.file.name,
                "sha256": item.sha256,
            }
            for item in files
        ],
        "datasets": [
            {
                "path": dataset_path(item.dataset_id, item.version),
                "table": item.table.name,
                "sha256": item.sha256,
            }
            for item in datasets
        ],
    }
    return hashlib.sha256(canonical_json(request)).hexdigest()
