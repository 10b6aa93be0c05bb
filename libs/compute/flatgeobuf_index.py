"""The spatial index of a FlatGeobuf: a packed R-tree over features in the order in which they lie.

ogr2ogr writes features without an index, several parts of a table at once; here the parts become
one file. Its own index would take as long as half of the writing, and 200 bytes of memory a
feature: it sorts the features, which a transformed table has done already. Source: the format's
schema (header.fbs, feature.fbs) and its packed Hilbert R-tree.

What belongs here: joining parts, and the nodes of the tree. What does not: writing features
(`libs.compute.ogr_export`), values (`libs.spatial_utils.flatgeobuf_values`).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from libs.spatial_utils.flatgeobuf_scan import MAGIC_BYTES, SIZE, Places, Table, whole_features

NODE_SIZE = 16
CHUNK_NODES = NODE_SIZE * 4096
NODE = np.dtype([("box", "<f8", 4), ("place", "<u8")])
"""A node: xmin, ymin, xmax, ymax, and where its first child or its feature is."""
_ENVELOPE, _FEATURES_COUNT, _INDEX_NODE_SIZE = 1, 8, 9
_GEOMETRY = 0
_XY, _PARTS = 1, 7
_LOW, _HIGH = slice(0, 2), slice(2, 4)

Boxes = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.void]


@dataclass(frozen=True)
class _Part:
    """A FlatGeobuf without an index: where its header says what the whole file's must say."""

    path: Path
    head: bytes
    count: int

    @classmethod
    def of(cls, path: Path) -> "_Part":
        with path.open("rb") as file:
            head = file.read(MAGIC_BYTES + SIZE.size)
            head += file.read(SIZE.unpack_from(head, MAGIC_BYTES)[0])
        return cls(path, head, cls._header(head).number(_FEATURES_COUNT, "<Q"))

    def features(self) -> Iterator[tuple[bytes, Places]]:
        """Yield some features at a time, as they stand in the file, and the size of each."""
        with self.path.open("rb") as file:
            yield from whole_features(file, len(self.head))

    @staticmethod
    def _header(head: bytes | bytearray) -> Table:
        return Table.root(head, MAGIC_BYTES + SIZE.size)

    def patched(self, count: int, box: Boxes) -> bytes:
        """Return the header of a file of `count` features within `box`, with an index."""
        head = bytearray(self.head)
        header = self._header(head)
        envelope = _place(header, _ENVELOPE)
        envelope += SIZE.unpack_from(head, envelope)[0] + SIZE.size
        struct.pack_into("<4d", head, envelope, *box.tolist())
        struct.pack_into("<Q", head, _place(header, _FEATURES_COUNT), count)
        struct.pack_into("<H", head, _place(header, _INDEX_NODE_SIZE), NODE_SIZE)
        return bytes(head)


def _place(header: Table, field: int) -> int:
    place = header.place_of(field)
    if place is None:
        raise ValueError(f"expected field {field} in the header of a FlatGeobuf of GDAL's")
    return place


def join_indexed(paths: Sequence[Path], target: Path) -> None:
    """Make one indexed file of FlatGeobufs without an index; `paths` are removed.

    Features keep the order of the parts, each of which has a geometry with a vertex. GDAL writes
    nothing at all where there are no rows: one part at least has some. Raises `ValueError` or
    `IndexError` where a part is not what GDAL writes.
    """
    parts = [_Part.of(path) for path in paths if path.stat().st_size]
    if len({part.patched(0, np.zeros(4)) for part in parts}) != 1:
        raise ValueError("expected parts of one layer, found headers that differ")
    levels = _levels(sum(part.count for part in parts))
    with target.open("w+b") as file:
        tree = len(parts[0].head)
        begin = tree + levels[0][1] * NODE.itemsize
        leaf = file_place = 0
        for content, sizes in chain.from_iterable(part.features() for part in parts):
            nodes = np.empty(len(sizes), NODE)
            begins = np.cumsum(sizes) - sizes
            nodes["box"] = _boxes(content, begins + SIZE.size)
            nodes["place"] = file_place + begins
            _write(file, tree + (levels[0][0] + leaf) * NODE.itemsize, nodes.tobytes())
            _write(file, begin + file_place, content)
            leaf += len(sizes)
            file_place += len(content)
        if leaf != levels[0][1] - levels[0][0]:
            raise ValueError(f"expected {levels[0][1] - levels[0][0]} features, found {leaf}")
        for children, parents in pairwise(levels):
            _write_parents(file, tree, children, parents)
        file.seek(tree)
        root = np.frombuffer(file.read(NODE.itemsize), NODE)
        _write(file, 0, parts[0].patched(leaf, root["box"][0]))
    for path in paths:
        path.unlink()


def _levels(count: int) -> list[tuple[int, int]]:
    """Return where the nodes of each level begin and end, from the leaves up to the root."""
    sizes = [count]
    while sizes[-1] > 1 or len(sizes) == 1:
        sizes.append(-(-sizes[-1] // NODE_SIZE))
    ends = np.cumsum(sizes[::-1])[::-1].tolist()
    return [(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _boxes(content: bytes, features: Places) -> Boxes:
    """Return the extent of each feature; the features are tables that begin at these places."""
    view = _View(content)
    boxes = np.empty((len(features), 4))
    boxes[:, _LOW], boxes[:, _HIGH] = np.inf, -np.inf
    tables, _ = view.fields(features + view.numbers("<u4", features), _GEOMETRY)
    owners = np.arange(len(features))[tables > 0]
    tables = tables[tables > 0]
    tables = tables + view.numbers("<u4", tables)
    while len(tables):
        _widen(boxes, owners, view, tables)
        vectors, has_parts = view.fields(tables, _PARTS)
        vectors, owners = vectors[has_parts], owners[has_parts]
        begins, counts = view.vectors(vectors)
        places = np.repeat(begins, counts) + 4 * _counted(counts)
        owners = np.repeat(owners, counts)
        tables = places + view.numbers("<u4", places)
    return boxes


def _widen(boxes: Boxes, owners: Places, view: "_View", tables: Places) -> None:
    """Widen the boxes of features by the coordinates of geometries that belong to them."""
    vectors, has_xy = view.fields(tables, _XY)
    begins, counts = view.vectors(vectors[has_xy])
    counts = counts // 2
    has_points = counts > 0
    owners, begins, counts = owners[has_xy][has_points], begins[has_points], counts[has_points]
    if not len(owners):
        return
    places = np.repeat(begins, counts) + 16 * _counted(counts)
    points = view.numbers("<c16", places)
    firsts = np.cumsum(counts) - counts
    for position, values in enumerate((points.real, points.imag)):
        low = np.minimum.reduceat(values, firsts)
        high = np.maximum.reduceat(values, firsts)
        np.minimum.at(boxes[:, position], owners, low)
        np.maximum.at(boxes[:, position + 2], owners, high)


def _counted(counts: Places) -> Places:
    """Return 0, 1, … for each of `counts`."""
    counted: Places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return counted


class _View:
    """Numbers and tables of FlatBuffers at any byte of a content."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def numbers(self, form: str, places: Places) -> npt.NDArray[Any]:
        """Return the numbers of the NumPy type `form` at places."""
        count = max(0, len(self._content) - np.dtype(form).itemsize + 1)
        found: npt.NDArray[Any] = np.ndarray((count,), form, self._content, strides=(1,))[places]
        return found

    def fields(self, tables: Places, field: int) -> tuple[Places, npt.NDArray[np.bool_]]:
        """Return where a field of tables stands, 0 where it is missing, and where it is not."""
        entry = 4 + 2 * field
        fields = tables - self.numbers("<i4", tables)
        offsets = np.zeros(len(tables), np.int64)
        has_entry = self.numbers("<u2", fields) > entry
        offsets[has_entry] = self.numbers("<u2", fields[has_entry] + entry)
        has_field = offsets > 0
        return np.where(has_field, tables + offsets, 0), has_field

    def vectors(self, places: Places) -> tuple[Places, Places]:
        """Return where the items of vectors begin, and how many they are."""
        vectors = places + self.numbers("<u4", places)
        return vectors + 4, self.numbers("<u4", vectors).astype(np.int64)


def _write_parents(
    file: BinaryIO, tree: int, children: tuple[int, int], parents: tuple[int, int]
) -> None:
    """Write a level of the tree, each node of which holds the next `NODE_SIZE` of `children`."""
    parent = parents[0]
    for begin in range(*children, CHUNK_NODES):
        count = min(CHUNK_NODES, children[1] - begin)
        file.seek(tree + begin * NODE.itemsize)
        boxes = np.frombuffer(file.read(count * NODE.itemsize), NODE)["box"]
        firsts = np.arange(0, count, NODE_SIZE)
        nodes = np.empty(len(firsts), NODE)
        nodes["box"][:, _LOW] = np.minimum.reduceat(boxes[:, _LOW], firsts)
        nodes["box"][:, _HIGH] = np.maximum.reduceat(boxes[:, _HIGH], firsts)
        nodes["place"] = begin + firsts
        _write(file, tree + parent * NODE.itemsize, nodes.tobytes())
        parent += len(firsts)


def _write(file: BinaryIO, place: int, content: bytes) -> None:
    file.seek(place)
    file.write(content)
