"""The workbench of a run: opened by its first phase, closed when the run ends, however it ends.

The in-process executor sets resources up once a run, so that folder and schema live from intake to
publish.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster import ConfigurableResource, InitResourceContext, ResourceDependency
from pydantic import PrivateAttr

from etl_pipelines.resources.gdal_resource import GDALResource
from etl_pipelines.resources.minio_resource import MinIOResource
from etl_pipelines.resources.mongodb_resource import MongoDBResource
from etl_pipelines.resources.postgis_resource import PostGISResource
from libs.models.config import ServiceSettings
from libs.pipeline.workbench import Clients, Workbench, open_workbench


class WorkbenchResource(ConfigurableResource[Any]):
    """A run's clients, work folder and ephemeral schema."""

    minio: ResourceDependency[MinIOResource]
    postgis: ResourceDependency[PostGISResource]
    mongodb: ResourceDependency[MongoDBResource]
    gdal: ResourceDependency[GDALResource]

    _stack: ExitStack | None = PrivateAttr(default=None)
    _clients: Clients | None = PrivateAttr(default=None)
    _bench: Workbench | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, _context: InitResourceContext) -> Iterator["WorkbenchResource"]:
        """Close what a run opened, on every way out."""
        with ExitStack() as stack:
            self._stack = stack
            yield self

    def get_clients(self) -> Clients:
        """Return the clients."""
        if self._clients is None:
            self._clients = Clients(
                settings=ServiceSettings(),
                landing=self.minio.get_landing_zone(),
                lake=self.minio.get_lake(),
                ledger=self.mongodb.get_ledger(),
                catalog=self.mongodb.get_catalog(),
                postgis=self.postgis.get_postgis(),
                gdal=self.gdal.get_gdal(),
            )
        return self._clients

    def get_workbench(self, run_id: str) -> Workbench:
        """Return the workbench of run `run_id`, opened at the first call."""
        if self._bench is None:
            if self._stack is None:
                raise RuntimeError("a workbench is opened inside a run only")
            self._bench = self._stack.enter_context(open_workbench(self.get_clients(), run_id))
        return self._bench
