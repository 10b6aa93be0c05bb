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

from services.local.stack import remove_stack, start_stack
from tests.support import LandingUser


@pytest.fixture(scope="session")
def stack_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start the whole stack on free ports; a server that does not start fails the session."""
    state_dir = tmp_path_factory.mktemp("stack") / "state"
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    yield start_stack(state_dir, environ=environ)
    remove_stack(state_dir)


@pytest.fixture
def environment(stack_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give this process the settings of the stack."""
    for name, value in stack_env.items():
        monkeypatch.setenv(name, value)
    return stack_env


@pytest.fixture(scope="session")
def s3_client(stack_env: dict[str, str]) -> Minio:
    """A bare S3 client."""
    return Minio(
        stack_env["MINIO_ENDPOINT"],
        access_key=stack_env["MINIO_ACCESS_KEY"],
        secret_key=stack_env["MINIO_SECRET_KEY"],
        secure=False,
        region="us-east-1",
    )


@pytest.fixture(scope="session")
def mongo_client(stack_env: dict[str, str]) -> Iterator[MongoClient[dict[str, Any]]]:
    """A bare MongoDB client."""
    with MongoClient[dict[str, Any]](stack_env["MONGO_URI"], tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def user(s3_client: Minio) -> LandingUser:
    """A user of the landing zone that the daemon watches."""
    return LandingUser(s3_client, "landing-zone")


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
