"""Whether the .shx of a shapefile agrees with its .dbf and its .shp.

GDAL reads the smaller number of shapes and records, and a shape that the index misses as a NULL
geometry, and says nothing.

What belongs here: these headers (ESRI Shapefile Technical Description, 1998; dBASE III). What does
not: everything else about shapefiles, which is GDAL's.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from libs.models.errors import SourceError

Array = npt.NDArray[Any]
HEADER_BYTES, ENTRY_BYTES, WORD_BYTES = 100, 8, 2
RECORDS = struct.Struct("<4xL")
RECORD_HEAD = np.dtype([("number", ">i4"), ("words", ">i4"), ("type", "<i4")])
HEAD_WORDS = 4
"""Of a record, before its content; some writers count them in the .shx, which GDAL allows for."""
SHAPE_TYPES = (0, 1, 3, 5, 8, 11, 13, 15, 18, 21, 23, 25, 28, 31)
ENTRIES_AT_ONCE = 100_000


def require_parts_agree(path: Path, *, file: str) -> None:
    """Look into the parts beside the .shp at `path`; one that is not there agrees.

    Raises `SourceError` where the .shx has another number of shapes than the .dbf has records, or
    where one of its entries leads to no shape of the .shp, or to that of an earlier entry.
    """
    shx, dbf = path.with_suffix(".shx"), path.with_suffix(".dbf")
    if path.suffix != ".shp" or not shx.exists() or shx.stat().st_size < HEADER_BYTES:
        return
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
    row = next(_lost_rows(path, shx), None)
    if row is not None:
        raise SourceError(
            "source.shapefile_index",
            "expected the .shx to lead to a shape of its own in the .shp for each row, found that "
            "it does not.",
            remedy="Leave the .shx out: it is made anew from the .shp. Or export the file anew.",
            file=file,
            row=row,
        )


def _records(dbf: Path) -> int | None:
    with dbf.open("rb") as file:
        head = file.read(RECORDS.size)
    return RECORDS.unpack(head)[0] if len(head) == RECORDS.size else None


def _lost_rows(shp: Path, shx: Path) -> Iterator[int]:
    """Yield the numbers, from 1, of rows whose shape the index does not lead to."""
    with shx.open("rb") as file:
        file.seek(HEADER_BYTES)
        words = np.fromfile(file, ">u4")
    entries = words[: words.size // 2 * 2].reshape(-1, 2)
    if not len(entries):
        return
    is_used = (entries[:, 0] != 0) | (entries[:, 1] != 0)
    is_lost = _repeats(entries[:, 0]) & is_used
    content = np.memmap(shp, np.uint8, "r")
    for begin in range(0, len(entries), ENTRIES_AT_ONCE):
        part = slice(begin, begin + ENTRIES_AT_ONCE)
        is_lost[part] |= is_used[part] & ~_lead_to_shapes(entries[part].astype(np.int64), content)
        yield from (begin + 1 + int(number) for number in np.flatnonzero(is_lost[part]))


def _repeats(offsets: Array) -> Array:
    """Return for each offset whether an earlier one is the same."""
    is_repeated = np.zeros(len(offsets), bool)
    if (offsets[1:] <= offsets[:-1]).any():
        _, first = np.unique(offsets, return_index=True)
        is_repeated[:] = True
        is_repeated[first] = False
    return is_repeated


def _lead_to_shapes(entries: Array, content: Array) -> Array:
    """Return for each entry (offset, length; in words) whether a shape of that length is there."""
    places = entries[:, 0] * WORD_BYTES
    is_inside = places + RECORD_HEAD.itemsize <= content.size
    places = np.where(is_inside, places, 0)
    heads = content[places[:, None] + np.arange(RECORD_HEAD.itemsize)].view(RECORD_HEAD)[:, 0]
    counted = entries[:, 1] - heads["words"]
    has_length = (counted == 0) | (counted == HEAD_WORDS)
    leads: Array = is_inside & has_length & np.isin(heads["type"], SHAPE_TYPES)
    return leads
