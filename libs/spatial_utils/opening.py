"""How each driver must open a source so that nothing is guessed, dropped or followed elsewhere.

What belongs here: open options and configuration a driver, and why. What does not: which driver
opens a file (`libs.spatial_utils.recognition`), running GDAL (`libs.spatial_utils.ogr`).
"""

from pathlib import Path

OSM_CONFIG = Path(__file__).with_name("osm.ini")
NOWHERE = "/dev/null/nowhere"

_OPEN_OPTIONS: dict[str, tuple[str, ...]] = {
    # A schema or .gfs beside the file decides which elements are read and may include files from
    # anywhere: naming one that does not exist leaves only what the document itself holds.
    "GML": (
        f"XSD={NOWHERE}", "WRITE_GFS=NO", "DOWNLOAD_SCHEMA=NO", "EMPTY_AS_NULL=NO",
        "GML_ATTRIBUTES_TO_OGR_FIELDS=YES", "EXPOSE_GML_ID=YES",
    ),
    # GDAL's own configuration drops keys such as source, note and ele.
    "OSM": (f"CONFIG_FILE={OSM_CONFIG}",),
}  # fmt: skip
_CONFIG: dict[str, dict[str, str]] = {
    # Types guessed from values would turn the code 01001 into a number.
    "GML": {"GML_FIELDTYPES": "ALWAYS_STRING", "GML_SKIP_RESOLVE_ELEMS": "ALL"},
    # Only its debug messages tell which entities were left out.
    "DXF": {"CPL_DEBUG": "DXF"},
}
_OSM_PBF = b"OSMHeader"
_HEAD_BYTES = 32
# Editors give what they did not upload yet negative numbers, which GDAL's faster index cannot hold.
_OSM_XML_CONFIG = {"OSM_USE_CUSTOM_INDEXING": "NO"}


def own_options(driver: str) -> tuple[str, ...]:
    """Return the open options (KEY=VALUE) that every source of `driver` is opened with."""
    return _OPEN_OPTIONS.get(driver, ())


def driver_config(driver: str, path: Path) -> dict[str, str]:
    """Return the configuration, as environment, under which `driver` reads the file at `path`."""
    if driver == "OSM":
        with path.open("rb") as file:
            return {} if _OSM_PBF in file.read(_HEAD_BYTES) else _OSM_XML_CONFIG
    return _CONFIG.get(driver, {})
