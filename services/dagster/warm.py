"""Imported by the process that runs are forked from, and by no other: what every run needs.

What belongs here: modules to have loaded, and what that process must be before it forks. What does
not: starting it (`services.dagster.code_server`).
"""

import gc
import signal
from contextlib import suppress
from importlib import import_module

from libs.without_pandas import hide_pandas

PHASES = ("intake", "fetch", "load", "transform", "check", "dump", "publish", "answer", "steadily")
NEEDED = (
    "dagster._core.execution.api",
    "services.dagster.storage",
    "pymongo.synchronous.auth",
    "upath",
    *(f"libs.pipeline.{phase}" for phase in PHASES),
    *(f"libs.pipeline.kinds.{kind}" for kind in ("vector", "raster", "tabular", "join")),
)


def prepare_gdal() -> None:
    """Start the server of readers, which runs share, and learn what GDAL's programs can."""
    from libs.models.config import ServiceSettings
    from libs.models.errors import SpatialEtlError
    from libs.pipeline.clients import gdal

    # Where the programs are missing, each run says so.
    with suppress(SpatialEtlError):
        gdal(ServiceSettings()).prepare()


hide_pandas()
for name in NEEDED:
    import_module(name)
prepare_gdal()
# A stop of the whole group is for the runs, which clean up after themselves; they set handlers of
# their own, and this process ends with the code server.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
gc.freeze()
