"""The seven phases without Dagster: for tests that look inside."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from libs.models.version import TableVersion, Version
from libs.pipeline.attempts import RunOrder
from libs.pipeline.check import check
from libs.pipeline.dump import dump
from libs.pipeline.fetch import fetch
from libs.pipeline.intake import intake
from libs.pipeline.load import load
from libs.pipeline.publish import publish
from libs.pipeline.reception import look
from libs.pipeline.transform import transform
from libs.pipeline.workbench import Clients, Workbench, open_workbench
from tests.support import LandingUser


@dataclass(frozen=True)
class Line:
    """Drops and phases over one set of clients."""

    clients: Clients
    user: LandingUser

    def order(self, name: str, manifest: dict[str, Any]) -> RunOrder:
        """Drop a manifest and return the order that one look gives."""
        self.user.drop(name, manifest)
        (order,) = look(self.clients, lambda *_: "active").orders
        return order

    @contextmanager
    def workbench(self) -> Iterator[Workbench]:
        """Open the workbench of a new run."""
        with open_workbench(self.clients, str(uuid.uuid4())) as bench:
            yield bench

    def run(self, name: str, manifest: dict[str, Any]) -> Version:
        """Drop a manifest, run all phases, and return the published version."""
        order = self.order(name, manifest)
        with self.workbench() as bench:
            state: Any = intake(bench, order.drop_id, order.attempt)
            for phase in (fetch, load, transform, check, dump, publish):
                state = phase(bench, state)
        version: Version = state.version
        return version


def lake_bytes(line: Line, table: TableVersion, wanted: str) -> bytes:
    """Return the published file of a table in one format."""
    (output,) = [output for output in table.outputs if output.format == wanted]
    response = line.clients.lake.client.get_object(line.clients.lake.bucket, output.key)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()
