"""The values of a FlatGeobuf's columns as they are stored, many features at a time.

A feature is a FlatBuffers table after its size; its properties are a vector of bytes in which each
value stands behind the number of its column. The vectors of a chunk of features are followed in
step, so that a step costs as much as one NumPy call. Source: the format's schema (header.fbs,
feature.fbs) and FlatBuffers' description of its binary form.

What belongs here: where values stand, and their bytes as arrays. What does not: what they mean
(`libs.spatial_utils.flatgeobuf_values`).
"""

import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CHUNK_BYTES = 16 * 1024 * 1024
SIZE = struct.Struct("<I")
"""How features and headers tell their size."""
MAGIC_BYTES = 8
NODE_BYTES = 40
_HEADER_COLUMNS, _HEADER_FEATURES, _HEADER_NODE_SIZE = 7, 8, 9
_COLUMN_TYPE = 1
_FEATURE_PROPERTIES = 1
_DEFAULT_NODE_SIZE = 16
_WIDTHS = dict(enumerate((1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8)))
"""Bytes of a value by the number of its column's type; those of other types tell their length."""
_TELLS_LENGTH = -1

Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Values:
    """The values of a column in a chunk: where each begins, 0 where there is none, and how long."""

    content: Bytes
    places: Places
    widths: Places

    @property
    def is_missing(self) -> npt.NDArray[np.bool_]:
        """Which features have no value."""
        missing: npt.NDArray[np.bool_] = self.places == 0
        return missing

    def numbers(self, width: int) -> npt.NDArray[np.uint64]:
        """Return the unsigned numbers of `width` bytes; what is missing is any number."""
        return _number(self.content, self.places, width)

    def texts(self) -> pa.Array:
        """Return the values as text; raises `pa.ArrowInvalid` where one is no UTF-8."""
        ends = np.cumsum(self.widths)
        begins = ends - self.widths
        total = int(ends[-1]) if len(ends) else 0
        taken = np.arange(total) + np.repeat(self.places - begins, self.widths)
        found = pa.Array.from_buffers(
            pa.string(),
            len(self.places),
            [
                pa.array(~self.is_missing).buffers()[1],
                pa.py_buffer(np.concatenate([[0], ends]).astype(np.int32)),
                pa.py_buffer(self.content[taken]),
            ],
        )
        found.validate(full=True)
        return found


def whole_features(file: BinaryIO, begin: int) -> Iterator[tuple[bytes, Places]]:
    """Yield the features of a file, some MiB at a time as they stand there, and the size of each.

    They begin at `begin`; sizes have the four bytes that tell them. Raises `IndexError` where the
    last feature is not whole.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(begin)
    rest, missing = b"", 0
    while read := file.read(max(CHUNK_BYTES, missing)):
        content = rest + read
        sizes, whole, missing = _sizes(content)
        if missing > end - file.tell():
            raise IndexError(
                f"the last feature ends {missing - end + file.tell()} bytes behind the file"
            )
        if sizes:
            yield content[:whole], np.array(sizes, np.int64)
        rest = content[whole:]
    if rest:
        raise IndexError(f"{len(rest)} bytes behind the last feature")


def _sizes(content: bytes) -> tuple[list[int], int, int]:
    """Return the sizes of the features that are whole, where they end, and what the next lacks."""
    found: list[int] = []
    begin, last, read = 0, len(content) - SIZE.size, SIZE.unpack_from
    while begin <= last:
        size = read(content, begin)[0] + SIZE.size
        if begin + size > len(content):
            return found, begin, begin + size - len(content)
        found.append(size)
        begin += size
    return found, begin, 0


class Scan:
    """A FlatGeobuf; raises `IndexError` or `struct.error` where it leads nowhere."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        content = file.read(MAGIC_BYTES + SIZE.size)
        (size,) = SIZE.unpack_from(content, MAGIC_BYTES)
        content += file.read(size)
        header = Table.root(content, MAGIC_BYTES + SIZE.size)
        self.types = [
            column.number(_COLUMN_TYPE, "<B") for column in header.tables(_HEADER_COLUMNS)
        ]
        node_size = header.number(_HEADER_NODE_SIZE, "<H", _DEFAULT_NODE_SIZE)
        count = header.number(_HEADER_FEATURES, "<Q")
        nodes = _nodes(count, node_size) if node_size and count else 0
        self._begin = MAGIC_BYTES + SIZE.size + size + nodes * NODE_BYTES

    def chunks(self, columns: Collection[int]) -> Iterator[dict[int, Values]]:
        """Yield the values of columns, by position, for one chunk of features after another."""
        widths = np.array([_WIDTHS.get(kind, _TELLS_LENGTH) for kind in self.types], np.int64)
        for content, sizes in whole_features(self._file, self._begin):
            features = np.cumsum(sizes) - sizes + SIZE.size
            yield _values(np.frombuffer(content, np.uint8), features, widths, columns)


def _values(
    content: Bytes, features: Places, widths: Places, columns: Collection[int]
) -> dict[int, Values]:
    found = {
        column: Values(content, np.zeros_like(features), np.zeros_like(features))
        for column in columns
    }
    at, ends = _properties(content, features)
    rows = np.flatnonzero(at < ends)
    at, ends = at[rows], ends[rows]
    while len(rows):
        numbers = _number(content, at, 2).astype(np.int64)
        at = at + 2
        size = widths[numbers]
        tell = size == _TELLS_LENGTH
        size[tell] = _number(content, at[tell], 4)
        at[tell] += 4
        for column, values in found.items():
            mine = numbers == column
            values.places[rows[mine]] = at[mine]
            values.widths[rows[mine]] = size[mine]
        at = at + size
        goes_on = at < ends
        rows, at, ends = rows[goes_on], at[goes_on], ends[goes_on]
    return found


def _properties(content: Bytes, features: Places) -> tuple[Places, Places]:
    """Return where the properties of features begin and end; both 0 where there are none."""
    tables = features + _signed(content, features)
    fields = tables - _signed(content, tables)
    entry = 4 + 2 * _FEATURE_PROPERTIES
    offsets = np.zeros_like(features)
    has_entry = _number(content, fields, 2) > entry
    offsets[has_entry] = _number(content, fields[has_entry] + entry, 2)
    has_vector = offsets != 0
    places = (tables + offsets)[has_vector]
    places = places + _number(content, places, 4).astype(np.int64)
    begins, ends = np.zeros_like(features), np.zeros_like(features)
    begins[has_vector] = places + 4
    ends[has_vector] = places + 4 + _number(content, places, 4).astype(np.int64)
    return begins, ends


def _signed(content: Bytes, places: Places) -> Places:
    return _number(content, places, 4).astype(np.uint32).view(np.int32).astype(np.int64)


def _number(content: Bytes, places: Places, width: int) -> npt.NDArray[np.uint64]:
    """Return the little-endian numbers of `width` bytes at places."""
    if len(places) and places.min() < 0:
        raise IndexError("a place before the beginning of the file")
    found = np.zeros(len(places), np.uint64)
    for byte in range(width):
        found |= content[places + byte].astype(np.uint64) << np.uint64(8 * byte)
    return found


def _nodes(count: int, node_size: int) -> int:
    """Return how many nodes the index of `count` features has, level by level up to its root."""
    total = count
    while count > 1:
        count = -(-count // max(2, node_size))
        total += count
    return total + (total == 1)


class Table:
    """A table of FlatBuffers: fields by number, found by way of a table of their places."""

    def __init__(self, content: Any, place: int) -> None:
        self._content = content
        self._place = place
        self._fields = place - struct.unpack_from("<i", content, place)[0]
        self._size = struct.unpack_from("<H", content, self._fields)[0]

    @classmethod
    def root(cls, content: Any, begin: int) -> "Table":
        """Return the table that a buffer begins with the place of."""
        return cls(content, begin + struct.unpack_from("<I", content, begin)[0])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return a number in the form that `struct` calls it by."""
        place = self.place_of(field)
        if place is None:
            return default
        found: int = struct.unpack_from(form, self._content, place)[0]
        return found

    def tables(self, field: int) -> list["Table"]:
        """Return the tables of a vector; none where there is none."""
        place = self.place_of(field)
        if place is None:
            return []
        place += struct.unpack_from("<I", self._content, place)[0]
        (count,) = struct.unpack_from("<I", self._content, place)
        return [Table.root(self._content, place + 4 + 4 * number) for number in range(count)]

    def place_of(self, field: int) -> int | None:
        """Return where a field's value stands; None where it has none."""
        entry = 4 + 2 * field
        if entry >= self._size:
            return None
        offset = struct.unpack_from("<H", self._content, self._fields + entry)[0]
        return self._place + offset if offset else None
