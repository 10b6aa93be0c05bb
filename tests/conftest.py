"""The servers that tests run against, started once a session, beside any stack that runs."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from pymongo import MongoClient
from pymongo.database import Database

from services.local.layout import Layout
from services.local.settings import read_env_file
from services.local.stack import admin_environment, remove_stack, start_stack
from tests.support import LandingUser, bare_s3_client


@pytest.fixture(scope="session")
def stack_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start the whole stack on free ports; a server that does not start fails the session."""
    state_dir = tmp_path_factory.mktemp("stack") / "state"
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    yield start_stack(state_dir, environ=environ)
    remove_stack(state_dir)


@pytest.fixture(scope="session")
def admin_env(stack_env: dict[str, str]) -> dict[str, str]:
    """The settings of the stack with the keys of who may make buckets and databases."""
    return admin_environment(Path(stack_env["DAGSTER_HOME"]).parent)


@pytest.fixture
def environment(admin_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give this process the settings of the stack, and the right to buckets of its own."""
    for name, value in admin_env.items():
        monkeypatch.setenv(name, value)
    return admin_env


@pytest.fixture(scope="session")
def s3_client(admin_env: dict[str, str]) -> Minio:
    """A bare S3 client of the administrator."""
    return bare_s3_client(admin_env)


@pytest.fixture(scope="session")
def mongo_client(admin_env: dict[str, str]) -> Iterator[MongoClient[dict[str, Any]]]:
    """A bare MongoDB client of the administrator."""
    with MongoClient[dict[str, Any]](admin_env["MONGO_URI"], tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def user(stack_env: dict[str, str]) -> LandingUser:
    """A user of the landing zone that the daemon watches, who may do nothing else."""
    layout = Layout.of(Path(stack_env["DAGSTER_HOME"]).parent)
    client = bare_s3_client(read_env_file(layout.identity_env("uploader")))
    return LandingUser(client, "landing-zone")


@pytest.fixture(scope="session")
def ledger_database(
    stack_env: dict[str, str], mongo_client: MongoClient[dict[str, Any]]
) -> Database[dict[str, Any]]:
    """The ledger that the daemon writes."""
    return mongo_client[stack_env["MONGO_DATABASE"]]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for this test's drop that no other test has."""
    base = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")
    return f"{base[:40].strip('-')}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def data() -> Path:
    """The folder with the test data."""
    return Path(__file__).parent / "data"
