"""The compute database as a Dagster resource; configured by `POSTGRES_*`."""

from contextlib import AbstractContextManager
from typing import Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr
from sqlalchemy import Engine

from libs.compute.postgis import PostGIS
from libs.compute.tables import GEOMETRY_COLUMN
from libs.models.config import PostGISSettings
from libs.models.fidelity import Bbox


class PostGISResource(ConfigurableResource[Any]):
    """PostGIS as a transient compute node: load, transform, dump, drop."""

    _postgis: PostGIS | None = PrivateAttr(default=None)

    def teardown_after_execution(self, _context: InitResourceContext) -> None:
        """Close the connections at the end of a run or a tick."""
        if self._postgis is not None:
            self._postgis.close()

    def get_postgis(self) -> PostGIS:
        """Return the compute database."""
        if self._postgis is None:
            self._postgis = PostGIS(PostGISSettings())
        return self._postgis

    def get_engine(self) -> Engine:
        """Return the pooled SQLAlchemy engine; reflected tables have GeoAlchemy2's types."""
        import geoalchemy2  # noqa: F401 - registers the types

        return self.get_postgis().engine

    def ephemeral_schema(self, run_id: str) -> AbstractContextManager[str]:
        """Create `proc_<run id>`, give its name, and drop it on every way out."""
        return self.get_postgis().ephemeral_schema(run_id)

    def execute_sql(self, sql: str, schema: str) -> list[Any]:
        """Run a statement inside `schema` and return its rows."""
        return self.get_postgis().run(sql, schema)

    def table_exists(self, schema: str, table: str) -> bool:
        """Return whether `schema` has a table of that name."""
        return self.get_postgis().table_exists(schema, table)

    def get_table_bounds(
        self, schema: str, table: str, column: str = GEOMETRY_COLUMN
    ) -> Bbox | None:
        """Return xmin, ymin, xmax, ymax in the column's CRS; None for an empty table."""
        return self.get_postgis().bounds(schema, table, column)
