"""Geometries as WKB, counted without a geometry library: any type, valid or not.

A geometry is a stream of tokens: a header with its count, or a ring with its points. All geometries
of an array are walked together, one token of each at a time; the few long ones that remain are
walked one by one. The extent is that of shells, as PostGIS reckons it: a hole of an invalid polygon
may reach beyond. Source of the format: OGC 06-103r4 (ISO 19125-1), clause 8, with the type numbers
of ISO 13249-3 for curves, surfaces, Z and M.

What belongs here: reading WKB. What does not: whether what it holds is acceptable.
"""

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from libs.fidelity.buffers import values_and_offsets
from libs.models.fidelity import Bbox

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

TYPE_NAMES = {
    1: "Point", 2: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString",
    6: "MultiPolygon", 7: "GeometryCollection", 8: "CircularString", 9: "CompoundCurve",
    10: "CurvePolygon", 11: "MultiCurve", 12: "MultiSurface", 15: "PolyhedralSurface", 16: "TIN",
    17: "Triangle",
}  # fmt: skip
DIMENSIONS = ("", " Z", " M", " ZM")
LITTLE_ENDIAN = 1
HEADER_BYTES, COUNT_BYTES, ORDINATE_BYTES = 5, 4, 8
FEW = 32
_ORDINATES = np.array([2, 3, 3, 4])
_POINT = 1
_HAS_POINTS = (2, 8)
_HAS_RINGS = (3, 17)


class WkbError(ValueError):
    """An array holds what is not WKB; `position` counts from 0."""

    def __init__(self, position: int, found: str) -> None:
        super().__init__(found)
        self.position = position


@dataclass
class GeometryTally:
    """What the arrays given to `add` held, together."""

    nulls: int = 0
    empties: int = 0
    vertices: int = 0
    types: Counter[int] = field(default_factory=Counter)
    bbox: Bbox | None = None

    def add(self, geometries: pa.Array) -> None:
        """Count an array of WKB (binary or large_binary); raises `WkbError` where it is not."""
        self.nulls += geometries.null_count
        present = geometries.drop_null()
        if not len(present):
            return
        walk = _Walk(*values_and_offsets(present))
        numbers, rows = np.unique(walk.types(), return_counts=True)
        for number, count in zip(numbers.tolist(), rows.tolist(), strict=True):
            self.types[number] += count
        self._add_coordinates(walk, len(present))

    def _add_coordinates(self, walk: "_Walk", rows: int) -> None:
        owners, x, y, in_hole = walk.coordinates()
        is_vertex = ~(np.isnan(x) & np.isnan(y))
        owners = owners[is_vertex]
        self.vertices += len(owners)
        has_vertex = np.zeros(rows, np.bool_)
        has_vertex[owners] = True
        self.empties += rows - int(has_vertex.sum())
        x, y = x[is_vertex & ~in_hole], y[is_vertex & ~in_hole]
        if len(x):
            corners = (*map(np.fmin.reduce, (x, y)), *map(np.fmax.reduce, (x, y)))
            self.bbox = union(self.bbox, corners)


def union(one: Bbox | None, other: tuple[float, ...] | None) -> Bbox | None:
    """Return the extent of both."""
    if one is None or other is None:
        return one or (tuple(map(float, other)) if other else None)  # type: ignore[return-value]
    low, high = zip(one[:2], other[:2], strict=True), zip(one[2:], other[2:], strict=True)
    xmin, ymin = (float(np.fmin(*pair)) for pair in low)
    xmax, ymax = (float(np.fmax(*pair)) for pair in high)
    return xmin, ymin, xmax, ymax


def type_name(number: int) -> str:
    """Return the name of an ISO WKB type number, e.g. `MultiPolygon Z`."""
    dimensions, base = divmod(number, 1000)
    return TYPE_NAMES[base] + DIMENSIONS[dimensions]


class _Walk:
    """One pass over the tokens of an array; gathers where runs of coordinates lie.

    Of each walker are known: its value, the cursor, the geometries and the rings still to read,
    the ordinates of a point of these rings, and whether the next ring is a hole.
    """

    def __init__(self, data: Bytes, offsets: Integers) -> None:
        self._data, self._begins, self._ends = data, offsets[:-1], offsets[1:]
        self._runs: list[tuple[Integers, Integers, Integers, Integers, Integers]] = []
        count = len(self._begins)
        self._first_types = self._numbers(np.arange(count), self._begins + 1)
        zeros = np.zeros(count, np.int64)
        state = np.stack([np.arange(count), self._begins, zeros + 1, zeros, zeros, zeros])
        while state.shape[1] > FEW:
            state = self._step(state)
        for walker in state.T.tolist():
            self._walk_alone(*walker)

    def types(self) -> Integers:
        """Return the type number of each geometry."""
        return self._first_types

    def coordinates(self) -> tuple[Integers, Doubles, Doubles, Booleans]:
        """Return (value, x, y, whether it is of a hole) of every vertex."""
        if not self._runs:
            return np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.bool_)
        owners, begins, counts, ordinates, holes = (
            np.concatenate(part) for part in zip(*self._runs, strict=True)
        )
        first = np.cumsum(counts) - counts
        inside = np.arange(counts.sum()) - np.repeat(first, counts)
        places = np.repeat(begins, counts) + inside * np.repeat(ordinates, counts) * ORDINATE_BYTES
        in_hole = np.repeat(holes, counts).astype(np.bool_)
        pairs = self._pairs(places)
        return np.repeat(owners, counts), pairs.real, pairs.imag, in_hole

    def _step(self, state: Integers) -> Integers:
        """Read one token of each walker; return the walkers that have not ended."""
        in_rings = state[3] > 0
        state = np.concatenate(
            [self._read_rings(state[:, in_rings]), self._read_headers(state[:, ~in_rings])], axis=1
        )
        return state[:, (state[2] > 0) | (state[3] > 0)]

    def _read_rings(self, state: Integers) -> Integers:
        owners, cursors, geometries, rings, ordinates, holes = state
        counts = self._numbers(owners, cursors)
        ends = self._add_run(owners, cursors + COUNT_BYTES, counts, ordinates, holes)
        return np.stack([owners, ends, geometries, rings - 1, ordinates, np.ones_like(holes)])

    def _read_headers(self, state: Integers) -> Integers:
        owners, cursors, geometries, *_ = state
        self._require_known(owners, cursors)
        dimensions, bases = np.divmod(self._numbers(owners, cursors + 1), 1000)
        ordinates = _ORDINATES[dimensions]
        cursors = cursors + HEADER_BYTES
        is_point, is_line = bases == _POINT, np.isin(bases, _HAS_POINTS)
        counts = np.ones_like(cursors)
        counts[~is_point] = self._numbers(owners[~is_point], cursors[~is_point])
        cursors = cursors + np.where(is_point, 0, COUNT_BYTES)
        has_run = is_point | is_line
        cursors[has_run] = self._add_run(
            owners[has_run],
            cursors[has_run],
            counts[has_run],
            ordinates[has_run],
            np.zeros_like(owners[has_run]),
        )
        has_rings = np.isin(bases, _HAS_RINGS)
        children = np.where(has_run | has_rings, 0, counts)
        rings = np.where(has_rings, counts, 0)
        no_hole = np.zeros_like(owners)
        return np.stack([owners, cursors, geometries - 1 + children, rings, ordinates, no_hole])

    def _require_known(self, owners: Integers, cursors: Integers) -> None:
        self._require_inside(owners, cursors, HEADER_BYTES)
        dimensions, bases = np.divmod(self._numbers(owners, cursors + 1), 1000)
        is_known = (
            (self._data[cursors] == LITTLE_ENDIAN)
            & (dimensions < len(DIMENSIONS))
            & np.isin(bases, list(TYPE_NAMES))
        )
        if not is_known.all():
            raise WkbError(int(owners[~is_known][0]), "a header that is not WKB's")

    def _add_run(
        self,
        owners: Integers,
        begins: Integers,
        counts: Integers,
        ordinates: Integers,
        holes: Integers,
    ) -> Integers:
        """Note runs of coordinates; return where they end."""
        sizes = counts * ordinates * ORDINATE_BYTES
        self._require_inside(owners, begins, sizes)
        self._runs.append((owners, begins, counts, ordinates, holes))
        ends: Integers = begins + sizes
        return ends

    def _numbers(self, owners: Integers, places: Integers) -> Integers:
        """Return the unsigned 32-bit numbers at `places`."""
        self._require_inside(owners, places, COUNT_BYTES)
        numbers: Integers = self._at_any_byte("<u4")[places].astype(np.int64)
        return numbers

    def _require_inside(self, owners: Integers, begins: Integers, sizes: Integers | int) -> None:
        is_outside = begins + sizes > self._ends[owners]
        if is_outside.any():
            raise WkbError(int(owners[is_outside][0]), "WKB that ends too early")

    def _pairs(self, places: Integers) -> npt.NDArray[np.complex128]:
        """Return the two doubles at each of `places`, as the parts of a complex number."""
        found: npt.NDArray[np.complex128] = self._at_any_byte("<c16")[places]
        return found

    def _at_any_byte(self, dtype: str) -> npt.NDArray[Any]:
        """Return a view of the data whose n-th item begins at byte n, aligned or not."""
        count = max(0, len(self._data) - np.dtype(dtype).itemsize + 1)
        return np.ndarray((count,), dtype, self._data, strides=(1,))

    def _walk_alone(
        self, owner: int, cursor: int, geometries: int, rings: int, ordinates: int, hole: int
    ) -> None:
        """Read all tokens of one walker that are left."""
        end = int(self._ends[owner])
        try:
            runs = _runs_left(self._data.data[:end], cursor, geometries, rings, ordinates, hole)
        except (struct.error, ValueError) as err:
            raise WkbError(owner, f"WKB that cannot be read ({err})") from err
        if runs:
            begins, counts, widths, holes = (np.array(part) for part in zip(*runs, strict=True))
            self._runs.append((np.full(len(runs), owner), begins, counts, widths, holes))


def _runs_left(
    value: memoryview, cursor: int, geometries: int, rings: int, ordinates: int, hole: int
) -> list[tuple[int, int, int, int]]:
    """Return each run of coordinates from `cursor` on.

    A run is (begin, points, ordinates of a point, 1 where it is a hole).
    """
    runs = []
    while geometries or rings:
        is_hole = hole if rings else 0
        hole = 1 if rings else 0
        if rings:
            rings -= 1
            (count,) = struct.unpack_from("<I", value, cursor)
            cursor += COUNT_BYTES
        else:
            geometries -= 1
            base, ordinates = _header(value, cursor)
            cursor += HEADER_BYTES
            count = 1
            if base != _POINT:
                (count,) = struct.unpack_from("<I", value, cursor)
                cursor += COUNT_BYTES
            if base in _HAS_RINGS:
                rings = count
                continue
            if base != _POINT and base not in _HAS_POINTS:
                geometries += count
                continue
        runs.append((cursor, count, ordinates, is_hole))
        cursor += count * ordinates * ORDINATE_BYTES
        if cursor > len(value):
            raise ValueError("it ends too early")
    return runs


def _header(value: memoryview, cursor: int) -> tuple[int, int]:
    """Return the type number without dimensions, and the ordinates of a point."""
    order, number = struct.unpack_from("<BI", value, cursor)
    dimensions, base = divmod(number, 1000)
    if order != LITTLE_ENDIAN or base not in TYPE_NAMES or dimensions >= len(DIMENSIONS):
        raise ValueError("its header is not known")
    return base, int(_ORDINATES[dimensions])
