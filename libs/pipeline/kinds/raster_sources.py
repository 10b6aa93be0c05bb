"""From raster files to described rasters: their headers first, then every pixel.

What belongs here: what may be opened and how large it may be. What does not: what a raster is
called and where it lies on Earth (`libs.pipeline.kinds.raster_planning`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.raster_files import RasterFile, find_raster_files
from libs.pipeline.state import Fetched
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.ascii_grid import scan_grid
from libs.spatial_utils.drivers import RASTER_DRIVERS
from libs.spatial_utils.rasters import RasterDescription

MAX_RATIO = 1000
RATIO_FREE_BYTES = 1024 * 1024 * 1024
BLOCK_SHARE = 8
READ_BY_US = (".prj",)


@dataclass(frozen=True)
class FoundRaster:
    """A raster file, and what its header says."""

    raster: RasterFile
    description: RasterDescription


def find_rasters(bench: Workbench, fetched: Fetched) -> tuple[list[FoundRaster], list[Warn]]:
    """Return the rasters of all files, in the manifest's order, and what was left aside.

    No pixel is read. Raises `SourceError` naming the file where one cannot be opened, or where its
    header claims more than is allowed.
    """
    files, warnings = find_raster_files(bench, fetched.files)
    found = [FoundRaster(raster, _describe(bench, raster, with_pixels=False)) for raster in files]
    for item in found:
        require_inside(item.raster, item.description)
        require_within_limits(bench, item.raster, item.description)
        require_one_raster(item.raster, item.description)
    return found, warnings


def read_raster(
    bench: Workbench, raster: RasterFile, header: RasterDescription
) -> tuple[RasterDescription, list[Warn]]:
    """Return what reading every pixel finds; raises `SourceError` where one cannot be read."""
    options = [_grid_type(raster, header)] if header.driver == "AAIGrid" else []
    description = _describe(bench, raster, options, with_pixels=True)
    return description, _warnings(raster, description)


def _describe(
    bench: Workbench, raster: RasterFile, open_options: Sequence[str] = (), *, with_pixels: bool
) -> RasterDescription:
    allowed = [raster.driver] if raster.driver else list(RASTER_DRIVERS)
    return bench.clients.gdal.describe_raster(
        raster.path,
        drivers=allowed,
        with_pixels=with_pixels,
        open_options=open_options,
        file=raster.label,
    )


def _grid_type(raster: RasterFile, header: RasterDescription) -> str:
    """Return the option that makes GDAL read every number as it is written."""
    numbers, wanted = scan_grid(raster.path), header.width * header.height
    if not numbers.is_numeric or numbers.count != wanted:
        found = f"{numbers.count} numbers" if numbers.is_numeric else "other text among them"
        raise SourceError(
            "source.unreadable",
            f"expected {wanted} numbers, as the header of the grid says, found {found}.",
            remedy="Export the grid anew and drop it again.",
            file=raster.label,
        )
    return f"DATATYPE={numbers.type_name}"


def require_inside(raster: RasterFile, header: RasterDescription) -> None:
    """Refuse a raster whose header names files that did not come with it."""
    folder = raster.path.parent.resolve()
    outside = [name for name in header.files if Path(name).resolve().parent != folder]
    if outside:
        raise SourceError(
            "source.foreign_reference",
            f"expected a raster that holds its own pixels, found references to "
            f"{', '.join(Path(name).name for name in outside)}.",
            remedy="Write the raster to one file, e.g. with gdal_translate, and drop that.",
            file=raster.label,
        )


def require_within_limits(bench: Workbench, raster: RasterFile, header: RasterDescription) -> None:
    """Refuse what a header claims: more than is allowed, or than its file can hold."""
    settings = bench.clients.settings
    held = sum(Path(name).stat().st_size for name in header.files) or raster.path.stat().st_size
    allowed = min(settings.max_raster_bytes, max(RATIO_FREE_BYTES, held * MAX_RATIO))
    shape = f"{header.width} x {header.height} pixels in {len(header.bands)} bands"
    if not header.bands or header.pixel_bytes > allowed:
        raise SourceError(
            "source.raster_too_large",
            f"expected at most {allowed} bytes of pixels in a file of {held} bytes, found a header "
            f"that claims {header.pixel_bytes} ({shape}).",
            remedy="Split the raster into tiles, or raise SPATIAL_ETL_MAX_RASTER_BYTES; a file "
            f"that holds less than 1/{MAX_RATIO} of what it claims is refused in any case.",
            file=raster.label,
        )
    most = settings.gdal_memory_bytes // BLOCK_SHARE
    if header.block_bytes > most:
        raise SourceError(
            "source.raster_block_too_large",
            f"expected blocks of at most {most} bytes, found {header.block_bytes} ({shape}): each "
            "block is read whole.",
            remedy="Write it in tiles, e.g. gdal_translate -co TILED=YES, or raise "
            "SPATIAL_ETL_GDAL_MEMORY_BYTES.",
            file=raster.label,
        )


def require_one_raster(raster: RasterFile, header: RasterDescription) -> None:
    """Refuse a file with more rasters than the one GDAL shows, and masks no COG can hold."""
    if header.subdatasets:
        raise SourceError(
            "source.several_rasters",
            f"expected one raster in the file, found {header.subdatasets}.",
            remedy="Write each page to a file of its own, e.g. gdal_translate GTIFF_DIR:2:in.tif.",
            file=raster.label,
        )
    if len(header.bands) > 1 and any(band.mask == "per_band" for band in header.bands):
        raise SourceError(
            "source.band_masks",
            "expected one mask for all bands, found a mask for each, which no GeoTIFF can hold.",
            remedy="Drop each band as a raster of its own, or mark missing pixels by nodata.",
            file=raster.label,
        )
    nodata = {band.nodata for band in header.bands}
    if len(nodata) > 1:
        shown = ", ".join(band.nodata or "none" for band in header.bands)
        raise SourceError(
            "source.band_nodata",
            f"expected one nodata value for all bands, found {shown}: a GeoTIFF holds one.",
            remedy="Drop each band as a raster of its own, or give all the same nodata value.",
            file=raster.label,
        )


def _warnings(raster: RasterFile, description: RasterDescription) -> list[Warn]:
    said = dict.fromkeys(problem.message for problem in description.problems)
    warnings = [Warn(code="source.gdal_warning", message=message) for message in said]
    warnings += [
        Warn(
            code="raster.companion_not_read",
            message=f"GDAL read nothing from {name}; what it says is not published.",
        )
        for name in _unread(raster, description)
    ]
    return [warn.model_copy(update={"file": raster.label}) for warn in warnings]


def _unread(raster: RasterFile, description: RasterDescription) -> Iterable[str]:
    read = {Path(name).name.lower() for name in description.files}
    for staged, name in raster.companions.items():
        is_ours = description.crs_beside and staged.endswith(READ_BY_US)
        if staged.lower() not in read and not is_ours:
            yield name
