"""Clients of the real servers, with buckets and a ledger database that no daemon watches."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from pymongo import MongoClient

from libs.compute.postgis import PostGIS
from libs.ledger import connection
from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger
from libs.models.config import MinIOSettings, MongoSettings, PostGISSettings, ServiceSettings
from libs.pipeline.clients import gdal, storage
from libs.pipeline.workbench import Clients
from tests.crash import worker
from tests.crash.stage import LAKE as CRASH_LAKE
from tests.crash.stage import LANDING as CRASH_LANDING
from tests.crash.stage import Stage
from tests.integration.line import Line
from tests.support import LandingUser

LANDING, LAKE = "it-landing", "it-lake"


@pytest.fixture
def clients(
    environment: dict[str, str],
    s3_client: Minio,
    mongo_client: MongoClient[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clients]:
    """Return clients over an empty landing zone and an empty ledger."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("MINIO_LANDING_BUCKET", LANDING)
    monkeypatch.setenv("MINIO_LAKE_BUCKET", LAKE)
    monkeypatch.setenv("MONGO_DATABASE", database)
    monkeypatch.setenv("SPATIAL_ETL_RETRY_BACKOFF_S", "0")
    for bucket in (LANDING, LAKE):
        if not s3_client.bucket_exists(bucket):
            s3_client.make_bucket(bucket)
    landing, lake = storage(MinIOSettings())
    ledger_database = connection.connect(MongoSettings())
    connection.ensure_indexes(ledger_database)
    postgis = PostGIS(PostGISSettings())
    yield Clients(
        settings=ServiceSettings(),
        landing=landing,
        lake=lake,
        ledger=Ledger(ledger_database),
        catalog=Catalog(ledger_database),
        postgis=postgis,
        gdal=gdal(ServiceSettings()),
    )
    postgis.close()
    ledger_database.client.close()
    mongo_client.drop_database(database)
    for item in s3_client.list_objects(LANDING, recursive=True):
        s3_client.remove_object(LANDING, item.object_name)


@pytest.fixture
def own_user(clients: Clients) -> LandingUser:
    """A user of the landing zone of `clients`."""
    return LandingUser(clients.landing.client, clients.landing.bucket)


@pytest.fixture
def line(clients: Clients, own_user: LandingUser) -> Line:
    """The seven phases without Dagster."""
    return Line(clients, own_user)


@pytest.fixture
def stage(
    admin_env: dict[str, str], s3_client: Minio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Return a service with empty buckets, an empty ledger and an empty work folder."""
    environment = admin_env | {
        "MINIO_LANDING_BUCKET": CRASH_LANDING,
        "MINIO_LAKE_BUCKET": CRASH_LAKE,
        "MONGO_DATABASE": f"crash_{uuid.uuid4().hex[:12]}",
        "SPATIAL_ETL_RETRY_BACKOFF_S": "0",
        "SPATIAL_ETL_MAX_QUEUED": "100",
        "SPATIAL_ETL_WORK_DIR": str(tmp_path / "work"),
    }
    for bucket in (CRASH_LANDING, CRASH_LAKE):
        if not s3_client.bucket_exists(bucket):
            s3_client.make_bucket(bucket)
        for item in s3_client.list_objects(bucket, recursive=True):
            s3_client.remove_object(bucket, item.object_name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    clients = worker.all_clients()
    stage = Stage(environment, clients, LandingUser(s3_client, CRASH_LANDING), tmp_path)
    yield stage
    for process in stage.stopped:
        process.kill()
    clients.ledger.database.client.drop_database(environment["MONGO_DATABASE"])
    clients.ledger.database.client.close()
    clients.postgis.close()
