"""The workbench of a run: opened by its first phase, closed when the run ends, however it ends.

The in-process executor sets resources up once a run, so that folder and schema live from intake to
publish.
"""

import os
import signal
import uuid
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
from libs.models.errors import SupersededError
from libs.pipeline.lease import Lease, hold
from libs.pipeline.workbench import Clients, Workbench, open_workbench


class WorkbenchResource(ConfigurableResource[Any]):
    """A run's clients, work folder, ephemeral schema, and its lease on the drop."""

    minio: ResourceDependency[MinIOResource]
    postgis: ResourceDependency[PostGISResource]
    mongodb: ResourceDependency[MongoDBResource]
    gdal: ResourceDependency[GDALResource]

    _stack: ExitStack | None = PrivateAttr(default=None)
    _clients: Clients | None = PrivateAttr(default=None)
    _bench: Workbench | None = PrivateAttr(default=None)
    _lease: Lease | None = PrivateAttr(default=None)
    _own_run_id: str | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, _context: InitResourceContext) -> Iterator["WorkbenchResource"]:
        """Close what a run opened, on every way out."""
        with ExitStack() as stack:
            self._stack = stack
            yield self

    @contextmanager
    def for_one_drop(self) -> Iterator[None]:
        """Give a drop that shares Dagster's run with others a run of its own, closed behind it."""
        outer = self._stack
        self._own_run_id = str(uuid.uuid4())
        try:
            with ExitStack() as self._stack:
                yield
        finally:
            self._stack, self._own_run_id = outer, None
            self._bench = self._lease = None

    def run_id_of(self, dagster_run_id: str) -> str:
        """Return the id of the run at work: Dagster's, where no other drop shares that."""
        return self._own_run_id or dagster_run_id

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

    def get_workbench(self, dagster_run_id: str, drop_id: str, attempt: int) -> Workbench:
        """Return the workbench of a run for an attempt at a drop, opened at the first call."""
        if self._bench is None:
            if self._stack is None:
                raise RuntimeError("a workbench is opened inside a run only")
            clients = self.get_clients()
            clients.gdal.start_readers()
            bench = open_workbench(
                clients,
                self.run_id_of(dagster_run_id),
                drop_id=drop_id,
                attempt=attempt,
                dagster_run_id=dagster_run_id if self._own_run_id else None,
            )
            self._bench = self._stack.enter_context(bench)
        return self._bench

    def hold_lease(self, drop_id: str, attempt: int) -> None:
        """Hold the lease of an attempt that has begun until it is given back, or the run ends.

        Where another attempt takes the drop, this process is interrupted as by a user's cancel.
        """
        if self._stack is None:
            raise RuntimeError("a lease is held inside a run only")
        clients = self.get_clients()
        lease = hold(
            clients.ledger,
            drop_id,
            attempt,
            lease_s=clients.settings.lease_s,
            on_lost=lambda: os.kill(os.getpid(), signal.SIGINT),
        )
        self._lease = self._stack.enter_context(lease)

    def give_lease_back(self) -> None:
        """Stop holding the lease, before an answer takes the drop out of the attempt's hands."""
        if self._lease is not None:
            self._lease.give_back()

    @property
    def lost(self) -> SupersededError | None:
        """Why the attempt lost the drop; None while it has it."""
        return self._lease.lost if self._lease else None
