"""GDAL's programs as a Dagster resource; limits by `SPATIAL_ETL_GDAL_*`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import ConfigurableResource
from pydantic import Field

from libs.models.config import ServiceSettings
from libs.pipeline.clients import gdal
from libs.spatial_utils.ogr import Gdal, GdalRun


class GDALResource(ConfigurableResource[Any]):
    """GDAL as child processes under limits of time, memory and output."""

    bin_dir: str | None = Field(
        default=None, description="folder searched for the programs before PATH"
    )

    def get_gdal(self) -> Gdal:
        """Return the programs."""
        return gdal(ServiceSettings(), bin_dir=Path(self.bin_dir) if self.bin_dir else None)

    def ogr2ogr(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> GdalRun:
        """Run ogr2ogr; raises as `Gdal.run`."""
        return self.get_gdal().run("ogr2ogr", args, cwd=cwd, env=env)

    def ogrinfo(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> GdalRun:
        """Run ogrinfo; raises as `Gdal.run`."""
        return self.get_gdal().run("ogrinfo", args, cwd=cwd, env=env)

    def gdalinfo(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> GdalRun:
        """Run gdalinfo; raises as `Gdal.run`."""
        return self.get_gdal().run("gdalinfo", args, cwd=cwd, env=env)

    def gdal_translate(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> GdalRun:
        """Run gdal_translate; raises as `Gdal.run`."""
        return self.get_gdal().run("gdal_translate", args, cwd=cwd, env=env)

    def gdalwarp(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> GdalRun:
        """Run gdalwarp; raises as `Gdal.run`."""
        return self.get_gdal().run("gdalwarp", args, cwd=cwd, env=env)
