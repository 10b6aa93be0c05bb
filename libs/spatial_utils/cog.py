"""Cloud Optimized GeoTIFFs: the arguments of gdal_translate and gdalwarp that suit a raster.

Compression is DEFLATE: lossless, and known to every reader of TIFF, which ZSTD and LERC are not.

What belongs here: options that follow from a raster's description. What does not: running the
programs (`libs.spatial_utils.ogr`), comparing what they wrote (`libs.pipeline.kinds`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.models.config import MIB
from libs.spatial_utils.rasters import Band, RasterDescription

COMPRESSION = "DEFLATE"
FACTS_PROGRAM = Path(__file__).with_name("copy_band_facts.py")
MAX_CLASSES = 64
MOST_THREADS = 4
CACHE_SHARE = 8
LARGEST_COUNTED_BYTES = 2
PREDICTED_INTEGER_BITS = (8, 16, 32)
PREDICTED_FLOAT_BITS = (32, 64)
UNWARPABLE = ("Int8", "Int64", "UInt64")
CLASSES, VALUES, UNKNOWN = "classes", "values", "unknown"


def predictor(bands: Sequence[Band]) -> str:
    """Return the predictor that suits the type of all bands; `NO` where readers know none."""
    if all(band.is_float and band.bits in PREDICTED_FLOAT_BITS for band in bands):
        return "FLOATING_POINT"
    is_integer = not any(band.is_float or band.is_complex for band in bands)
    if is_integer and all(band.bits in PREDICTED_INTEGER_BITS for band in bands):
        return "NO" if all(_nature(band) == CLASSES for band in bands) else "STANDARD"
    return "NO"


def overview_resampling(bands: Sequence[Band]) -> str:
    """Return how pixels become overviews: the majority of classes, the mean of measured values.

    Nearest where integers may be identifiers, whose mean means nothing.
    """
    natures = {_nature(band) for band in bands if not band.is_alpha}
    if natures == {VALUES}:
        return "AVERAGE"
    return "MODE" if natures == {CLASSES} else "NEAREST"


def unwarpable(bands: Sequence[Band]) -> str | None:
    """Return a type that GDAL cannot resample exactly; None where there is none.

    It computes in doubles, and takes Int8 for Byte.
    """
    names = (band.type_name for band in bands)
    return next((name for name in names if name in UNWARPABLE), None)


def warp_resampling(bands: Sequence[Band]) -> str:
    """Return how pixels are taken to another CRS: no value is invented but for measured ones."""
    is_measured = {_nature(band) for band in bands if not band.is_alpha} == {VALUES}
    return "bilinear" if is_measured else "near"


def _nature(band: Band) -> str:
    """Return what a band's numbers are.

    The file's own word comes first; else few distinct integers are classes, and wide integers
    with many are as likely identifiers as measures.
    """
    if band.is_float:
        return VALUES
    if band.is_thematic:
        return CLASSES
    distinct = band.pixels.distinct if band.pixels else None
    if band.is_complex or distinct is None:
        return UNKNOWN
    if distinct <= MAX_CLASSES:
        return CLASSES
    return VALUES if band.size_bytes <= LARGEST_COUNTED_BYTES else UNKNOWN


def cog_options(description: RasterDescription) -> list[str]:
    """Return the creation options of a COG."""
    kind = predictor(description.bands)
    options = {
        "COMPRESS": COMPRESSION,
        "PREDICTOR": kind,
        "OVERVIEW_COMPRESS": COMPRESSION,
        "OVERVIEW_PREDICTOR": kind,
        "OVERVIEWS": "IGNORE_EXISTING",
        "OVERVIEW_RESAMPLING": overview_resampling(description.bands),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": str(_threads()),
    }
    return [part for name, value in options.items() for part in ("-co", f"{name}={value}")]


def translate_args(
    description: RasterDescription, source: Path, target: Path, *, assigned_wkt: str | None
) -> list[str]:
    """Return gdal_translate's arguments: every pixel as it is; a CRS that the file lacks."""
    assigned = ["-a_srs", assigned_wkt] if assigned_wkt else []
    return [
        "-q", "-of", "COG", *_reading(description), *assigned, *cog_options(description),
        str(source), str(target),
    ]  # fmt: skip


@dataclass(frozen=True)
class Warp:
    """Programs to run: to the target CRS in a file to throw away, then to a COG.

    Where neither nodata nor alpha can mark pixels that no source pixel covers, they are marked in
    an alpha band of the first file, which becomes the mask of the second; what gdalwarp then
    leaves behind is copied by `facts_args`, arguments of Python.
    """

    needs_mask: bool
    warp_args: list[str]
    facts_args: list[str]
    cog_args: list[str]


def warp(
    description: RasterDescription,
    source: Path,
    work: Path,
    target: Path,
    *,
    source_wkt: str,
    target_wkt: str,
    memory_bytes: int,
) -> Warp:
    """Return the arguments of a reprojection."""
    bands = description.bands
    needs_mask = all(band.nodata is None and not band.is_alpha for band in bands)
    resampling = warp_resampling(bands)
    memory_mib = max(32, memory_bytes // CACHE_SHARE // MIB)
    warp_args = [
        "-q", "-of", "GTiff", *_reading(description),
        "-s_srs", source_wkt, "-t_srs", target_wkt, "-r", resampling, "-ovr", "NONE",
        "-wm", str(memory_mib), "-wo", f"NUM_THREADS={_threads()}",
        *(["-dstalpha"] if needs_mask else []),
        "-co", "TILED=YES", "-co", f"COMPRESS={COMPRESSION}", "-co", "ZLEVEL=1",
        "-co", "BIGTIFF=IF_SAFER", str(source), str(work),
    ]  # fmt: skip
    chosen: list[str] = []
    if needs_mask:
        chosen = [part for number in range(len(bands)) for part in ("-b", str(number + 1))]
        chosen += ["-mask", str(len(bands) + 1)]
    cog_args = [
        "-q", "-of", "COG", "-if", "GTiff", *chosen, *cog_options(description),
        str(work), str(target),
    ]  # fmt: skip
    facts_args = ["-I", str(FACTS_PROGRAM), str(source), description.driver, str(work)]
    return Warp(needs_mask, warp_args, facts_args, cog_args)


def cog_env(memory_bytes: int) -> dict[str, str]:
    """Return the environment of every program that reads or writes a raster.

    Memory does not grow with the data, and a JPEG that ends early is an error, not a warning.
    """
    return {
        "GDAL_CACHEMAX": str(max(16, memory_bytes // CACHE_SHARE // MIB)),
        "GDAL_TIFF_INTERNAL_MASK": "YES",
        "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",
        "MALLOC_ARENA_MAX": "2",
    }


def _reading(description: RasterDescription) -> list[str]:
    options = [part for option in description.open_options for part in ("-oo", option)]
    return ["-if", description.driver, *options]


def _threads() -> int:
    return min(MOST_THREADS, os.cpu_count() or 1)
