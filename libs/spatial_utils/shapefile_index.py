"""Whether the .shx of a shapefile agrees with its .dbf and its .shp.

GDAL reads the smaller number of shapes and records, and a shape that the index misses as a NULL
geometry, and says nothing.

What belongs here: these headers (ESRI Shapefile Technical Description, 1998; dBASE III). What does
not: everything else about shapefiles, which is GDAL's.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from libs.models.errors import SourceError
from libs.models.version import Warn

Array = npt.NDArray[Any]
HEADER_BYTES, ENTRY_BYTES, WORD_BYTES = 100, 8, 2
RECORDS = struct.Struct("<4xL")
RECORD_HEAD = np.dtype([("number", ">i4"), ("words", ">i4"), ("type", "<i4")])
HEAD_WORDS = 4
"""Of a record, before its content; some writers count them in the .shx, which GDAL allows for."""
SHAPE_TYPES = (0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31)
ENTRIES_AT_ONCE = 100_000


def look_at_index(path: Path, *, file: str) -> list[Warn]:
    """Return what a user should know of the .shx beside the .shp at `path`, if there is one.

    Raises `SourceError` where it has another number of shapes than the .dbf has records, or where
    one of its entries leads to no shape of the .shp, or to that of another entry.
    """
    shx, dbf = path.with_suffix(".shx"), path.with_suffix(".dbf")
    if path.suffix != ".shp" or not shx.exists() or shx.stat().st_size < HEADER_BYTES:
        return []
    shapes = (shx.stat().st_size - HEADER_BYTES) // ENTRY_BYTES
    records = _records(dbf) if dbf.exists() else None
    if records is not None and shapes != records:
        raise SourceError(
            "source.shapefile_counts_differ",
            f"expected as many shapes as records of attributes, found {shapes} in the .shx "
            f"and {records} in the .dbf.",
            remedy="Upload all parts of one and the same shapefile, or export it anew.",
            file=file,
        )
    left_bytes = _unindexed_bytes(path, _entries(shx), file)
    if not left_bytes:
        return []
    message = (
        f"{left_bytes} bytes of the .shp belong to no shape that the .shx leads to, and were not "
        "read: shapes that were deleted or replaced, or the parts are of different exports."
    )
    return [Warn(code="source.shapes_not_indexed", message=message, file=file)]


def _records(dbf: Path) -> int | None:
    with dbf.open("rb") as file:
        head = file.read(RECORDS.size)
    return RECORDS.unpack(head)[0] if len(head) == RECORDS.size else None


def _entries(shx: Path) -> Array:
    """Return (offset, length) of each shape, in words."""
    with shx.open("rb") as file:
        file.seek(HEADER_BYTES)
        words: Array = np.fromfile(file, ">u4")
    return words[: words.size // 2 * 2].reshape(-1, 2)


def _unindexed_bytes(shp: Path, entries: Array, file: str) -> int:
    """Return how much of a .shp is in no shape that `entries` lead to."""
    left_bytes = shp.stat().st_size - HEADER_BYTES
    if not len(entries):
        return left_bytes
    is_repeated = _repeats(entries[:, 0])
    for begin in range(0, len(entries), ENTRIES_AT_ONCE):
        part = entries[begin : begin + ENTRIES_AT_ONCE].astype(np.int64)
        is_used = part.any(axis=1)
        size_bytes = _shape_bytes(part, shp)
        is_lost = is_used & (is_repeated[begin : begin + len(part)] | (size_bytes == 0))
        if is_lost.any():
            raise SourceError(
                "source.shapefile_index",
                "expected the .shx to lead to a shape of its own in the .shp for each row, found "
                "that it does not.",
                remedy="Leave the .shx out, as it is made anew from the .shp, or export again.",
                file=file,
                row=begin + 1 + int(is_lost.argmax()),
            )
        left_bytes -= int(size_bytes[is_used].sum())
    return left_bytes


def _repeats(offsets: Array) -> Array:
    """Return for each offset whether an earlier one is the same."""
    is_repeated = np.zeros(len(offsets), bool)
    if (offsets[1:] <= offsets[:-1]).any():
        _, first = np.unique(offsets, return_index=True)
        is_repeated[:] = True
        is_repeated[first] = False
    return is_repeated


def _shape_bytes(entries: Array, shp: Path) -> Array:
    """Return for each entry how long its shape is, with its head; 0 where it leads to none."""
    # Mapped for these entries only: what was looked at is not kept in memory.
    content = np.memmap(shp, np.uint8, "r")
    places = entries[:, 0] * WORD_BYTES
    is_inside = places + RECORD_HEAD.itemsize <= content.size
    places = np.where(is_inside, places, 0)
    heads = content[places[:, None] + np.arange(RECORD_HEAD.itemsize)].view(RECORD_HEAD)[:, 0]
    counted = entries[:, 1] - heads["words"]
    has_length = (counted == 0) | (counted == HEAD_WORDS)
    is_shape = is_inside & has_length & np.isin(heads["type"], SHAPE_TYPES)
    size_bytes: Array = np.where(is_shape, (heads["words"] + HEAD_WORDS) * WORD_BYTES, 0)
    return size_bytes
