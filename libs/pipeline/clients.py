"""All clients from the environment, made when they are asked for.

What belongs here: the one place where settings become clients. What does not: using them.
"""

from pathlib import Path

from libs.ledger import connection
from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger
from libs.models.config import MinIOSettings, MongoSettings, ServiceSettings
from libs.patience import wait_out
from libs.spatial_utils.child import Limits
from libs.spatial_utils.ogr import Gdal
from libs.storage import client as s3
from libs.storage.lake import Lake
from libs.storage.landing import LandingZone


def storage(settings: MinIOSettings, *, patience_s: float = 0) -> tuple[LandingZone, Lake]:
    """Return both buckets through clients that wait out outages of `patience_s` seconds.

    The lake deletes with the reaper's keys.
    """
    client = s3.connect(settings, patience_s=patience_s)
    remover = s3.connect(settings.reaper, patience_s=patience_s)
    lake = Lake(client, settings.lake_bucket, remover)
    return LandingZone(client, settings.landing_bucket), lake


def ledger(settings: MongoSettings, *, patience_s: float = 0) -> tuple[Ledger, Catalog]:
    """Return the ledger, its indexes ensured; it waits out outages of `patience_s` seconds."""
    database = connection.connect(settings)
    wait_out(lambda: connection.ensure_indexes(database), patience_s)
    return Ledger(database, patience_s), Catalog(database, patience_s)


def gdal(settings: ServiceSettings, *, bin_dir: Path | None = None) -> Gdal:
    """Return GDAL's programs under the service's limits; `bin_dir` is searched before PATH."""
    return Gdal(
        Limits(
            timeout_s=settings.gdal_timeout_s,
            memory_bytes=settings.gdal_memory_bytes,
            file_bytes=settings.max_unpacked_bytes,
        ),
        bin_dir,
    )
