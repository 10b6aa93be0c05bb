"""The reaper takes what dead runs left, and nothing else."""

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from libs.models.owner import Owner, RunMark
from libs.pipeline.reaping import Finding, reap
from libs.pipeline.workbench import MARK_FILE, Clients, open_workbench
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping
from tests.unit.conftest import Reception
from tests.unit.examples import ELSEWHERE, GONE, HERE, NOON, version

LAKE = "data-lake"


@dataclass
class FakePostGIS:
    """The schemas of a compute database, by name, with their comments."""

    schemas: dict[str, str] = field(default_factory=dict)

    def ephemeral_schemas(self) -> dict[str, str]:
        return dict(self.schemas)

    def drop_schema(self, schema: str) -> None:
        self.schemas.pop(schema, None)

    def create_schema(self, schema: str, comment: str) -> None:
        self.schemas[schema] = comment

    def own_session(self) -> Any:
        return Mock()


@pytest.fixture
def postgis() -> FakePostGIS:
    return FakePostGIS()


@pytest.fixture
def service(dropped: Reception, postgis: FakePostGIS) -> Reception:
    """Return a reception with a good drop, on a compute database."""
    dropped.clients = replace(dropped.clients, postgis=postgis)
    return dropped


def leave(service: Reception, run_id: str, owner: Owner, *, ledger: str | None = None) -> str:
    """Leave a schema and a folder of a run; return the schema's name."""
    clients = service.clients
    mark = RunMark(
        run_id=run_id, ledger=ledger or clients.ledger.identity, owner=owner, made_at=NOON
    ).model_dump_json()
    schema = RunIdSchemaMapping.from_run_id(run_id).schema_name
    clients.postgis.schemas[schema] = mark
    folder = clients.settings.work_dir / run_id
    folder.mkdir(parents=True)
    (folder / MARK_FILE).write_text(mark)
    (folder / "roads.gpkg").write_text("data")
    return schema


def left(service: Reception) -> list[str]:
    """Return what lies about: schemas, folders, files in the lake, half uploads."""
    clients: Clients = service.clients
    root = clients.settings.work_dir
    return [
        *clients.postgis.ephemeral_schemas(),
        *(path.name for path in (sorted(root.iterdir()) if root.exists() else ())),
        *service.minio.keys(LAKE),
        *service.minio.uploads.values(),
    ]


def taken(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.kind, finding.name) for finding in findings if finding.is_over]


def test_what_a_killed_run_left_is_taken(service: Reception) -> None:
    run_id = service.start(service.order())
    schema = leave(service, run_id, GONE)
    key = f"transport/roads/v1-{run_id}/roads.parquet"
    service.minio.put(LAKE, key, b"half")
    service.minio.uploads["u1"] = f"transport/roads/v1-{run_id}/roads.fgb"

    would = reap(service.clients, dry_run=True)
    assert len(left(service)) == 4
    findings = reap(service.clients)

    assert would == findings
    assert left(service) == []
    folder = str(service.clients.settings.work_dir / run_id)
    assert taken(findings) == [
        ("schema", schema),
        ("folder", folder),
        ("upload", f"transport/roads/v1-{run_id}/roads.fgb"),
        ("object", key),
    ]
    assert {finding.why for finding in findings} == {f"{GONE} is gone"}
    assert reap(service.clients) == []


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, None])
def test_a_mark_that_cannot_be_read_does_not_end_the_reaping(
    service: Reception, monkeypatch: pytest.MonkeyPatch, error: type[OSError] | None
) -> None:
    """A run that ends takes its folder away, mark and all, while the reaper looks at it."""
    leave(service, "run-a", GONE)
    leave(service, "run-b", GONE)
    unreadable = service.clients.settings.work_dir / "run-a" / MARK_FILE
    unreadable.write_bytes(b"\xff")
    real = Path.read_text

    def read_text(path: Path, *arguments: Any, **named: Any) -> str:
        if path == unreadable and error is not None:
            raise error
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    reap(service.clients)
    assert left(service) == ["run-a"]


@pytest.mark.parametrize("is_superseded", [True, False])
def test_what_a_live_run_has_is_kept_even_behind_the_fence(
    service: Reception, is_superseded: bool
) -> None:
    run_id = service.start(service.order(), HERE)
    leave(service, run_id, HERE)
    service.minio.put(LAKE, f"transport/roads/v1-{run_id}/roads.parquet", b"just now")
    if is_superseded:
        service.clock.advance(3600 * 24)
        service.look()
    before = left(service)

    findings = reap(service.clients)

    assert left(service) == before
    assert {finding.why for finding in findings} == {f"{HERE} is alive"}


def test_what_cannot_be_seen_from_here_is_kept_until_its_lease_is_long_over(
    service: Reception,
) -> None:
    service.set(reap_after_s=3600)
    run_id = service.start(service.order(), ELSEWHERE)
    leave(service, run_id, ELSEWHERE)
    before = left(service)
    service.clock.advance(3600)
    assert taken(reap(service.clients)) == []
    assert left(service) == before
    service.clock.advance(60)
    reap(service.clients)
    assert left(service) == []


def test_a_published_version_is_kept_and_what_it_does_not_name_is_taken(
    service: Reception,
) -> None:
    order = service.order()
    run_id = service.start(order)
    named = f"transport/roads/v2-{run_id}/roads.parquet"
    made = version(2, manifest_id=order.drop_id, run_id=run_id)
    output = made.tables[0].outputs[0].model_copy(update={"key": named})
    table = made.tables[0].model_copy(update={"outputs": (output,)})
    service.clients.catalog.publish(made.model_copy(update={"tables": (table,)}))
    for key in (named, f"transport/roads/v1-{run_id}/roads.parquet"):
        service.minio.put(LAKE, key, b"data")

    reap(service.clients)

    assert service.minio.keys(LAKE) == [named]


def test_what_nobody_here_owns_is_kept(service: Reception) -> None:
    leave(service, "run-of-another", GONE, ledger="another ledger")
    postgis: FakePostGIS = service.clients.postgis
    postgis.schemas |= {"proc_unmarked": "", "proc_Other": "a user's own"}
    (service.clients.settings.work_dir / "notes").mkdir()
    for key in ("readme.txt", "a/v1-unknown/x.parquet"):
        service.minio.put(LAKE, key, b"data")
    service.minio.uploads["u1"] = "a/upload.bin"
    before = left(service)

    findings = reap(service.clients)

    assert left(service) == before
    assert taken(findings) == []
    assert {finding.why for finding in findings} == {
        "it belongs to the service of another ledger",
        "nothing tells whose it is",
        "no run of this service made it",
    }


def test_a_folder_that_was_never_marked_is_taken_once_it_is_old(service: Reception) -> None:
    root = service.clients.settings.work_dir
    for name, age_s in ((".unmarked-young", 0), (".unmarked-old", 3601)):
        (root / name).mkdir(parents=True)
        made_at = time.time() - age_s
        os.utime(root / name, (made_at, made_at))
    assert taken(reap(service.clients)) == [("folder", str(root / ".unmarked-old"))]
    assert left(service) == [".unmarked-young"]


def test_a_folder_has_its_mark_before_it_has_its_name(
    service: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = service.clients.settings.work_dir
    write = Path.write_text
    seen: list[list[str]] = []

    def looked_at(path: Path, text: str) -> int:
        seen.append([folder.name for folder in root.iterdir()])
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", looked_at)
    with open_workbench(service.clients, "run-a") as bench:
        assert (bench.folder, seen) == (root / "run-a", [[".unmarked-run-a"]])
        mark = RunMark.model_validate_json((bench.folder / MARK_FILE).read_text())
        assert (mark.run_id, mark.owner) == ("run-a", HERE)
    assert left(service) == []


def test_a_claim_whose_holder_is_gone_is_let_go(service: Reception) -> None:
    order = service.order()
    service.start(order)
    assert reap(service.clients) == [], "its lease runs"
    service.clock.advance(60)
    assert taken(reap(service.clients)) == [("claim", f"drop {order.drop_id}")]
    assert service.statuses() == ["received"]
    assert service.order().attempt == 2


def test_a_run_whose_end_nobody_recorded_gets_one(service: Reception) -> None:
    order = service.order()
    run_id = service.start(order)
    database = service.clients.ledger.database
    database.manifests.update_one({"_id": order.drop_id}, {"$set": {"status": "failed"}})
    assert taken(reap(service.clients)) == [("run", f"run {run_id}")]
    assert database.runs.find_one({"_id": run_id})["status"] == "lost"


def test_a_service_that_never_worked_has_nothing_to_reap(service: Reception) -> None:
    assert not Path(service.clients.settings.work_dir).exists()
    assert reap(service.clients) == []
