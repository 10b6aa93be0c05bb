"""Which driver a file needs: what its name says, unless its content says otherwise.

What belongs here: telling formats of the allow-list apart by the first bytes of a file. What does
not: the allow-list itself (`libs.spatial_utils.drivers`), what a file may refer to
(`libs.spatial_utils.references`).
"""

import re
from pathlib import Path

from libs.spatial_utils.drivers import driver_of
from libs.spatial_utils.json_head import root_members
from libs.spatial_utils.xml_prolog import root_element

HEAD_BYTES = 64 * 1024
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
SQLITE_MAGIC = b"SQLite format 3\0"
XML_ROOTS = {"kml": "LIBKML", "gpx": "GPX", "osm": "OSM"}
UNMARKED = ("GPKG", "SQLite")
"""A GeoPackage by its name, whose database does not say that it is one: the name is believed."""

FLATGEOBUF_MAGIC = b"fgb\x03"
PARQUET_MAGIC = b"PAR1"
NO_DATA_ROOTS = ("MD_Metadata", "MI_Metadata", "schema")

_GPKG_IDS = (b"GPKG", b"GP10", b"GP11")
_OSM_HEADER = re.compile(rb"\x00\x00.{2}\x0a\x09OSMHeader", re.DOTALL)
_MAPINFO = re.compile(rb"\s*(?:!table\b|version\s+\d+\s*\n\s*charset\b)", re.IGNORECASE)
_DXF = re.compile(rb"(?:\s*999\s*\n[^\n]*\n)*\s*0\s*\n\s*SECTION\s*\n")
_TOPOLOGY = re.compile(rb'"type"\s*:\s*"Topology"')
_FEATURES = re.compile(rb'"type"\s*:\s*"(?:FeatureCollection|Feature)"')
_ESRI = re.compile(
    rb'"(?:geometryType"\s*:\s*"esriGeometry|fieldAliases"|spatialReference"|'
    rb'type"\s*:\s*"esriFieldType)'
)
_NEXT_RECORD = re.compile(rb"\}\s*\n\s*\{")
_GML_NAMESPACE = re.compile(rb"http://www\.opengis\.net/(?:gml|wfs)")


def recognise(name: str, path: Path | None, declared: str | None) -> str | None:
    """Return the driver for a source called `name`; None where nothing tells it.

    `path` is its content; None for a folder. What the manifest declares is believed; otherwise
    content that clearly is another format of the allow-list overrules the name. Raises
    `SourceError` where `declared` is no driver of the list.
    """
    by_name = driver_of(name, declared)
    if declared is not None or path is None:
        return by_name
    by_content = _driver_by_content(path)
    is_unmarked = (by_name, by_content) == UNMARKED
    return by_name if by_content is None or is_unmarked else by_content


def _driver_by_content(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(SQLITE_MAGIC):
        return "GPKG" if head[68:72] in _GPKG_IDS else "SQLite"
    if head.startswith(FLATGEOBUF_MAGIC):
        return "FlatGeobuf"
    if head.startswith(PARQUET_MAGIC):
        return "Parquet"
    if _OSM_HEADER.match(head):
        return "OSM"
    if head.startswith(UTF16_BOMS):
        return _xml_driver(path, head)
    return _text_driver(path, head)


def _text_driver(path: Path, head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").lstrip()
    if text.startswith(b"\x1e"):
        return "GeoJSONSeq"
    if text.startswith(b"{"):
        return _json_driver(text)
    if text.startswith(b"<"):
        return _xml_driver(path, head)
    if _MAPINFO.match(text):
        return "MapInfo File"
    return "DXF" if _DXF.match(text) else None


def _json_driver(text: bytes) -> str | None:
    """Return the driver of a JSON document whose beginning is `text`.

    Where the type of the whole stands behind its content, the content tells.
    """
    kind = root_members(text).get("type")
    if kind == "Topology" or (kind is None and _is_topology(text)):
        return "TopoJSON"
    if _FEATURES.search(text):
        return "GeoJSONSeq" if _NEXT_RECORD.search(text) else "GeoJSON"
    return "ESRIJSON" if _ESRI.search(text) else None


def _is_topology(text: bytes) -> bool:
    """Return whether a topology's type stands before that of any feature."""
    topology, features = _TOPOLOGY.search(text), _FEATURES.search(text)
    return bool(topology and (not features or topology.start() < features.start()))


def _xml_driver(path: Path, head: bytes) -> str | None:
    """Return the driver of an XML document by its root element."""
    root = root_element(path)
    if root in XML_ROOTS:
        return XML_ROOTS[root]
    is_gml = _GML_NAMESPACE.search(head.replace(b"\0", b""))
    return "GML" if root and root not in NO_DATA_ROOTS and is_gml else None
