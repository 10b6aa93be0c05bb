"""WKB of many geometries of one type and dimension, laid out at once.

The lengths of nested lists tell where each header and each run of coordinates lies: sizes are
summed from the positions up, places are given from the geometries down.

What belongs here: the layout. What does not: where lengths and coordinates come from
(`libs.geojson.geometries`, `libs.tabular.native_geometries`).
"""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CODES = {
    "Point": 1, "LineString": 2, "Polygon": 3, "MultiPoint": 4, "MultiLineString": 5,
    "MultiPolygon": 6, "GeometryCollection": 7,
}  # fmt: skip
DEPTHS = {
    "Point": 0, "LineString": 1, "MultiPoint": 1, "Polygon": 2, "MultiLineString": 2,
    "MultiPolygon": 3,
}  # fmt: skip
"""How many lists lie around a position."""
PARTS = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}

Integers = npt.NDArray[np.int64]


def laid_out(
    kind: str, dimensions: int, levels: Sequence[Integers], positions: npt.NDArray[np.uint8]
) -> pa.Array:
    """Return WKB of geometries of `kind`, at least one.

    `dimensions` is what ISO adds to the type's code (0, 1000, 2000 or 3000), `levels` the lengths
    of the lists of each depth, `positions` a row of bytes for each position, little-endian.
    """
    return _Writer(kind, dimensions, levels, positions).array()


def spread(made: pa.Array, is_there: npt.NDArray[np.bool_]) -> pa.Array:
    """Return an array with the items of `made` where `is_there`, and NULL elsewhere."""
    if is_there.all():
        return made
    if not is_there.any():
        return pa.nulls(len(is_there), made.type)
    places = np.cumsum(is_there) - 1
    return made.take(pa.array(places, pa.int64(), mask=~is_there))


class _Writer:
    def __init__(
        self,
        kind: str,
        dimensions: int,
        levels: Sequence[Integers],
        positions: npt.NDArray[np.uint8],
    ) -> None:
        self._positions = positions
        self._levels = list(levels)
        self._heads = _heads(kind, dimensions, len(levels))

    def array(self) -> pa.Array:
        sizes = self._sizes()
        ends = np.cumsum(sizes[0])
        self._out = np.empty(int(ends[-1]), np.uint8)
        places = ends - sizes[0]
        for level, counts in enumerate(self._levels):
            self._write(places, self._heads[level], counts)
            begins = places + len(self._heads[level]) + 4
            below = sizes[level + 1]
            before = np.cumsum(below) - below
            owners = np.repeat(np.arange(len(counts)), counts)
            first = np.cumsum(counts) - counts
            offsets = np.append(before, below.sum())[first]
            places = begins[owners] + before - offsets[owners]
        self._write(places, self._heads[-1], None)
        at = places + len(self._heads[-1])
        width = self._positions.shape[1]
        self._out[at[:, None] + np.arange(width)] = self._positions
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._out)]
        return pa.Array.from_buffers(pa.binary(), len(ends), buffers)

    def _sizes(self) -> list[Integers]:
        """Return the bytes of each item, a level after the other."""
        one = len(self._heads[-1]) + self._positions.shape[1]
        sizes = [np.full(len(self._positions), one, np.int64)]
        for level in range(len(self._levels) - 1, -1, -1):
            counts, below = self._levels[level], sizes[0]
            sums = np.concatenate([[0], np.cumsum(below)])
            ends = np.cumsum(counts)
            inside = sums[ends] - sums[ends - counts]
            sizes.insert(0, inside + len(self._heads[level]) + 4)
        return sizes

    def _write(self, places: Integers, head: bytes, counts: Integers | None) -> None:
        if head:
            header = np.frombuffer(head, np.uint8)
            self._out[places[:, None] + np.arange(len(head))] = header
        if counts is not None:
            at = places + len(head)
            four = counts.astype("<u4").view(np.uint8).reshape(-1, 4)
            self._out[at[:, None] + np.arange(4)] = four


def _heads(kind: str, dimensions: int, depth: int) -> list[bytes]:
    """Return the header of the items of each level, and of a position; rings have none."""
    heads = [struct.pack("<BI", 1, CODES[kind] + dimensions)] + [b""] * depth
    part = PARTS.get(kind)
    if part:
        heads[1] = struct.pack("<BI", 1, CODES[part] + dimensions)
    return heads
