"""Values of a GPX file that GDAL would change: extensions, and what is no number or no time.

GDAL 3.6.2 guesses the types of extensions from their values (01001 becomes 1001, and the elements
inside of a Garmin TrackPointExtension 0), keeps the last of several of one name, and makes 0 or
NULL of a value that is no number or no time.

What belongs here: the texts of a layer's elements, and which of them GDAL would change. What does
not: the rest of a layer (`libs.spatial_utils.describe_source`, in whose child process this runs).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from libs.models.version import Warn
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.sqlite_values import is_instant
from libs.spatial_utils.stored_values import StoredColumn, StoredLayer
from libs.spatial_utils.xml_document import read_document

ELEMENTS = {
    "waypoints": "wpt",
    "routes": "rte",
    "tracks": "trk",
    "route_points": "rtept",
    "track_points": "trkpt",
}
MADE_BY_GDAL = frozenset(
    {
        "track_fid", "track_seg_id", "track_seg_point_id", "route_fid", "route_point_id",
    }
)  # fmt: skip
READ_ELSEWHERE = frozenset({"extensions", "link", "rtept", "trkseg"})
"""Elements in a feature that are no attribute: other layers or several columns."""
MAX_LINKS = 2
EXAMPLES = 3
MAX_SHOWN = 60

_FITS = {
    "Integer": re.compile(r"[+-]?\d{1,9}"),
    "Real": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"),
}

_XML_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
"""GDAL forgets an offset of another form, such as +0100."""


def stored_layer(path: str, layer: str, fields: Sequence[Mapping[str, Any]]) -> StoredLayer:
    """Return what the file at `path` stores in a layer: every extension as text.

    `fields` have `name` and `type` as OGR calls them. Raises `SourceError` where the document
    cannot be followed to its end.
    """
    texts = _Texts(ELEMENTS[layer])
    read_document(path, texts.parser)
    columns: dict[int, StoredColumn] = {}
    warnings = []
    for position, item in enumerate(fields):
        values = texts.columns.get(item["name"])
        if not values or item["name"] in MADE_BY_GDAL:
            continue
        odd = _misfits(item["type"], values)
        if item["name"] in texts.extensions or odd:
            columns[position] = StoredColumn("String", _column(values, texts.rows))
        if item["name"] not in texts.extensions and odd:
            warnings.append(_other_type(layer, item, odd))
    names = {item["name"] for item in fields}
    counts = {name: len(values) for name, values in texts.columns.items() if name not in names}
    counts["further link"] = texts.links
    shown = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
    if shown:
        warnings.append(
            Warn(
                code="source.elements_left_out",
                message=f"Elements of {layer} that GDAL does not read were left out: {shown}.",
                layer=layer,
            )
        )
    return StoredLayer(columns, tuple(warnings))


def _misfits(ogr_type: str, values: Mapping[int, str]) -> list[tuple[int, str]]:
    """Return the values that GDAL would change, each with its row from 0."""
    if ogr_type == "DateTime":
        return [
            item
            for item in values.items()
            if not (_XML_TIME.fullmatch(item[1]) and is_instant(item[1]))
        ]
    fits = _FITS.get(ogr_type)
    return [item for item in values.items() if fits and not fits.fullmatch(item[1])]


def _column(values: Mapping[int, str], rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([values.get(row) for row in range(rows)], pa.string())])


def _other_type(layer: str, item: Mapping[str, Any], odd: Sequence[tuple[int, str]]) -> Warn:
    shown = [f"{value[:MAX_SHOWN]!r} in row {row + 1}" for row, value in odd[:EXAMPLES]]
    return Warn(
        code="column.other_type",
        message=f"Column {item['name']!r} is defined as {from_ogr(item['type'], 'None')}, and "
        f"{len(odd)} of its values are none ({', '.join(shown)}"
        f"{', …' if len(odd) > EXAMPLES else ''}): it was read as text, with every value as it is "
        "stored.",
        layer=layer,
    )


class _Texts:
    """The texts of the elements in each feature of a layer: `columns` by name, then row from 0.

    Extensions are named as GDAL does, with _ for the colon; elements inside of one stay XML, and
    several of one name stand in lines of their own. `links` counts those that have no column.
    """

    def __init__(self, element: str) -> None:
        self.columns: dict[str, dict[int, str]] = {}
        self.extensions: set[str] = set()
        self.rows = 0
        self.links = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._element = element
        self._path: list[str] = []
        self._begin = 0
        self._value: _Value | None = None
        self._links = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if self._value is not None:
            self._value.start(name, attributes)
        elif not self._begin and name == self._element:
            self._begin, self._links = len(self._path), 0
        elif self._begin:
            inside = self._path[self._begin :]
            if inside == ["link"]:
                self._links += 1
                self.links += self._links > MAX_LINKS
            is_extension = inside == ["extensions", name]
            if is_extension or (inside == [name] and name not in READ_ELSEWHERE):
                self._value = _Value(name, attributes, is_extension=is_extension)

    def _end(self, _name: str) -> None:
        depth = len(self._path)
        name = self._path.pop()
        if self._value is not None and depth == self._value_depth:
            self._keep(self._value)
            self._value = None
        elif self._value is not None:
            self._value.end(name)
        elif depth == self._begin:
            self._begin = 0
            self.rows += 1

    @property
    def _value_depth(self) -> int:
        is_extension = self._value is not None and self._value.is_extension
        return self._begin + (2 if is_extension else 1)

    def _text(self, text: str) -> None:
        if self._value is not None:
            self._value.add(text)

    def _keep(self, value: "_Value") -> None:
        name = value.name.replace(":", "_")
        if value.is_extension:
            self.extensions.add(name)
        column = self.columns.setdefault(name, {})
        if value.text:
            before = column.get(self.rows)
            column[self.rows] = value.text if before is None else f"{before}\n{value.text}"


class _Value:
    """What stands in an element: its text, or XML where it has attributes or elements."""

    def __init__(self, name: str, attributes: dict[str, str], *, is_extension: bool) -> None:
        self.name = name
        self.is_extension = is_extension
        own = {key: value for key, value in attributes.items() if not key.startswith("xmlns")}
        self._tags = _tags(name, own) if own else ("", "")
        self._plain: list[str] = []
        self._xml: list[str] = []
        self._is_xml = bool(own)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._is_xml = True
        self._xml.append(_tags(name, attributes)[0])

    def end(self, name: str) -> None:
        self._xml.append(_tags(name, {})[1])

    def add(self, text: str) -> None:
        self._plain.append(text)
        self._xml.append(escape(text))

    @property
    def text(self) -> str:
        if not self._is_xml:
            return "".join(self._plain).strip()
        return f"{self._tags[0]}{''.join(self._xml).strip()}{self._tags[1]}"


def _tags(name: str, attributes: Mapping[str, str]) -> tuple[str, str]:
    shown = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{shown}>", f"</{name}>"
