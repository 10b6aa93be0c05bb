"""Fetch: files as they were claimed, and the hash that knows content again."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from libs.ledger.records import Delivery, FileClaim
from libs.models.errors import SourceError
from libs.pipeline import fetch as fetch_module
from libs.pipeline.fetch import content_hash, fetch
from libs.pipeline.state import FetchedFile, Intake
from libs.pipeline.workbench import Workbench
from tests.unit.examples import BUCKET, NOON, ROADS, manifest, version
from tests.unit.fakes import FakeMinio

OTHER = f"s3://{BUCKET}/uploads/other.gpkg"


def hash_of(sha256: str = "a" * 64, path: str = ROADS, **changes: Any) -> str:
    """Return the content hash of a drop of one file."""
    file = changes.pop("file", {})
    request = manifest(**changes, files=[{"path": path, "type": "vector", **file}])
    return content_hash(request, (FetchedFile(request.files[0], Path("/x"), sha256, 1),))


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_id": "another"},
        {"uploader": "ben"},
        {"dataset_id": "transport/streets"},
        {"metadata": {"project": "p", "description": "d", "title": "t"}},
        {"options": {"wait_for_files_s": 1}},
        {"options": {"target_crs": "EPSG:4326"}},
        {"contract": {}},
        {"path": f"s3://{BUCKET}/elsewhere/roads.gpkg"},
    ],
    ids=str,
)
def test_what_does_not_change_the_data_does_not_change_the_hash(changes: dict[str, Any]) -> None:
    assert hash_of(**changes) == hash_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "b" * 64},
        {"path": f"s3://{BUCKET}/uploads/streets.gpkg"},
        {"intent": "ingest_road_network"},
        {"options": {"target_crs": "source"}},
        {"options": {"repair": True}},
        {"options": {"union_columns": True}},
        {"options": {"outputs": ["gpkg"]}},
        {"contract": {"min_rows": 1}},
        {"file": {"crs": "EPSG:4326"}},
        {"file": {"layer": "roads"}},
        {"file": {"table": "roads"}},
        {"file": {"format": "GPKG"}},
        {"file": {"encoding": "UTF-8"}},
    ],
    ids=str,
)
def test_what_may_change_the_data_changes_the_hash(changes: dict[str, Any]) -> None:
    assert hash_of(**changes) != hash_of()


def test_a_newer_recipe_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_of()
    monkeypatch.setattr(fetch_module, "RECIPE_VERSION", "next")
    assert hash_of() != before


def test_the_order_of_files_changes_the_hash() -> None:
    request = manifest(ROADS, OTHER)
    files = tuple(
        FetchedFile(file, Path("/x"), digit * 64, 1)
        for file, digit in zip(request.files, "ab", strict=True)
    )
    assert content_hash(request, files) != content_hash(request, files[::-1])


def taken(minio: FakeMinio, *files: dict[str, Any]) -> Intake:
    """Return the intake of a drop whose files are in the landing zone as they were claimed."""
    request = manifest(files=[{"type": "vector", **file} for file in files])
    claims = tuple(
        FileClaim(
            path=file.path, etag=minio.objects[BUCKET, file.key].etag,
            size_bytes=len(minio.content(BUCKET, file.key)),
        )
        for file in request.files
    )  # fmt: skip
    delivery = Delivery(key="manifests/a.json", etag="m1", received_at=NOON)
    return Intake("d1", 1, "run1", request, request.resolved_dataset_id, claims, delivery, ())


def test_files_of_one_name_are_kept_apart(bench: Workbench, minio: FakeMinio) -> None:
    minio.put(BUCKET, "a/x.gpkg", b"first")
    minio.put(BUCKET, "b/x.gpkg", b"second")
    intake = taken(minio, {"path": f"s3://{BUCKET}/a/x.gpkg"}, {"path": f"s3://{BUCKET}/b/x.gpkg"})
    fetched = fetch(bench, intake)
    assert [item.path.read_bytes() for item in fetched.files] == [b"first", b"second"]
    assert [item.path.name for item in fetched.files] == ["x.gpkg", "x.gpkg"]
    assert fetched.inputs[0].sha256 == hashlib.sha256(b"first").hexdigest()
    assert fetched.facts["size_bytes"] == 11
    assert fetched.unchanged is None


def test_a_file_replaced_after_the_claim_is_refused(bench: Workbench, minio: FakeMinio) -> None:
    minio.put(BUCKET, "uploads/roads.gpkg", b"claimed")
    intake = taken(minio, {"path": ROADS})
    minio.put(BUCKET, "uploads/roads.gpkg", b"another")
    with pytest.raises(SourceError) as caught:
        fetch(bench, intake)
    assert (caught.value.reason.code, caught.value.reason.file) == ("source.changed", ROADS)


def test_a_file_gone_after_the_claim_is_refused(bench: Workbench, minio: FakeMinio) -> None:
    minio.put(BUCKET, "uploads/roads.gpkg", b"claimed")
    intake = taken(minio, {"path": ROADS})
    minio.remove_object(BUCKET, "uploads/roads.gpkg")
    with pytest.raises(SourceError, match="found nothing"):
        fetch(bench, intake)


def test_a_file_with_another_sha256_is_refused(bench: Workbench, minio: FakeMinio) -> None:
    minio.put(BUCKET, "uploads/roads.gpkg", b"data")
    with pytest.raises(SourceError) as caught:
        fetch(bench, taken(minio, {"path": ROADS, "sha256": "0" * 64}))
    assert caught.value.reason.code == "source.sha256_differs"
    assert hashlib.sha256(b"data").hexdigest() in caught.value.reason.message


def test_a_name_too_long_for_the_file_system_keeps_its_suffix(
    bench: Workbench, minio: FakeMinio
) -> None:
    key = f"uploads/{'ä' * 200}.shp.zip"
    minio.put(BUCKET, key, b"data")
    fetched = fetch(bench, taken(minio, {"path": f"s3://{BUCKET}/{key}"}))
    assert fetched.files[0].path.name.endswith(".shp.zip")


@pytest.mark.parametrize(
    ("dataset_id", "is_unchanged"), [("transport/roads", True), ("transport/other", False)]
)
def test_content_of_the_datasets_newest_version_is_known_again(
    bench: Workbench, minio: FakeMinio, dataset_id: str, is_unchanged: bool
) -> None:
    minio.put(BUCKET, "uploads/roads.gpkg", b"data")
    digest = hash_of(hashlib.sha256(b"data").hexdigest())
    bench.clients.catalog.publish(version(4, dataset_id=dataset_id, content_hash=digest))
    fetched = fetch(bench, taken(minio, {"path": ROADS}))
    assert (fetched.unchanged is not None) is is_unchanged


def test_content_of_an_older_version_is_published_again(bench: Workbench, minio: FakeMinio) -> None:
    minio.put(BUCKET, "uploads/roads.gpkg", b"data")
    digest = hash_of(hashlib.sha256(b"data").hexdigest())
    bench.clients.catalog.publish(version(1, content_hash=digest))
    bench.clients.catalog.publish(version(2, content_hash="f" * 64))
    assert fetch(bench, taken(minio, {"path": ROADS})).unchanged is None
