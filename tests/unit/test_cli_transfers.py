"""Delivering, following and downloading, on an S3 server and a ledger in memory."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from minio import Minio
from minio.error import S3Error

from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger, now
from libs.ledger.records import Delivery, DropRecord, FileClaim
from libs.models.errors import Reason
from libs.models.fidelity import HopFacts, Hops
from libs.models.manifest import ManifestMetadata
from libs.models.receipt import PhaseRecord, Receipt
from libs.models.version import (
    Output,
    SourceRef,
    TableVersion,
    Version,
)
from libs.storage.lake import Lake
from libs.storage.landing import LandingZone
from services.cli import follow as following
from services.cli.connections import Connections
from services.cli.deliver import Dropped, deliver
from services.cli.download import choose, fetch, is_there
from services.cli.drop import Drop, Request, drop_from_options
from services.cli.exits import AnswerTimeoutError, CliError
from services.cli.follow import Watch, follow
from tests.unit.examples import GONE

BUCKET = "landing-zone"
T0 = datetime(2026, 11, 21, tzinfo=UTC)


class MemoryS3:
    """The part of a minio client that the domain's storage uses."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(self, bucket: str, key: str, data: io.BytesIO, *_: Any) -> SimpleNamespace:
        self.objects[bucket, key] = data.read()
        return self.stat_object(bucket, key)

    def fput_object(self, bucket: str, key: str, path: str, progress: Any = None) -> None:
        content = Path(path).read_bytes()
        progress.update(len(content))
        self.objects[bucket, key] = content

    def stat_object(self, bucket: str, key: str) -> SimpleNamespace:
        content = self._get(bucket, key)
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return SimpleNamespace(etag=etag, size=len(content), last_modified=T0)

    def get_object(self, bucket: str, key: str, length: int = 0, **_: Any) -> SimpleNamespace:
        content = self._get(bucket, key)
        return SimpleNamespace(
            headers={},
            read=lambda: content[: length or None],
            stream=lambda size: iter([content[i : i + 3] for i in range(0, len(content), 3)]),
            close=lambda: None,
            release_conn=lambda: None,
        )

    def _get(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise S3Error(cast("Any", None), "NoSuchKey", "none", key, "", "")
        return self.objects[bucket, key]


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def servers(s3: MemoryS3, database: Any) -> Connections:
    client = cast("Minio", s3)
    return cast(
        "Connections",
        SimpleNamespace(
            landing=LandingZone(client, BUCKET),
            lake=Lake(client, "data-lake", client),
            ledger=Ledger(database),
            catalog=Catalog(database),
        ),
    )


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    path = tmp_path / "a.gpkg"
    path.write_text("content")
    request = Request("a", "p", "d", "ana", "ingest_vector", "a-1", {}, {}, {})
    return drop_from_options(request, [path], bucket=BUCKET)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_S", 0.0)
    monkeypatch.setattr(following, "GONE_GRACE_S", 0.0)


def claim(servers: Connections, dropped: Dropped, status: str = "received") -> DropRecord:
    """Do what reception does with a new drop."""
    identity, _ = dropped.identity(servers.landing)
    record = DropRecord(
        _id=identity,
        status=status,
        batch_id="a-1",
        files=(FileClaim(path="s3://landing-zone/a.gpkg", etag="e", size_bytes=1),),
        delivery=Delivery(key=dropped.drop.key, etag=dropped.etag, received_at=T0),
        attempt_limit=3,
        received_at=T0,
        updated_at=T0,
    )
    assert servers.ledger.insert(record)
    return record


def settle(servers: Connections, s3: MemoryS3, answer: Receipt) -> None:
    """Do what the service does with an answer: the receipt first, then the manifest moves."""
    servers.landing.put_receipt(answer)
    del s3.objects[BUCKET, answer.manifest]


def receipt(drop_id: str, status: str, **changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "status": status,
        "drop_id": drop_id,
        "batch_id": "a-1",
        "manifest": "manifests/a-1.json",
        "received_at": T0,
        "answered_at": T0,
    }
    return Receipt(**(values | changes))


def test_files_go_first_and_the_manifest_last(
    servers: Connections, s3: MemoryS3, drop: Drop
) -> None:
    deliver(servers.landing, drop, is_replacing=False)

    assert list(s3.objects) == [(BUCKET, "uploads/a/a-1/a.gpkg"), (BUCKET, "manifests/a-1.json")]


def test_another_manifest_that_waits_is_not_overwritten(
    servers: Connections, s3: MemoryS3, drop: Drop
) -> None:
    servers.landing.put_json(drop.key, b"{}")

    with pytest.raises(CliError, match="another one that has not been answered"):
        deliver(servers.landing, drop, is_replacing=False)
    assert s3.objects == {(BUCKET, drop.key): b"{}"}

    deliver(servers.landing, drop, is_replacing=True)
    assert s3.objects[BUCKET, drop.key] == drop.content


def test_the_same_manifest_that_waits_is_left_there(
    servers: Connections, drop: Drop, capsys: pytest.CaptureFixture[str]
) -> None:
    first = deliver(servers.landing, drop, is_replacing=False)

    assert deliver(servers.landing, drop, is_replacing=False).etag == first.etag
    assert "not dropped again" in capsys.readouterr().err


def test_a_drop_is_followed_to_its_answer(
    servers: Connections, s3: MemoryS3, drop: Drop, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = deliver(servers.landing, drop, is_replacing=False)
    watch = Watch(servers, dropped)
    assert watch.look() is None

    record = claim(servers, dropped)
    assert watch.look() is None
    servers.ledger.open_attempt(record)
    assert watch.look() is None
    servers.ledger.begin_attempt(record.id, 1, "run-7", owner=GONE, lease_s=60)
    phase = PhaseRecord(name="intake", started_at=now(), seconds=0.5, facts={"files": 1})
    servers.ledger.record_phases(record.id, 1, {0: phase})
    assert watch.look() is None
    failing = PhaseRecord(name="fetch", started_at=now())
    servers.ledger.record_phases(record.id, 1, {1: failing})
    reason = Reason(code="source.changed", message="m", remedy="r")
    answer = receipt(record.id, "rejected", reason=reason, attempt=1)
    servers.ledger.answer(answer, attempt=1)

    assert watch.look() == answer
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert [line[0] for line in lines] == [
        "uploaded", "dropped", "received", "queued", "running", "intake", "fetch",
    ]  # fmt: skip
    assert lines[-1][1] == "stopped"


def test_missing_files_are_named(
    servers: Connections, s3: MemoryS3, drop: Drop, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = deliver(servers.landing, drop, is_replacing=False)
    del s3.objects[BUCKET, "uploads/a/a-1/a.gpkg"]

    assert Watch(servers, dropped).look() is None
    said = capsys.readouterr().err
    assert "waiting  for 1 of 1 files: s3://landing-zone/uploads/a/a-1/a.gpkg" in said


def test_the_same_drop_again_gets_its_own_receipt_not_the_earlier_one(
    servers: Connections, s3: MemoryS3, drop: Drop
) -> None:
    dropped = deliver(servers.landing, drop, is_replacing=False)
    record = claim(servers, dropped)
    first = receipt(record.id, "published", version=1)
    servers.ledger.answer(first, attempt=None)
    settle(servers, s3, first)

    watch = Watch(servers, deliver(servers.landing, drop, is_replacing=False))
    assert watch.look() is None

    again = receipt(record.id, "unchanged", version=1, note="The same drop was answered.")
    settle(servers, s3, again)
    assert watch.look() == again


def test_a_receipt_of_a_drop_we_do_not_know_is_taken_only_if_it_is_new(
    servers: Connections, s3: MemoryS3, drop: Drop
) -> None:
    servers.landing.put_receipt(receipt("earlier", "published", manifest=drop.key))
    dropped = deliver(servers.landing, drop, is_replacing=False)
    watch = Watch(servers, dropped)
    assert watch.look() is None

    new = receipt("unforeseen", "rejected", manifest=drop.key)
    settle(servers, s3, new)
    assert watch.look() == new


def test_a_manifest_taken_away_is_told(servers: Connections, s3: MemoryS3, drop: Drop) -> None:
    dropped = deliver(servers.landing, drop, is_replacing=False)
    del s3.objects[BUCKET, drop.key]

    with pytest.raises(CliError, match="gone without an answer"):
        follow(servers, dropped, timeout_s=None)


def test_a_timeout_tells_where_the_drop_is(servers: Connections, drop: Drop) -> None:
    dropped = deliver(servers.landing, drop, is_replacing=False)
    claim(servers, dropped)

    with pytest.raises(AnswerTimeoutError, match="found the drop received"):
        follow(servers, dropped, timeout_s=0)


def version(content: bytes) -> Version:
    """Return a version of one table in two formats, both files holding `content`."""
    sha256 = hashlib.sha256(content).hexdigest()
    outputs = tuple(
        Output(format=name, key=f"a/v1-r/a{suffix}", size_bytes=len(content), sha256=sha256)
        for name, suffix in (("geoparquet", ".parquet"), ("gpkg", ".gpkg"))
    )
    table = TableVersion(
        name="a", rows=0, columns=(), geometry_types=(), crs=None, bbox=None,
        source=SourceRef(file="f", layer="l"), sources=(),
        hops=Hops(read=(), loaded=(), transformed=HopFacts(rows=0), written={}), outputs=outputs,
    )  # fmt: skip
    return Version(
        dataset_id="a", version=1, manifest_id="m", run_id="r", attempt=1, content_hash="c",
        kind="vector", tables=(table,), inputs=(), created_at=T0,
        metadata=ManifestMetadata(project="p", description="d"),
    )  # fmt: skip


def test_files_are_chosen_by_table_and_format(tmp_path: Path) -> None:
    found = choose(version(b""), tmp_path, tables=["a"], formats=["gpkg"])

    assert [target.path for target in found] == [tmp_path / "a.gpkg"]
    with pytest.raises(CliError, match="expected a@1 to have format csv, found geoparquet, gpkg"):
        choose(version(b""), tmp_path, tables=[], formats=["csv"])


def test_a_file_appears_whole_or_not_at_all(
    servers: Connections, s3: MemoryS3, tmp_path: Path
) -> None:
    (target,) = choose(version(b"content"), tmp_path, tables=[], formats=["gpkg"])

    s3.objects["data-lake", "a/v1-r/a.gpkg"] = b"damaged"
    with pytest.raises(CliError, match="the file was not kept"):
        fetch(servers.lake, target)
    assert list(tmp_path.iterdir()) == []

    s3.objects["data-lake", "a/v1-r/a.gpkg"] = b"content"
    fetch(servers.lake, target)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]
    assert is_there(target)


def test_a_different_file_is_never_overwritten(servers: Connections, tmp_path: Path) -> None:
    (target,) = choose(version(b"content"), tmp_path, tables=[], formats=["gpkg"])
    target.path.write_text("mine")

    with pytest.raises(CliError, match="found another one"):
        is_there(target)
    assert target.path.read_text() == "mine"


def test_a_file_missing_in_the_lake_is_told(servers: Connections, tmp_path: Path) -> None:
    (target,) = choose(version(b""), tmp_path, tables=[], formats=["gpkg"])

    with pytest.raises(CliError, match="found nothing in the lake"):
        fetch(servers.lake, target)
