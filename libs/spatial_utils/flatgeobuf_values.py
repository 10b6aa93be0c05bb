"""Values of a FlatGeobuf that GDAL would change: times of day, and whole numbers beyond 2^53.

FlatGeobuf has no type for a time of day: GDAL writes it as a DateTime of the day 0000-00-00, and
reads that, and any other text that it takes for no moment, as NULL. An unsigned number of 64 bits
it reads as a double.

What belongs here: finding such columns, and their values as they are stored. What does not: the
rest of a layer (`libs.spatial_utils.describe_source`, in whose child process this runs).
"""

import datetime as dt
import mmap
import re
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.sqlite_values import is_instant
from libs.spatial_utils.stored_values import StoredColumn, StoredLayer

MAGIC_BYTES = 8
NODE_BYTES = 40
EXAMPLES = 3
MAX_SHOWN = 60
MAX_EXACT = 2**53

_HEADER_COLUMNS, _HEADER_FEATURES, _HEADER_NODE_SIZE = 7, 8, 9
_COLUMN_TYPE = 1
_FEATURE_PROPERTIES = 1
_DEFAULT_NODE_SIZE = 16
_U_LONG, _DATE_TIME = 8, 13
_WIDTHS = dict(enumerate((1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8)))
"""Bytes of a value by the number of its column's type; those of other types tell their length."""

_TIME = re.compile(r"0000-00-00T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?:\d{3}){1,2})?)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def stored_layer(path: str, layer: str, fields: Sequence[Mapping[str, Any]]) -> StoredLayer:
    """Return what the file at `path` stores in the columns that GDAL would change.

    `fields` have `name` and `type` as OGR calls them. Raises `SourceError` where a feature cannot
    be followed to its end.
    """
    with Path(path).open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            types, begin = _header(content)
            looked_at = {n for n, kind in enumerate(types) if kind in (_U_LONG, _DATE_TIME)}
            if not looked_at:
                return StoredLayer()
            stored = _stored(content, begin, types, looked_at)
        except (struct.error, IndexError, UnicodeDecodeError) as err:
            raise SourceError(
                "source.unreadable",
                f"expected a FlatGeobuf whose features can be followed to the end, found: {err}.",
                remedy="Export the file anew and drop it again.",
                layer=layer,
            ) from err
    columns: dict[int, StoredColumn] = {}
    warnings = []
    for position, values in stored.items():
        is_moment = types[position] == _DATE_TIME
        column = _moments(values) if is_moment else _numbers(values)
        if column is not None:
            columns[position] = column
        if column is not None and column.type == "String":
            fits = _is_moment if is_moment else _is_long
            warnings.append(_other_type(layer, fields[position], values, fits))
    return StoredLayer(columns, tuple(warnings))


def _header(content: mmap.mmap) -> tuple[list[int], int]:
    """Return the number of each column's type, and where the features begin."""
    (size,) = struct.unpack_from("<I", content, MAGIC_BYTES)
    header = _Table.root(content, MAGIC_BYTES + 4)
    types = [column.number(_COLUMN_TYPE, "<B") for column in header.tables(_HEADER_COLUMNS)]
    begin = MAGIC_BYTES + 4 + size
    node_size = header.number(_HEADER_NODE_SIZE, "<H", _DEFAULT_NODE_SIZE)
    count = header.number(_HEADER_FEATURES, "<Q")
    return types, begin + (_nodes(count, node_size) * NODE_BYTES if node_size and count else 0)


def _nodes(count: int, node_size: int) -> int:
    """Return how many nodes the index of `count` features has, level by level up to its root."""
    total = count
    while count > 1:
        count = -(-count // max(2, node_size))
        total += count
    return total + (total == 1)


def _stored(
    content: mmap.mmap, begin: int, types: Sequence[int], looked_at: Collection[int]
) -> dict[int, list[Any]]:
    """Return the values of the columns that are looked at, a list a column with one a feature."""
    stored: dict[int, list[Any]] = {position: [] for position in looked_at}
    while begin < len(content):
        (size,) = struct.unpack_from("<I", content, begin)
        feature = _Table.root(content, begin + 4)
        found = dict(_values(content, feature.vector(_FEATURE_PROPERTIES, 1), types, looked_at))
        for position, values in stored.items():
            values.append(found.get(position))
        begin += 4 + size
    return stored


def _values(
    content: mmap.mmap, properties: range, types: Sequence[int], looked_at: Collection[int]
) -> Iterator[tuple[int, Any]]:
    """Yield the values of a feature's columns that are looked at, each with its position."""
    place, end = properties.start, properties.stop
    while place < end:
        (position,) = struct.unpack_from("<H", content, place)
        place += 2
        width = _WIDTHS.get(types[position])
        if width is None:
            (width,) = struct.unpack_from("<I", content, place)
            place += 4
        if position in looked_at and types[position] == _U_LONG:
            yield position, struct.unpack_from("<Q", content, place)[0]
        elif position in looked_at:
            yield position, content[place : place + width].decode()
        place += width


def _moments(values: Sequence[str | None]) -> StoredColumn | None:
    """Return a column of times of day, or of texts where GDAL would change some; else None."""
    texts = [value for value in values if value]
    if all(map(_is_moment, texts)):
        return None
    times = [_TIME.fullmatch(value) if value else None for value in values]
    if sum(time is not None for time in times) < len(texts):
        return StoredColumn("String", pa.chunked_array([pa.array(values, pa.string())]))
    found = [time and dt.time.fromisoformat(time[1]) for time in times]
    return StoredColumn("Time", pa.chunked_array([pa.array(found, pa.time64("us"))]))


def _numbers(values: Sequence[int | None]) -> StoredColumn | None:
    """Return a column of whole numbers, or of texts where some have 64 bits; else None."""
    largest = max((value for value in values if value is not None), default=0)
    if largest <= MAX_EXACT:
        return None
    if _is_long(largest):
        return StoredColumn("Integer64", pa.chunked_array([pa.array(values, pa.int64())]))
    texts = [None if value is None else str(value) for value in values]
    return StoredColumn("String", pa.chunked_array([pa.array(texts, pa.string())]))


def _is_moment(value: str) -> bool:
    return is_instant(value) or _DATE.fullmatch(value) is not None


def _is_long(value: int) -> bool:
    return value < 2**63


def _other_type(
    layer: str, item: Mapping[str, Any], values: Sequence[Any], fits: Callable[[Any], bool]
) -> Warn:
    odd = [(row, value) for row, value in enumerate(values, 1) if value and not fits(value)]
    shown = [f"{str(value)[:MAX_SHOWN]!r} in row {row}" for row, value in odd[:EXAMPLES]]
    return Warn(
        code="column.other_type",
        message=f"Column {item['name']!r} is read by GDAL as {from_ogr(item['type'], 'None')}, "
        f"and {len(odd)} of its values are none ({', '.join(shown)}"
        f"{', …' if len(odd) > EXAMPLES else ''}): it was read as text, with every value as it is "
        "stored.",
        layer=layer,
    )


class _Table:
    """A table of FlatBuffers: fields by number, found by way of a table of their places."""

    def __init__(self, content: mmap.mmap, place: int) -> None:
        self._content = content
        self._place = place
        self._fields = place - struct.unpack_from("<i", content, place)[0]
        self._size = struct.unpack_from("<H", content, self._fields)[0]

    @classmethod
    def root(cls, content: mmap.mmap, begin: int) -> "_Table":
        """Return the table that a buffer begins with the place of."""
        return cls(content, begin + struct.unpack_from("<I", content, begin)[0])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return a number in the form that `struct` calls it by."""
        place = self.place_of(field)
        if place is None:
            return default
        found: int = struct.unpack_from(form, self._content, place)[0]
        return found

    def vector(self, field: int, width: int) -> range:
        """Return the places of a vector's items of `width` bytes; none where there is none."""
        place = self.place_of(field)
        if place is None:
            return range(0)
        place += struct.unpack_from("<I", self._content, place)[0]
        (count,) = struct.unpack_from("<I", self._content, place)
        return range(place + 4, place + 4 + count * width, width)

    def tables(self, field: int) -> list["_Table"]:
        """Return the tables of a vector."""
        return [_Table.root(self._content, place) for place in self.vector(field, 4)]

    def place_of(self, field: int) -> int | None:
        """Return where a field's value stands; None where it has none."""
        entry = 4 + 2 * field
        if entry >= self._size:
            return None
        offset = struct.unpack_from("<H", self._content, self._fields + entry)[0]
        return self._place + offset if offset else None
