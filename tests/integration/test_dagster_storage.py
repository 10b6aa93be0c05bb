"""Dagster's storage: how many connections it takes, and what it does when one is lost."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from dagster_postgres.utils import get_conn_string

from services.dagster.storage import KEPT_CONNECTIONS, PatientPostgresStorage

INSTANCES = 10


@pytest.fixture
def url(stack_env: dict[str, str]) -> str:
    """The address of Dagster's database, with a name of this test's own for its connections."""
    return get_conn_string(
        username=stack_env["DAGSTER_POSTGRES_USER"],
        password=stack_env["DAGSTER_POSTGRES_PASSWORD"],
        hostname=stack_env["DAGSTER_POSTGRES_HOST"],
        port=stack_env["DAGSTER_POSTGRES_PORT"],
        db_name=stack_env["DAGSTER_POSTGRES_DB"],
        params={"application_name": uuid.uuid4().hex},
    )


@pytest.fixture
def watcher(url: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection beside those of the storage."""
    with closing(psycopg2.connect(url, application_name="watcher")) as connection:
        connection.autocommit = True
        yield connection


def backends(watcher: psycopg2.extensions.connection, url: str) -> set[int]:
    with watcher.cursor() as cursor:
        name = url.rpartition("=")[2]
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name])
        return {pid for (pid,) in cursor.fetchall()}


def test_the_instances_of_a_process_share_the_connections_that_are_kept(
    url: str, watcher: psycopg2.extensions.connection
) -> None:
    seen: set[int] = set()
    for _ in range(INSTANCES):
        storage = PatientPostgresStorage(url)
        storage.run_storage.get_runs(limit=1)
        storage.event_log_storage.get_maximum_record_id()
        storage.schedule_storage.all_instigator_state()
        seen |= backends(watcher, url)
    assert 1 <= len(seen) <= KEPT_CONNECTIONS


def test_a_connection_that_is_lost_is_replaced(
    url: str, watcher: psycopg2.extensions.connection
) -> None:
    storage = PatientPostgresStorage(url)
    storage.run_storage.get_runs(limit=1)
    lost = backends(watcher, url)
    with watcher.cursor() as cursor:
        for pid in lost:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    storage.run_storage.get_runs(limit=1)
    assert lost
    assert backends(watcher, url).isdisjoint(lost)
