"""The one assembly point: everything that Dagster knows is built here.

The code server loads this module by `-m etl_pipelines.definitions`.
"""

from typing import Any

from dagster import Definitions, mem_io_manager

from etl_pipelines.jobs.ingest import ingest
from etl_pipelines.jobs.ingest_many import ingest_many
from etl_pipelines.resources.gdal_resource import GDALResource
from etl_pipelines.resources.minio_resource import MinIOResource
from etl_pipelines.resources.mongodb_resource import MongoDBResource
from etl_pipelines.resources.postgis_resource import PostGISResource
from etl_pipelines.resources.workbench_resource import WorkbenchResource
from etl_pipelines.schedules.reaping import reap, reap_schedule
from etl_pipelines.sensors.manifest_sensor import build_manifest_sensor


def build_defs(*, resources: dict[str, Any] | None = None) -> Definitions:
    """Return fresh definitions; `resources` replaces resources by name."""
    doors: dict[str, Any] = {
        "minio": MinIOResource(),
        "postgis": PostGISResource(),
        "mongodb": MongoDBResource(),
        "gdal": GDALResource(),
    } | (resources or {})
    workbench = WorkbenchResource(
        minio=doors["minio"],
        postgis=doors["postgis"],
        mongodb=doors["mongodb"],
        gdal=doors["gdal"],
    )
    return Definitions(
        jobs=[ingest, ingest_many, reap],
        schedules=[reap_schedule],
        sensors=[build_manifest_sensor()],
        resources={"workbench": workbench, "io_manager": mem_io_manager, **doors},
    )


defs = build_defs()
