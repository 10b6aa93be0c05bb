"""Dagster's PostgreSQL storage with connections that are kept, and that wait for their server.

dagster-postgres connects anew for every query, some two hundred times a drop and a dozen times a
second without one (`sessions` in pg_stat_database), and gives up after six seconds without a
connection, so that a run would end over an outage of Dagster's database. The webserver makes
connections of its own that are kept, and fail as fast as before.

What belongs here: connecting. What does not: what is stored.
"""

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

import psycopg2
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import Engine, create_engine, event

# dagster-postgres asks for a connection six times: a minute and some seconds in all.
PATIENCE_S = 10.0
PAUSE_S = 0.5
KEPT_CONNECTIONS = 3


class PatientPostgresStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage whose connections are the process's, not the instance's.

    Dagster makes an instance, and with it a storage, for every look of a sensor: only the first one
    of a process looks whether the tables are there.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        is_first = _shared_engine.cache_info().currsize == 0
        super().__init__(postgres_url, should_autocreate_tables=is_first, inst_data=inst_data)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = _shared_engine(postgres_url, os.getpid())

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the storage that dagster.yaml describes."""
        return cls(pg_url_from_config(config_value), inst_data)


@cache
def _shared_engine(postgres_url: str, _pid: int) -> Engine:
    """Return the connections of a process; a connection that is lost is replaced."""
    engine = create_engine(
        postgres_url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_pre_ping=True,
    )
    event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return dialect.connect(*arguments, **parameters)
        except psycopg2.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE_S)
