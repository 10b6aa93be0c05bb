"""The ledger as a Dagster resource; configured by `MONGO_*`."""

from typing import Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from etl_pipelines.resources.patience import patience_of
from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger
from libs.ledger.records import DropRecord
from libs.models.config import MongoSettings
from libs.models.receipt import Receipt
from libs.models.version import Version
from libs.pipeline.clients import ledger


class MongoDBResource(ConfigurableResource[Any]):
    """The source of truth: drops, attempts, dataset versions, lineage."""

    _pair: tuple[Ledger, Catalog] | None = PrivateAttr(default=None)
    _patience_s: float = PrivateAttr(default=0)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Be patient with the server inside a run."""
        self._patience_s = patience_of(context)

    def teardown_after_execution(self, _context: InitResourceContext) -> None:
        """Close the connection at the end of a run or a tick."""
        if self._pair is not None:
            self._pair[0].database.client.close()

    def get_ledger(self) -> Ledger:
        """Return the drops and attempts."""
        return self._connected()[0]

    def get_catalog(self) -> Catalog:
        """Return the versions and lineage."""
        return self._connected()[1]

    def insert_manifest(self, drop: DropRecord) -> bool:
        """Record a drop; False where the ledger knows it already."""
        return self.get_ledger().insert(drop)

    def update_manifest_status(self, receipt: Receipt, *, attempt: int | None = None) -> bool:
        """Give a drop its final status; False where the drop moved on."""
        return self.get_ledger().answer(receipt, attempt=attempt)

    def get_manifest(self, drop_id: str) -> DropRecord | None:
        """Return a drop; None where it is not known."""
        return self.get_ledger().get(drop_id)

    def insert_asset(self, version: Version) -> Version | None:
        """Publish a version; None where another drop took its number."""
        return self.get_catalog().publish(version)

    def get_latest_asset(self, dataset_id: str) -> Version | None:
        """Return the newest version of a dataset."""
        return self.get_catalog().latest(dataset_id)

    def get_next_version(self, dataset_id: str) -> int:
        """Return the number the next version of a dataset would get."""
        return self.get_catalog().next_version(dataset_id)

    def asset_exists(self, content_hash: str) -> bool:
        """Return whether any version was made of this content."""
        return self.get_catalog().has_content(content_hash)

    def _connected(self) -> tuple[Ledger, Catalog]:
        if self._pair is None:
            self._pair = ledger(MongoSettings(), patience_s=self._patience_s)
        return self._pair
