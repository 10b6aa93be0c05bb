"""What unit tests share: a ledger and buckets in memory, programs that stand in for GDAL's."""

import gc
import json
import stat
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mongomock
import pytest

from libs.compute.scratch import Scratch
from libs.ledger.catalog import Catalog
from libs.ledger.connection import ensure_indexes
from libs.ledger.ledger import Ledger
from libs.models.config import ServiceSettings
from libs.models.errors import SpatialEtlError
from libs.models.owner import Owner
from libs.models.receipt import Receipt
from libs.pipeline.answer import answer_error, answer_published
from libs.pipeline.attempts import Reconciled, RunOrder, RunState
from libs.pipeline.reception import look
from libs.pipeline.workbench import Clients, Workbench
from libs.spatial_utils.child import Limits
from libs.spatial_utils.ogr import Gdal
from libs.storage.lake import Lake
from libs.storage.landing import LandingZone, receipt_key
from tests.unit import examples
from tests.unit.fakes import Clock, FakeMinio

MIB = 1024 * 1024


def pytest_collection_finish() -> None:
    """Keep the collector from looking through all that was imported, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that ledger, reception and answers go by."""
    clock = Clock()
    for module in ("ledger.ledger", "pipeline.reception", "pipeline.attempts", "pipeline.answer"):
        monkeypatch.setattr(f"libs.{module}.now", clock)
    return clock


@pytest.fixture
def database(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an empty ledger database with its indexes, on a server with the test's clock."""
    monkeypatch.setattr(mongomock.Database, "command", lambda *_: {"localTime": clock()})
    database = mongomock.MongoClient(tz_aware=True)["ledger"]
    ensure_indexes(database)
    return database


@pytest.fixture
def ledger(database: Any) -> Ledger:
    return Ledger(database)


@pytest.fixture
def catalog(database: Any) -> Catalog:
    return Catalog(database)


@pytest.fixture
def minio(clock: Clock) -> FakeMinio:
    return FakeMinio(clock)


@pytest.fixture
def landing(minio: FakeMinio) -> LandingZone:
    return LandingZone(minio, examples.BUCKET)


@pytest.fixture
def lake(minio: FakeMinio) -> Lake:
    return Lake(minio, "data-lake", minio)


@pytest.fixture
def clients(
    landing: LandingZone, lake: Lake, ledger: Ledger, catalog: Catalog, tmp_path: Path
) -> Clients:
    """Return clients whose servers are in memory; PostGIS and GDAL are missing."""
    settings = ServiceSettings(work_dir=tmp_path / "work", retry_backoff_s=0)
    return Clients(settings, landing, lake, ledger, catalog, postgis=None, gdal=None)


@pytest.fixture
def bench(clients: Clients, tmp_path: Path) -> Workbench:
    """Return the workbench of run `run1`."""
    folder = tmp_path / "run1"
    folder.mkdir()
    scratch = Scratch(clients.postgis, "run1", mark="", patience_s=0)
    return Workbench(clients, "run1", folder, scratch)


@dataclass
class Reception:
    """The landing zone as users and the daemon see it."""

    clients: Clients
    minio: FakeMinio
    clock: Clock
    runs: dict[str, RunState] = field(default_factory=dict)

    def upload(self, *paths: str, content: bytes = b"data") -> None:
        for path in paths:
            self.minio.put(examples.BUCKET, path.removeprefix(f"s3://{examples.BUCKET}/"), content)

    def drop(self, name: str, manifest: dict[str, Any] | bytes) -> None:
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        self.minio.put(examples.BUCKET, f"manifests/{name}", content)

    def take_away(self, name: str) -> None:
        self.minio.remove_object(examples.BUCKET, f"manifests/{name}")

    def set(self, **settings: Any) -> None:
        changed = self.clients.settings.model_copy(update=settings)
        self.clients = replace(self.clients, settings=changed)

    def reconcile(self) -> Reconciled:
        """Look once, a second after the last look; return all that came of it."""
        self.clock.advance(1)
        return look(self.clients, lambda key, _: self.runs.get(key))

    def look(self) -> list[RunOrder]:
        """Look once; return the attempts to start."""
        return list(self.reconcile().orders)

    def order(self) -> RunOrder:
        """Look once and return the one order it gives."""
        (order,) = self.look()
        return order

    def start(self, order: RunOrder, owner: Owner = examples.GONE) -> str:
        """Let the run of an order begin, with a lease of a minute; return its id."""
        run_id = f"run-{order.drop_id[:6]}-{order.attempt}"
        self.clients.ledger.begin_attempt(
            order.drop_id, order.attempt, run_id, owner=owner, lease_s=60
        )
        self.runs[order.run_key] = "active"
        return run_id

    def publish(self, order: RunOrder, number: int = 1) -> None:
        """Let the run of an order publish and answer."""
        self.commit(order, number)
        version = self.clients.catalog.version_of_drop(order.drop_id)
        answer_published(self.clients, order.drop_id, version)
        self.runs[order.run_key] = "ended"

    def commit(self, order: RunOrder, number: int = 1) -> None:
        """Let the run of an order publish, and die before it answers."""
        self.start(order)
        self.clients.ledger.begin_publishing(order.drop_id, order.attempt)
        version = examples.version(
            number,
            manifest_id=order.drop_id,
            dataset_id=order.dataset_id,
            attempt=order.attempt,
        )
        assert self.clients.catalog.publish(version) == version

    def fail(self, order: RunOrder, error: SpatialEtlError) -> str:
        """Let the run of an order end with `error`; return the drop's status."""
        self.start(order)
        return self.fail_running(order, error)

    def fail_running(self, order: RunOrder, error: SpatialEtlError) -> str:
        """Let the running attempt of an order end with `error`; return the drop's status."""
        self.runs[order.run_key] = "ended"
        return answer_error(self.clients, order.drop_id, order.attempt, error)

    def waiting_manifests(self) -> list[str]:
        return self.names("manifests/")

    def names(self, folder: str) -> list[str]:
        return [key.removeprefix(folder) for key in self.minio.keys(examples.BUCKET, folder)]

    def receipt(self, name: str) -> Receipt:
        key = receipt_key(f"manifests/{name}")
        return Receipt.model_validate_json(self.minio.content(examples.BUCKET, key))

    def statuses(self) -> list[str]:
        return [drop.status for drop in self.clients.ledger.find()]


@pytest.fixture
def reception(clients: Clients, minio: FakeMinio, clock: Clock) -> Reception:
    return Reception(clients, minio, clock)


Program = Callable[..., Gdal]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Return a maker of `Gdal` whose program `ogr2ogr` is the given shell script."""

    def make(script: str, *, name: str = "ogr2ogr", **limits: Any) -> Gdal:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        bounds = {"timeout_s": 10, "memory_bytes": 512 * MIB, "file_bytes": 8 * MIB, **limits}
        return Gdal(Limits(**bounds), folder)

    return make


@pytest.fixture
def dropped(reception: Reception) -> Reception:
    """Return a landing zone with one good drop, `roads.json`."""
    reception.upload(examples.ROADS)
    reception.drop("roads.json", examples.document())
    return reception


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder to unpack into, a second one beside it; what lies around must not change."""
    folder = tmp_path / "work" / "unpacked"
    folder.mkdir(parents=True)
    (folder.parent / "2nd").mkdir()
    return folder
