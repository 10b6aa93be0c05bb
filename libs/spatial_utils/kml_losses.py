"""What a KML document holds and GDAL does not read: ids, times of tracks, views, links, styles.

What belongs here: counting it. What does not: reading the rest
(`libs.spatial_utils.describe_source`, in whose child process this runs).
"""

import re
from collections.abc import Collection
from xml.parsers import expat

from libs.models.version import Warn
from libs.spatial_utils.element_losses import ElementLosses
from libs.spatial_utils.sqlite_values import is_instant
from libs.spatial_utils.xml_document import read_document

_CONTAINERS = frozenset({"kml", "Document", "Folder"})
_GEOMETRIES = frozenset(
    {"Point", "LineString", "LinearRing", "Polygon", "MultiGeometry", "gx:Track", "gx:MultiTrack"}
)
_READ = {
    "Placemark": _GEOMETRIES
    | {"name", "description", "TimeStamp", "TimeSpan", "visibility", "Snippet", "snippet"}
    | {"ExtendedData"},
    "GroundOverlay": {"Icon", "LatLonBox", "gx:LatLonQuad", "visibility", "drawOrder"},
    "ExtendedData": {"Data", "SchemaData"},
    "SchemaData": {"SimpleData"},
    "gx:Track": {"gx:coord", "altitudeMode", "gx:altitudeMode"},
    "gx:MultiTrack": {"gx:Track", "altitudeMode", "gx:altitudeMode"},
} | dict.fromkeys(
    _CONTAINERS,
    _CONTAINERS | {"name", "Placemark", "GroundOverlay", "Schema", "open", "visibility"},
)
"""The elements that GDAL reads in an element."""
_TIMES = frozenset({("TimeStamp", "when"), ("TimeSpan", "begin"), ("TimeSpan", "end")})
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def left_out(path: str, fields: Collection[str]) -> list[Warn]:
    """Return the warning of what GDAL leaves out of the document at `path`; none for nothing.

    `fields` are the names of the fields that it made of the document.

    Raises `SourceError` where the document cannot be followed to its end.
    """
    reader = _Reader(fields)
    read_document(path, reader.parser)
    return reader.found.warnings("KML")


class _Reader:
    """Counts what is left out; `found` says what and how much of it."""

    def __init__(self, fields: Collection[str]) -> None:
        self.found = ElementLosses()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._path: list[str] = []
        self._ignored_from = 0
        self._texts: list[str] = []
        self._data: set[str] = set()
        self._fields = {name.casefold() for name in fields}

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.removeprefix("kml:")
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        self._texts.clear()
        if self._ignored_from:
            return
        if name == "Placemark" and "id" in attributes:
            self.found.add("id of Placemark", attributes["id"])
        if parent in _READ and name not in _READ[parent]:
            self.found.add(f"{name} of {parent}")
            self._ignored_from = len(self._path)
        elif name == "SimpleData" and attributes.get("name", "").casefold() not in self._fields:
            self.found.add("SimpleData of no known Schema", attributes.get("name", ""))
        elif name == "ExtendedData":
            self._data.clear()
        elif parent == "ExtendedData":
            self._data.add(name)
            if len(self._data) > 1:
                self.found.add("Data beside SchemaData", attributes.get("name", ""))

    def _end(self, _name: str) -> None:
        if not self._ignored_from and tuple(self._path[-2:]) in _TIMES:
            text = "".join(self._texts).strip()
            if not (is_instant(text) or _DATE.fullmatch(text)):
                self.found.add("time that is no full date", text)
        if len(self._path) == self._ignored_from:
            self._ignored_from = 0
        self._path.pop()
        self._texts.clear()

    def _text(self, text: str) -> None:
        if self._path[-2:-1] in (["TimeStamp"], ["TimeSpan"]):
            self._texts.append(text)
