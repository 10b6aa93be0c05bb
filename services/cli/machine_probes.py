"""One question about each thing a run needs of its machine: GDAL's programs and a work folder.

What belongs here: looking at them, and the remedy where they do not suffice. What does not: servers
(`services.cli.probes`).
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from libs.models.config import ServiceSettings
from libs.pipeline.clients import gdal
from libs.spatial_utils.drivers import OUTPUT_DRIVERS, TABLE_DRIVERS, VECTOR_DRIVERS
from libs.spatial_utils.ogr import GDAL_PYTHON, Gdal
from services.cli.output import size
from services.cli.probes import ANSWER_S, ProblemError
from services.cli.settings import Environment

GDAL_PROGRAMS = ("ogr2ogr", "ogrinfo", "gdalinfo", "gdal_translate", "gdalwarp")
LEAST_FREE_BYTES = 1024**3


def probe_gdal(environment: Environment) -> str:
    """Run GDAL's programs and look for every driver that is needed."""
    remedy = "Install GDAL: apt-get install gdal-bin python3-gdal util-linux."
    settings = environment.build(ServiceSettings).model_copy(update={"gdal_timeout_s": ANSWER_S})
    missing = [name for name in GDAL_PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ProblemError(f"no {', '.join(missing)} on PATH", remedy)
    programs = gdal(settings)
    lacking = _lacking_drivers(programs)
    if lacking:
        raise ProblemError(f"no driver {', '.join(lacking)}", "Install a GDAL that has them.")
    osgeo = [GDAL_PYTHON, "-I", "-c", "from osgeo import ogr"]
    try:
        subprocess.run(osgeo, check=True, capture_output=True, timeout=ANSWER_S)
    except (OSError, subprocess.SubprocessError) as err:
        raise ProblemError(f"{GDAL_PYTHON} cannot import osgeo", remedy) from err
    return programs.version()


def _lacking_drivers(programs: Gdal) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        formats = programs.run("ogrinfo", ["--formats"], cwd=Path(folder)).stdout
    needed = {*VECTOR_DRIVERS, *OUTPUT_DRIVERS.values(), "PostgreSQL"} - {*TABLE_DRIVERS}
    return sorted(name for name in needed if f" {name} -" not in formats)


def probe_work_dir(environment: Environment) -> str:
    """Write into the folder that runs work in, and look at the free space."""
    folder = environment.build(ServiceSettings).work_dir
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            free_bytes = shutil.disk_usage(nearest).free
    except OSError as err:
        raise ProblemError(
            f"{nearest} cannot be written: {err.strerror}",
            "Correct SPATIAL_ETL_WORK_DIR or the folder's permissions.",
        ) from err
    if free_bytes < LEAST_FREE_BYTES:
        raise ProblemError(f"{folder}: {size(free_bytes)} free", "Free some space there.")
    return f"{folder}: {size(free_bytes)} free"
