"""A run's ephemeral schema, and the session that tells whether it still holds what was put there.

Tables are UNLOGGED: a crash of the server empties them, and a server that was made anew has none.
Both end every session. So while one session lives that is as old as the schema, the tables hold
what the run put there; once it is gone, nothing is taken from them any more.

What belongs here: making the schema, watching over it, making it anew. What does not: doing the
work again (`libs.pipeline.steadily`).
"""

import logging

import psycopg2
from sqlalchemy.pool import PoolProxiedConnection

from libs.compute.postgis import PostGIS
from libs.models.errors import ComputeError
from libs.patience import wait_out
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping

logger = logging.getLogger(__name__)


class Scratch:
    """The schema of one run; `patience_s` is how long it waits for PostGIS to come back."""

    def __init__(self, postgis: PostGIS, run_id: str, *, mark: str, patience_s: float) -> None:
        self.schema = RunIdSchemaMapping.from_run_id(run_id).schema_name
        self._postgis, self._mark, self._patience_s = postgis, mark, patience_s
        self._session: PoolProxiedConnection | None = None

    def make(self) -> None:
        """Make the schema anew, empty; raises `ComputeError` where PostGIS stays away."""
        wait_out(self._make, self._patience_s)

    def is_intact(self) -> bool:
        """Return whether PostGIS has lost nothing since the schema was made."""
        if self._session is None:
            return False
        try:
            cursor = self._session.cursor()
            cursor.execute("SELECT 1")
            self._session.rollback()
        except psycopg2.Error:
            return False
        return True

    def drop(self) -> None:
        """Drop the schema; where PostGIS is away, the reaper does."""
        try:
            self._postgis.drop_schema(self.schema)
        except ComputeError as err:
            logger.warning("%s is left to the reaper: %s", self.schema, err)
        finally:
            self._end_session()

    def _make(self) -> None:
        self._end_session()
        self._session = self._postgis.own_session()
        self._postgis.drop_schema(self.schema)
        self._postgis.create_schema(self.schema, self._mark)

    def _end_session(self) -> None:
        if self._session is None:
            return
        if not self.is_intact():
            self._session.invalidate()
        self._session.close()
        self._session = None
