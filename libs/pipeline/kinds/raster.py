"""Raster files: each becomes a Cloud Optimized GeoTIFF, its pixels as they were.

What belongs here: the way of a raster through the phases. What does not: what is read
(`raster_sources`), decided (`raster_planning`) and compared (`raster_check`) on the way.
"""

from dataclasses import replace
from pathlib import Path

from libs.compute.footprint import footprint
from libs.compute.measure import TableFacts
from libs.models.fidelity import GeometryFacts, HopFacts, Hops
from libs.models.version import (
    Output,
    Raster,
    RasterBand,
    SourceRef,
    SourceRows,
    TableVersion,
    Transformation,
    Warn,
)
from libs.pipeline.kinds.base import Kind
from libs.pipeline.kinds.raster_check import check_raster
from libs.pipeline.kinds.raster_planning import RasterPlan, plan_rasters
from libs.pipeline.kinds.raster_sources import find_rasters, read_raster
from libs.pipeline.kinds.raster_state import LoadedRaster, TransformedRaster
from libs.pipeline.kinds.transformations import transformation_warnings
from libs.pipeline.state import DumpedFile, DumpedTable, Fetched, Loaded
from libs.pipeline.workbench import Workbench
from libs.spatial_utils import cog
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.drivers import OUTPUT_SUFFIXES
from libs.spatial_utils.ogr import GDAL_PYTHON
from libs.spatial_utils.operations import describe_transformation
from libs.spatial_utils.rasters import Band, RasterDescription

COG = "cog"
COG_DRIVERS = ("GTiff",)
ITEM = 1
ONE_ITEM = HopFacts(rows=ITEM)


class RasterKind(Kind[LoadedRaster, TransformedRaster]):
    """GeoTIFF, HGT, IMG, ASCII grids, PNG and JPEG with world files."""

    name = "raster"

    def load(self, bench: Workbench, fetched: Fetched) -> Loaded:
        """Read all rasters, once it is known that each may be published.

        Raises `SourceError` or `CrsError` naming the file.
        """
        found, warnings = find_rasters(bench, fetched)
        plans = plan_rasters(fetched.intake.manifest, fetched.intake.dataset_id, found)
        tables = []
        for plan in plans:
            description, said = read_raster(bench, plan.raster, plan.description)
            read = replace(plan, description=description)
            tables.append(LoadedRaster(plan.name, ITEM, ITEM, read))
            warnings += said
        return Loaded(fetched, tuple(tables), tuple(warnings))

    def transform(
        self,
        bench: Workbench,
        loaded: Loaded,  # noqa: ARG002 - the interface's
        table: LoadedRaster,
        number: int,
    ) -> tuple[TransformedRaster, list[Warn]]:
        """Write the COG of a raster, read it back to the last pixel, and find its place."""
        plan = table.plan
        path = bench.subfolder(f"cog/{number}") / f"table{OUTPUT_SUFFIXES[COG]}"
        is_masked = _warp(bench, plan, path) if plan.target else _translate(bench, plan, path)
        written = bench.clients.gdal.describe_raster(
            path, drivers=COG_DRIVERS, with_pixels=True, is_alone=True, file=plan.raster.label
        )
        crs = parse_crs(written.crs.wkt) if written.crs else plan.target or plan.crs
        transformed = TransformedRaster(
            name=plan.name,
            facts=TableFacts(HopFacts(rows=ITEM, geometry=GeometryFacts(bbox=written.bbox))),
            crs=crs,
            columns=(),
            file=plan.raster.label,
            layer="",
            transformations=_transformations(plan),
            plan=plan,
            path=path,
            description=written,
            footprint=footprint(bench.clients.postgis, written.corners, crs),
            is_masked_by_us=is_masked,
        )
        return transformed, _warp_warnings(transformed)

    def check(self, bench: Workbench, table: TransformedRaster) -> tuple[int, list[Warn]]:  # noqa: ARG002
        """Compare the COG with its source, band by band."""
        return check_raster(table)

    def formats(
        self, table: TransformedRaster, wanted: tuple[str, ...] | None
    ) -> tuple[list[str], list[Warn]]:
        """Return COG, the one format of rasters."""
        others = [name for name in wanted or () if name != COG]
        return [COG], [
            Warn(
                code="output.other_format",
                message=f"Table {table.name!r} was written as {COG} instead of {name}, because it "
                "is a raster.",
            )
            for name in others
        ]

    def write(
        self, bench: Workbench, table: TransformedRaster, output_format: str, folder: Path
    ) -> tuple[DumpedFile, list[Warn]]:
        """Take the COG, alone in its folder, as the file to publish; open it once more."""
        path = table.path.rename(folder / table.path.name)
        bench.clients.gdal.describe_raster(
            path, drivers=COG_DRIVERS, with_pixels=False, is_alone=True, file=table.file
        )
        return DumpedFile(output_format, path, ONE_ITEM, path.stat().st_size), []

    def describe(self, table: DumpedTable, outputs: tuple[Output, ...]) -> TableVersion:
        """Return the raster as the version document shows it."""
        transformed = table.table
        assert isinstance(transformed, TransformedRaster)  # noqa: S101 - what `transform` returned
        source = SourceRows(file=transformed.file, layer=transformed.layer, rows=ITEM)
        return TableVersion(
            name=transformed.name,
            rows=ITEM,
            columns=(),
            geometry_types=(),
            crs=transformed.crs.name if transformed.crs else None,
            bbox=transformed.facts.bbox,
            source=SourceRef(file=source.file, layer=source.layer),
            sources=(source,),
            transformations=transformed.transformations,
            hops=Hops(
                read=(ONE_ITEM,),
                loaded=(ONE_ITEM,),
                transformed=ONE_ITEM,
                written={file.format: file.holds for file in table.files},
            ),
            outputs=outputs,
            raster=_raster(transformed),
        )


def _translate(bench: Workbench, plan: RasterPlan, path: Path) -> bool:
    args = cog.translate_args(
        plan.description, plan.raster.path, path, assigned_wkt=plan.assigned_wkt
    )
    _run(bench, plan, "gdal_translate", args, path)
    return False


def _warp(bench: Workbench, plan: RasterPlan, path: Path) -> bool:
    """Reproject into a file to throw away, then write the COG; return whether a mask was added."""
    assert plan.target is not None  # noqa: S101 - the caller's condition
    work = path.with_name("warped.tif")
    steps = cog.warp(
        plan.description,
        plan.raster.path,
        work,
        path,
        source_wkt=plan.crs.wkt,
        target_wkt=plan.target.wkt,
        memory_bytes=bench.clients.gdal.limits.memory_bytes,
    )
    _run(bench, plan, "gdalwarp", steps.warp_args, path)
    if steps.needs_mask:
        _run(bench, plan, GDAL_PYTHON, steps.facts_args, path)
    _run(bench, plan, "gdal_translate", steps.cog_args, path)
    work.unlink()
    return steps.needs_mask


def _run(bench: Workbench, plan: RasterPlan, program: str, args: list[str], path: Path) -> None:
    gdal = bench.clients.gdal
    gdal.run(
        program, args, cwd=path.parent, env=gdal.raster_env([plan.description.driver]),
        file=plan.raster.label,
    )  # fmt: skip


def _transformations(plan: RasterPlan) -> tuple[Transformation, ...]:
    if plan.target is None:
        return ()
    return (describe_transformation(plan.crs, plan.target, plan.description.bbox),)


def _warp_warnings(table: TransformedRaster) -> list[Warn]:
    if not table.is_warped:
        return []
    resampling = cog.warp_resampling(table.plan.description.bands)
    resampled = Warn(
        code="raster.resampled",
        message=f"Table {table.name!r}: pixels were resampled ({resampling}) to "
        f"{table.crs.short_name if table.crs else ''}, as options.target_crs asks; leave it out "
        "to keep them as they are.",
        file=table.file,
    )
    return [resampled, *transformation_warnings(table.name, table.transformations)]


def _raster(table: TransformedRaster) -> Raster:
    found = table.description
    return Raster(
        width=found.width,
        height=found.height,
        bands=tuple(_band(band, found) for band in found.bands),
        resolution=found.resolution,
        overviews=len(found.bands[0].overviews),
        compression=found.structure.get("COMPRESSION", "NONE"),
        is_warped=table.is_warped,
        footprint=table.footprint.geojson,
    )


def _band(band: Band, raster: RasterDescription) -> RasterBand:
    assert band.pixels is not None, raster  # noqa: S101 - it was read with its pixels
    return RasterBand(
        type=band.type_name,
        nodata=band.nodata_value,
        min=band.pixels.min,
        max=band.pixels.max,
        description=band.description,
        color_interpretation=band.color_interpretation,
        color_table_entries=len(band.color_table),
        mask=band.mask,
        scale=band.scale,
        offset=band.offset,
        unit=band.unit,
        sha256=band.pixels.sha256,
    )
