"""The servers a command talks to, connected when it asks for them.

What belongs here: settings turned into the domain's clients. What does not: finding the
settings (`services.cli.settings`), asking servers how they are (`services.cli.doctor`).
"""

from dataclasses import dataclass
from functools import cached_property

import click

from libs.compute.postgis import PostGIS
from libs.ledger import connection
from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger
from libs.models.config import MinIOSettings, MongoSettings, PostGISSettings, ServiceSettings
from libs.pipeline.clients import gdal, storage
from libs.pipeline.workbench import Clients
from libs.storage.lake import Lake
from libs.storage.landing import LandingZone
from services.cli.exits import CliUsageError
from services.cli.settings import Environment, current_environment

LEDGER_TIMEOUT_MS = 5000


@dataclass(frozen=True)
class Connections:
    """The domain's clients under the settings of `environment`."""

    environment: Environment

    @cached_property
    def service(self) -> ServiceSettings:
        """Settings of the service itself."""
        return self.environment.build(ServiceSettings)

    @cached_property
    def landing(self) -> LandingZone:
        """The landing zone."""
        return self._storage[0]

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return self._storage[1]

    @cached_property
    def ledger(self) -> Ledger:
        """Drops."""
        return self._ledger[0]

    @cached_property
    def catalog(self) -> Catalog:
        """Versions."""
        return self._ledger[1]

    @cached_property
    def clients(self) -> Clients:
        """All that the service itself uses."""
        return Clients(
            settings=self.service,
            landing=self.landing,
            lake=self.lake,
            ledger=self.ledger,
            catalog=self.catalog,
            postgis=PostGIS(self.environment.build(PostGISSettings)),
            gdal=gdal(self.service),
        )

    @cached_property
    def _storage(self) -> tuple[LandingZone, Lake]:
        settings = self.environment.build(MinIOSettings)
        try:
            return storage(settings)
        except ValueError as err:
            raise CliUsageError(
                "settings.invalid",
                f"expected MINIO_ENDPOINT to be host:port, found: {err}.",
                remedy="Set it without http:// and without a path.",
            ) from err

    @cached_property
    def _ledger(self) -> tuple[Ledger, Catalog]:
        settings = self.environment.build(MongoSettings)
        try:
            database = connection.connect(settings, timeout_ms=LEDGER_TIMEOUT_MS)
        except ValueError as err:
            raise CliUsageError(
                "settings.invalid",
                "expected MONGO_URI to be mongodb://user:password@host:port/, found another form.",
                remedy="Escape what is special in user and password as in any URL.",
            ) from err
        return Ledger(database), Catalog(database)


def connections(context: click.Context) -> Connections:
    """Return the connections of a command; nothing is sent until they are used."""
    return Connections(current_environment(context))
