"""Dagster's PostgreSQL storage, patient: a run survives an outage of Dagster's database.

A run tells Dagster of each step while it works; dagster-postgres gives up after six seconds without
a connection, and the run would end over it. The webserver makes connections of its own that fail as
fast as before.

What belongs here: connecting. What does not: what is stored.
"""

import time
from collections.abc import Mapping
from typing import Any, Self

import psycopg2
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import event

# dagster-postgres asks for a connection six times: a minute and some seconds in all.
PATIENCE_S = 10.0
PAUSE_S = 0.5


class PatientPostgresStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage whose connections wait for a server that is away."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            event.listen(storage._engine, "do_connect", _connect)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the storage that dagster.yaml describes."""
        return cls(pg_url_from_config(config_value), inst_data)


def _connect(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return dialect.connect(*arguments, **parameters)
        except psycopg2.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE_S)
