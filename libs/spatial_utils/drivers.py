"""The formats we read and write: the allow-list of GDAL drivers.

What belongs here: which driver may open which file, and what a published format is called.
What does not: running GDAL (`libs.spatial_utils.ogr`).
"""

from pathlib import PurePosixPath

from libs.models.errors import SourceError
from libs.spatial_utils.containers.names import ARCHIVES_SAID

VECTOR_DRIVERS: dict[str, tuple[str, ...]] = {
    "GPKG": (".gpkg",),
    "ESRI Shapefile": (".shp", ".dbf"),
    "GeoJSON": (".geojson", ".json"),
    "GeoJSONSeq": (".geojsonl", ".geojsons", ".ndjson"),
    "TopoJSON": (".topojson",),
    "ESRIJSON": (".esrijson",),
    "FlatGeobuf": (".fgb",),
    "CSV": (".csv",),
    "Parquet": (".parquet", ".geoparquet", ".pq"),
    "LIBKML": (".kml",),
    "GML": (".gml",),
    "GPX": (".gpx",),
    "MapInfo File": (".tab", ".mif"),
    "OpenFileGDB": (".gdb",),
    "DXF": (".dxf",),
    "OSM": (".pbf", ".osm"),
    "SQLite": (".sqlite", ".sqlite3", ".db"),
}
"""Formats that are read, and the suffixes of their files (of a folder: `.gdb`).

LIBKML and not KML, because the latter drops every ExtendedData and Schema field. No driver that
stands for a server, a query or a list of other files (PostgreSQL, WFS, VRT).
"""
DECODED_DRIVERS = ("Parquet", "CSV")
"""Formats whose reader finds the encoding itself."""
TABLE_DRIVERS = (*DECODED_DRIVERS, "GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON")
"""Formats that are read without GDAL: Debian's has no driver for Parquet, its CSV driver drops
surplus fields and coordinates that it cannot read, its drivers of JSON geometries, digits, offsets
of times, ids and members, without a word."""
RASTER_DRIVERS: dict[str, tuple[str, ...]] = {
    "GTiff": (".tif", ".tiff"),
    "SRTMHGT": (".hgt",),
    "HFA": (".img",),
    "AAIGrid": (".asc",),
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
}
"""Formats whose files hold their own pixels: none that refers to other files by name (VRT)."""
RASTER_NAME_COMPANIONS = (".aux.xml", ".ovr", ".msk", ".xml", ".vat.dbf", ".vat.cpg")
"""Suffixes added to a raster's whole name, as in dem.tif.aux.xml."""
RASTER_STEM_COMPANIONS = (
    ".tfw", ".tifw", ".tiffw", ".pgw", ".pngw", ".jgw", ".jpgw", ".jpegw", ".wld", ".prj", ".ige",
    ".rrd",
)  # fmt: skip
"""Suffixes in place of a raster's own, as in dem.tfw."""

OUTPUT_SUFFIXES: dict[str, str] = {
    "geoparquet": ".parquet",
    "parquet": ".parquet",
    "flatgeobuf": ".fgb",
    "gpkg": ".gpkg",
    "cog": ".tif",
}
OUTPUT_DRIVERS: dict[str, str] = {"flatgeobuf": "FlatGeobuf", "gpkg": "GPKG"}


def driver_of(
    name: str, declared: str | None, known: dict[str, tuple[str, ...]] = VECTOR_DRIVERS
) -> str | None:
    """Return the driver for a file called `name`; None where the name tells nothing.

    Raises `SourceError` where `declared` is not a driver of the allow-list.
    """
    if declared is not None:
        by_name = {driver.lower(): driver for driver in known}
        if declared.lower() not in by_name:
            raise unknown_format(name, declared, known)
        return by_name[declared.lower()]
    suffix = PurePosixPath(name.lower()).suffix
    return next((d for d, suffixes in known.items() if suffix in suffixes), None)


def unknown_format(
    name: str, found: str, known: dict[str, tuple[str, ...]] = VECTOR_DRIVERS
) -> SourceError:
    """Return the refusal of a file whose format is not read."""
    formats = ", ".join(f"{d} ({' '.join(s)})" for d, s in known.items())
    return SourceError(
        "source.unknown_format",
        f"expected one of {formats}, or {ARCHIVES_SAID}; found {found!r}.",
        remedy="Convert the file to one of these formats and drop it again.",
        file=name,
    )


def raster_companion(name: str) -> tuple[str, str] | None:
    """Return what a companion's name begins with and its suffix; None for another file."""
    lowered = name.lower()
    for suffix in (*RASTER_NAME_COMPANIONS, *RASTER_STEM_COMPANIONS):
        if lowered.endswith(suffix):
            return name[: -len(suffix)], suffix
    return None
