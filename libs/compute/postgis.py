"""The compute server: one engine, its session settings, its errors translated.

What belongs here: connections for SQLAlchemy, ogr2ogr and Arrow, all from the same settings, and
the life of an ephemeral schema. What does not: what happens inside a schema (`libs.compute.*`).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import psycopg2
from psycopg2 import sql
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from libs.disk_full import disk_full, is_disk_full
from libs.models.config import PostGISSettings
from libs.models.errors import ComputeError, SourceError
from libs.models.fidelity import Bbox
from libs.spatial_utils.schema_mapper import PREFIX, RunIdSchemaMapping

SESSION_SETTINGS = "-c timezone=UTC -c synchronize_seqscans=off -c client_min_messages=warning"
ROW_TOO_WIDE = "row is too big"
DISK_FULL = "53100"
LOST_SERVER_STATES = ("08", "57", "53", "58")
CANCEL_AGAIN_S = 0.1


@dataclass(frozen=True)
class PostGIS:
    """The compute database."""

    settings: PostGISSettings

    @cached_property
    def engine(self) -> Engine:
        """A pooled engine; connections are tested before use."""
        settings = self.settings
        engine = create_engine(
            URL.create(
                "postgresql+psycopg2",
                username=settings.user,
                password=settings.password.get_secret_value(),
                host=settings.host,
                port=settings.port,
                database=settings.db,
            ),
            pool_pre_ping=True,
            pool_size=2,
            max_overflow=-1,
            connect_args={
                "connect_timeout": 10,
                "options": SESSION_SETTINGS,
                "application_name": "spatial-etl",
            },
            hide_parameters=True,
        )
        event.listen(engine, "handle_error", _translate)
        return engine

    @property
    def ogr_source(self) -> str:
        """The connection as OGR's PostgreSQL driver names it; the password goes by environment."""
        return (
            f"PG:host='{self.settings.host}' port='{self.settings.port}' "
            f"user='{self.settings.user}' dbname='{self.settings.db}'"
        )

    @property
    def ogr_env(self) -> dict[str, str]:
        """The environment that ogr2ogr needs beside `ogr_source`."""
        return {
            "PGPASSWORD": self.settings.password.get_secret_value(),
            "PGOPTIONS": SESSION_SETTINGS,
            "PGCONNECT_TIMEOUT": "10",
        }

    @contextmanager
    def arrow_session(self) -> Iterator[adbc.Connection]:
        """Lend a connection that speaks Arrow; one that was used in vain is not lent again.

        Tables are read by one worker, in the order in which they lie. Raises `adbc.Error`.
        """
        lent = self._arrow_pool.connect()
        try:
            yield lent.driver_connection
        except BaseException:
            lent.invalidate()
            raise
        finally:
            lent.close()

    @cached_property
    def _arrow(self) -> adbc.Connection:
        """The connection whose database the others share: that has asked for the types."""
        return adbc.connect(self._uri)

    @cached_property
    def _arrow_pool(self) -> QueuePool:
        pool = QueuePool(self._arrow.adbc_clone, pool_size=2, max_overflow=-1)
        event.listen(pool, "checkout", _require_alive)
        return pool

    def close(self) -> None:
        """Close the connections that are kept."""
        self.engine.dispose()
        if "_arrow_pool" in vars(self):
            self._arrow_pool.dispose()
            self._arrow.close()
            del vars(self)["_arrow_pool"], vars(self)["_arrow"]

    @property
    def _uri(self) -> str:
        """The connection as a libpq URI, password included: for a call in this process only."""
        settings = self.settings
        options = f"{SESSION_SETTINGS} -c max_parallel_workers_per_gather=0"
        password = quote(settings.password.get_secret_value(), safe="")
        return (
            f"postgresql://{quote(settings.user, safe='')}:{password}@{settings.host}:"
            f"{settings.port}/{quote(settings.db, safe='')}?options={quote(options)}"
        )

    @contextmanager
    def ephemeral_schema(self, run_id: str, *, mark: str = "") -> Iterator[str]:
        """Create the schema of a run, yield its name, and drop it on every way out.

        `mark` is kept as the schema's comment, so that whoever finds it knows whose it was.
        """
        schema = RunIdSchemaMapping.from_run_id(run_id).schema_name
        self.create_schema(schema, mark)
        try:
            yield schema
        finally:
            self.drop_schema(schema)

    def create_schema(self, schema: str, mark: str) -> None:
        """Create a run's schema, `mark` being its comment."""
        self.run(
            sql.SQL("CREATE SCHEMA {0}; COMMENT ON SCHEMA {0} IS {1}").format(
                sql.Identifier(schema), sql.Literal(mark)
            )
        )

    def own_session(self) -> PoolProxiedConnection:
        """Return a connection of the caller's own until it is closed."""
        return self._raw_connection()

    def drop_schema(self, schema: str) -> None:
        """Drop a run's schema and all it holds; raises `TerminalError` for any other schema."""
        mapping = RunIdSchemaMapping.from_schema_name(schema)
        self.run(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(mapping.schema_name))
        )

    def ephemeral_schemas(self) -> dict[str, str]:
        """Return name -> mark of the runs' schemas in this database; an unmarked one has ''."""
        rows = self.run(
            sql.SQL(
                "SELECT nspname, coalesce(obj_description(oid, 'pg_namespace'), '') "
                "FROM pg_namespace WHERE starts_with(nspname, {}) ORDER BY nspname"
            ).format(sql.Literal(PREFIX))
        )
        return dict(rows)

    def run(self, statement: str | sql.Composable, schema: str | None = None) -> list[Any]:
        """Run a statement in one transaction, inside `schema` where one is named; return its rows.

        Raises `ComputeError` where the server is lost, `SourceError` where the data is why.
        """
        with self.engine.begin() as connection:
            cursor = connection.connection.cursor()
            if schema is not None:
                self._execute(
                    cursor,
                    sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)),
                )
            self._execute(cursor, statement)
            return list(cursor.fetchall()) if cursor.description else []

    def render(self, statement: sql.Composable) -> str:
        """Return a statement as text, quoted as this server wants it."""
        with closing(self._raw_connection()) as connection:
            cursor: Any = connection.cursor()
            return statement.as_string(cursor)

    def table_exists(self, schema: str, table: str) -> bool:
        """Return whether `schema` has a table of that name."""
        with self.engine.connect() as connection:
            found = connection.execute(
                text("SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table"),
                {"schema": schema, "table": table},
            )
            return found.first() is not None

    def bounds(self, schema: str, table: str, column: str) -> Bbox | None:
        """Return the extent of a geometry column in its own CRS; None where there is none."""
        ((box,),) = self.run(
            sql.SQL(
                "SELECT CASE WHEN b IS NOT NULL THEN "
                "ARRAY[ST_XMin(b), ST_YMin(b), ST_XMax(b), ST_YMax(b)] END "
                "FROM (SELECT ST_Extent({}) AS b FROM {}) AS extent"
            ).format(sql.Identifier(column), sql.Identifier(schema, table))
        )
        return (box[0], box[1], box[2], box[3]) if box else None

    def _raw_connection(self) -> PoolProxiedConnection:
        try:
            return self.engine.raw_connection()
        except psycopg2.Error as err:
            raise named_error(err) from err

    def _execute(self, cursor: Any, statement: str | sql.Composable) -> None:
        try:
            _execute_interruptibly(cursor, statement)
        except psycopg2.Error as err:
            raise named_error(err) from err


def _execute_interruptibly(cursor: Any, statement: str | sql.Composable) -> None:
    """Execute a statement; what interrupts this thread cancels it, and need not wait for its end.

    libpq waits in C, where Python's handlers of signals do not run: hence a thread of its own.
    """
    with ThreadPoolExecutor(1, "statement") as worker:
        done = worker.submit(cursor.execute, statement)
        try:
            done.result()
        except psycopg2.Error:
            raise
        except BaseException:
            # It may not have reached the server yet.
            while not done.done():
                with suppress(psycopg2.Error):
                    cursor.connection.cancel()
                wait([done], CANCEL_AGAIN_S)
            raise


def _require_alive(connection: adbc.Connection, _record: object, _lent: object) -> None:
    """Have the pool make another connection in place of one that PostGIS has ended."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
        connection.rollback()
    except adbc.Error as err:
        raise DisconnectionError from err


def _translate(context: Any) -> None:
    """Raise our error in place of SQLAlchemy's."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError | OperationalError):
        raise named_error(context.original_exception) from context.original_exception


def named_error(err: BaseException) -> ComputeError | SourceError:
    """Return our error for psycopg2's: the server's fault or the data's."""
    state = getattr(err, "pgcode", None)
    said = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
    if state == DISK_FULL or is_disk_full(said):
        return disk_full("PostGIS", said)
    if state is None or state.startswith(LOST_SERVER_STATES):
        return ComputeError(
            "compute.unavailable",
            f"expected PostGIS to answer, found: {said}.",
            remedy="Check PostGIS with `spatial-etl doctor`; the drop is tried again.",
        )
    if ROW_TOO_WIDE in said:
        return row_too_wide()
    return SourceError(
        "source.refused",
        f"expected PostGIS to accept the data, found: {said} (SQLSTATE {state}).",
        remedy="Correct what PostGIS names in the file and drop it again.",
    )


def row_too_wide(file: str | None = None, layer: str | None = None) -> SourceError:
    """Return the refusal of a row that is wider than a page of PostgreSQL."""
    return SourceError(
        "source.row_too_wide",
        "expected rows whose values take at most 8160 bytes (8 a double, 4 an integer, a short "
        "text its length and one, a long one 18), found a wider one.",
        remedy="Split the columns over several tables with a key, or drop the file as two with "
        "half of the columns each.",
        file=file,
        layer=layer,
    )
