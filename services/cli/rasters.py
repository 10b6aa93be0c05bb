"""A raster's facts as `spatial-etl show` prints them.

What belongs here: the words for a raster. What does not: the rest of a table
(`services.cli.catalog`).
"""

from libs.models.version import Raster, RasterBand
from services.cli.output import table


def raster_pairs(raster: Raster) -> list[tuple[str, str]]:
    """Return the facts about the whole raster."""
    width, height = raster.resolution
    resampled = "; pixels resampled" if raster.is_warped else ""
    return [
        ("raster", f"{raster.width} x {raster.height} pixels, {len(raster.bands)} bands"),
        ("resolution", f"{width:.10g} x {height:.10g}"),
        ("file", f"{raster.compression}, {raster.overviews} overviews{resampled}"),
        ("footprint", raster.footprint["type"]),
    ]


def band_lines(raster: Raster) -> list[str]:
    """Return a table of the bands."""
    rows = [
        (f"{number}", band.description, band.type, _nodata(band), _number(band.min),
         _number(band.max), band.mask, _meaning(band), band.sha256[:12])
        for number, band in enumerate(raster.bands, start=1)
    ]  # fmt: skip
    heads = ("BAND>", "NAME", "TYPE", "NODATA>", "MIN>", "MAX>", "MASK", "MEANING", "PIXELS")
    return table(heads, rows)


def _nodata(band: RasterBand) -> str:
    return band.nodata if isinstance(band.nodata, str) else _number(band.nodata)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _meaning(band: RasterBand) -> str:
    said = [band.color_interpretation]
    if band.color_table_entries:
        said.append(f"{band.color_table_entries} colours")
    if (band.scale, band.offset) != (1.0, 0.0):
        said.append(f"x {band.scale:g} + {band.offset:g}")
    if band.unit:
        said.append(f"in {band.unit}")
    return ", ".join(said)
