"""The landing zone and the lake over an S3 client in memory."""

import hashlib
from pathlib import Path
from typing import cast

import pytest
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, ServerError

from libs.models.config import MinIOSettings
from libs.models.errors import FidelityError, ManifestError, SourceError, StorageError
from libs.models.manifest import MAX_MANIFEST_BYTES
from libs.pipeline.clients import storage
from libs.storage.client import stream, translated
from libs.storage.lake import Lake, sha256_of_file, version_prefix
from libs.storage.landing import ARCHIVE, REJECTED, LandingZone, receipt_key
from tests.unit.examples import BUCKET, receipt
from tests.unit.fakes import FakeMinio, s3_error


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("manifests/roads.json", "receipts/roads.json"),
        ("manifests/ana/roads.JSON", "receipts/ana/roads.json"),
        ("manifests/roads", "receipts/roads.json"),
        ("manifests/roads.json.txt", "receipts/roads.json.txt.json"),
        ("manifests/a.b.json", "receipts/a.b.json"),
    ],
)
def test_a_receipt_has_the_manifests_name(manifest: str, expected: str) -> None:
    assert receipt_key(manifest) == expected


def test_manifests_are_listed_oldest_first(landing: LandingZone, minio: FakeMinio) -> None:
    for name in ("manifests/b.json", "manifests/sub/c.json", "manifests/a.json"):
        minio.put(BUCKET, name, b"{}")
        minio.clock.advance(0.5)
    minio.put(BUCKET, "manifests/folder/", b"")
    minio.put(BUCKET, "uploads/d.json", b"{}")
    assert [item.key for item in landing.list_manifests()] == [
        "manifests/b.json", "manifests/sub/c.json", "manifests/a.json",
    ]  # fmt: skip


def put_manifest(minio: FakeMinio, content: bytes = b"{}") -> str:
    """Drop `manifests/a.json` and return its etag."""
    minio.put(BUCKET, "manifests/a.json", content)
    return minio.objects[BUCKET, "manifests/a.json"].etag


def test_a_manifest_is_read_no_further_than_the_limit(
    landing: LandingZone, minio: FakeMinio
) -> None:
    put_manifest(minio, b"x" * (MAX_MANIFEST_BYTES + 500))
    (item,) = landing.list_manifests()
    assert len(landing.read_manifest(item)) == MAX_MANIFEST_BYTES + 1


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_manifest_gone_or_replaced_since_it_was_listed_is_not_read(
    landing: LandingZone, minio: FakeMinio, is_gone: bool
) -> None:
    put_manifest(minio, b"{}")
    (item,) = landing.list_manifests()
    if is_gone:
        minio.remove_object(BUCKET, item.key)
    else:
        put_manifest(minio, b'{"a": 1}')
    assert landing.read_manifest(item) is None


@pytest.mark.parametrize(
    ("content", "error", "code"),
    [
        (None, SourceError, "source.missing"),
        (b"{", ManifestError, "manifest.invalid_json"),
    ],
)
def test_a_manifest_that_cannot_be_had_is_refused(
    landing: LandingZone, minio: FakeMinio, content: bytes | None, error: type, code: str
) -> None:
    if content is not None:
        put_manifest(minio, content)
    with pytest.raises(error) as caught:
        landing.get_manifest("manifests/a.json")
    assert caught.value.reason.code == code


def test_a_manifest_is_got_as_its_json_object(landing: LandingZone, minio: FakeMinio) -> None:
    put_manifest(minio, b'{"a": 1}')
    assert landing.get_manifest("manifests/a.json") == {"a": 1}


@pytest.mark.parametrize("folder", [ARCHIVE, REJECTED])
def test_an_answered_manifest_moves(landing: LandingZone, minio: FakeMinio, folder: str) -> None:
    etag = put_manifest(minio, b'{"a": 1}')
    assert landing.settle("manifests/a.json", etag, folder=folder) == f"{folder}a.json"
    assert minio.keys(BUCKET) == [f"{folder}a.json"]
    assert minio.content(BUCKET, f"{folder}a.json") == b'{"a": 1}'
    assert landing.settle("manifests/a.json", etag, folder=folder) is None


def test_a_manifest_follows_a_new_answer(landing: LandingZone, minio: FakeMinio) -> None:
    for content in (b"1", b"2"):
        etag = put_manifest(minio, content)
        landing.settle("manifests/a.json", etag, folder=REJECTED)
    assert landing.settle("manifests/a.json", etag, folder=ARCHIVE) == "archive/a.json"
    assert minio.keys(BUCKET) == ["archive/a.json", "rejected/a.json"]
    assert minio.content(BUCKET, "archive/a.json") == b"2"


def test_a_manifest_dropped_since_the_answer_stays(landing: LandingZone, minio: FakeMinio) -> None:
    etag = put_manifest(minio, b'{"a": 1}')
    put_manifest(minio, b'{"a": 2}')
    assert landing.settle("manifests/a.json", etag, folder=ARCHIVE) is None
    assert minio.keys(BUCKET) == ["manifests/a.json"]


def test_the_same_manifest_dropped_again_since_the_answer_stays(
    landing: LandingZone, minio: FakeMinio, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = minio.clock()
    etag = put_manifest(minio, b"1")
    minio.clock.advance(2)
    put_manifest(minio, b"1")
    assert landing.settle("manifests/a.json", etag, folder=ARCHIVE, dropped_at=first) is None
    assert minio.keys(BUCKET) == ["manifests/a.json"]

    copy = minio.copy_object

    def dropped_meanwhile(*args: object) -> None:
        copy(*args)
        minio.clock.advance(2)
        put_manifest(minio, b"1")

    monkeypatch.setattr(minio, "copy_object", dropped_meanwhile)
    second = minio.clock()
    landing.settle("manifests/a.json", etag, folder=ARCHIVE, dropped_at=second)
    assert minio.keys(BUCKET) == ["archive/a.json", "manifests/a.json"]


def test_a_manifest_replaced_at_the_last_moment_stays_where_deleting_knows_conditions(
    landing: LandingZone, minio: FakeMinio, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = put_manifest(minio, b"1")
    delete = minio._execute

    def replaced_just_before(*args: object, **headers: object) -> None:
        put_manifest(minio, b"2")
        delete(*args, **headers)

    monkeypatch.setattr(minio, "_execute", replaced_just_before)
    landing.settle("manifests/a.json", etag, folder=ARCHIVE)
    assert minio.content(BUCKET, "manifests/a.json") == b"2"


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_server_that_refuses_the_condition_or_finds_nothing_ends_no_move(
    landing: LandingZone, minio: FakeMinio, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    etag = put_manifest(minio, b"1")

    def refused(*_: object, **__: object) -> None:
        if is_gone:
            minio.remove_object(BUCKET, "manifests/a.json")
        raise s3_error("NoSuchKey" if is_gone else "NotImplemented", BUCKET, "manifests/a.json")

    monkeypatch.setattr(minio, "_execute", refused)
    assert landing.settle("manifests/a.json", etag, folder=ARCHIVE) == "archive/a.json"
    assert minio.keys(BUCKET) == ["archive/a.json"]


@pytest.mark.parametrize("moment", ["before the copy", "after the copy"])
def test_a_manifest_replaced_while_it_moves_stays(
    landing: LandingZone, minio: FakeMinio, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    etag = put_manifest(minio, b'{"a": 1}')
    copy = minio.copy_object

    def replaced_meanwhile(*args: object) -> None:
        if moment == "before the copy":
            put_manifest(minio, b'{"a": 2}')
        copy(*args)
        put_manifest(minio, b'{"a": 2}')

    monkeypatch.setattr(minio, "copy_object", replaced_meanwhile)
    landing.settle("manifests/a.json", etag, folder=ARCHIVE)
    assert minio.content(BUCKET, "manifests/a.json") == b'{"a": 2}'


def test_an_earlier_manifest_of_that_name_is_kept(landing: LandingZone, minio: FakeMinio) -> None:
    for content in (b"1", b"2", b"3", b"1"):
        landing.settle("manifests/a.json", put_manifest(minio, content), folder=ARCHIVE)
    kept = {minio.content(BUCKET, key) for key in minio.keys(BUCKET, ARCHIVE)}
    assert kept == {b"1", b"2", b"3"}
    assert all(key.endswith(".json") for key in minio.keys(BUCKET))


def test_json_is_written_and_its_etag_returned(landing: LandingZone, minio: FakeMinio) -> None:
    etag = landing.put_json("manifests/a.json", b"{}")
    assert landing.stat("manifests/a.json").etag == etag


def test_a_receipt_is_written_to_its_key(landing: LandingZone, minio: FakeMinio) -> None:
    key = landing.put_receipt(receipt())
    assert key == "receipts/roads.json"
    assert type(receipt()).model_validate_json(minio.content(BUCKET, key)) == receipt()


def test_a_version_has_a_folder_of_its_own() -> None:
    assert version_prefix("transport/roads", 3, "0b1c") == "transport/roads/v3-0b1c/"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.fgb"
    path.write_bytes(b"features")
    return path


FEATURES = hashlib.sha256(b"features").hexdigest()


def test_a_file_is_uploaded_and_verified(lake: Lake, minio: FakeMinio, table: Path) -> None:
    assert lake.upload(table, "a/v1-x/roads.fgb") == FEATURES == sha256_of_file(table)
    assert minio.content("data-lake", "a/v1-x/roads.fgb") == b"features"


def test_an_upload_may_be_repeated_but_never_replaces(
    lake: Lake, minio: FakeMinio, table: Path
) -> None:
    lake.upload(table, "k")
    assert lake.upload(table, "k") == FEATURES
    minio.put("data-lake", "k", b"others")
    with pytest.raises(FidelityError, match="to be free") as caught:
        lake.upload(table, "k")
    assert caught.value.reason.code == "fidelity.key_taken"
    assert minio.content("data-lake", "k") == b"others"


def test_a_write_that_reads_back_otherwise_is_an_error(
    lake: Lake, minio: FakeMinio, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = minio.put
    monkeypatch.setattr(minio, "put", lambda bucket, key, content: put(bucket, key, content[:-1]))
    with pytest.raises(StorageError) as caught:
        lake.upload(table, "k")
    assert caught.value.reason.code == "storage.corrupt_write"


def test_a_copy_is_verified(lake: Lake, minio: FakeMinio, table: Path) -> None:
    lake.upload(table, "old")
    lake.copy("old", "new", FEATURES)
    lake.remove("old")
    assert minio.keys("data-lake") == ["new"]
    with pytest.raises(StorageError, match="to read back"):
        lake.copy("new", "newer", "0" * 64)


def test_the_lake_is_deleted_from_with_the_reapers_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"ENDPOINT": "s3:1", "ACCESS_KEY": "pipeline", "SECRET_KEY": "a"}
    for name, value in keys.items():
        monkeypatch.setenv(f"MINIO_{name}", value)
    assert MinIOSettings().reaper.access_key == "pipeline"

    monkeypatch.setenv("MINIO_REAPER_ACCESS_KEY", "reaper")
    monkeypatch.setenv("MINIO_REAPER_SECRET_KEY", "b")
    lake = storage(MinIOSettings())[1]

    users = [client._provider.retrieve().access_key for client in (lake.client, lake.remover)]
    assert users == ["pipeline", "reaper"]


def test_a_download_never_replaces_a_file(lake: Lake, table: Path, tmp_path: Path) -> None:
    lake.upload(table, "k")
    assert lake.download("k", tmp_path / "copy") == FEATURES
    assert (tmp_path / "copy").read_bytes() == b"features"
    with pytest.raises(FileExistsError):
        lake.download("k", table)


def test_a_stream_that_breaks_goes_on_behind_its_last_byte(
    minio: FakeMinio, lake: Lake, table: Path, tmp_path: Path
) -> None:
    lake.upload(table, "k")
    minio.breaks = [3, 2]

    assert lake.download("k", tmp_path / "copy") == FEATURES
    assert (tmp_path / "copy").read_bytes() == b"features"


def test_a_stream_does_not_go_on_in_another_object(minio: FakeMinio, landing: LandingZone) -> None:
    minio.put(landing.bucket, "a", b"first")
    chunks = stream(cast("Minio", minio), landing.bucket, "a")
    minio.breaks = [3]
    assert next(chunks) == b"fir"
    minio.put(landing.bucket, "a", b"other")

    with pytest.raises(StorageError, match="PreconditionFailed"):
        next(chunks)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("AccessDenied", "storage.denied"),
        ("XMinioStorageFull", "storage.full"),
        ("InternalError", "storage.failed"),
        ("SlowDown", "storage.unavailable"),
        ("EntityTooLarge", "storage.refused"),
    ],
)
def test_an_answer_of_the_server_has_a_code_of_its_own(code: str, name: str) -> None:
    with pytest.raises(StorageError) as caught, translated("write"):
        raise s3_error(code, BUCKET, "k")
    assert caught.value.reason.code == name


def test_a_presigned_url_ends(lake: Lake) -> None:
    assert lake.presigned_url("k", expires_s=60).endswith("data-lake/k?expires=60")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (s3_error("AccessDenied", "b", "k"), "AccessDenied: AccessDenied said the server"),
        (ServerError("bad gateway", 502), "an unexpected answer (ServerError)"),
        (InvalidResponseError(200, "text/html", "<html>"), "an unexpected answer"),
        (urllib3.exceptions.ProtocolError("reset"), "ProtocolError: reset"),
        (ConnectionResetError("reset"), "ConnectionResetError: reset"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_a_server_that_does_not_answer_is_a_transient_error(error: Exception, said: str) -> None:
    with pytest.raises(StorageError) as caught, translated("look up s3://b/k"):
        raise error
    assert "expected the S3 server to look up s3://b/k" in caught.value.reason.message
    assert said in caught.value.reason.message


def test_an_error_of_the_local_disk_is_not_the_servers() -> None:
    with pytest.raises(FileNotFoundError), translated("write"):
        Path("/nowhere/at/all").read_bytes()
