"""Curves in MapInfo files, which GDAL draws as lines without a word.

What belongs here: counting the objects of MIF, whose text names them, and of the .MAP beside a
.TAB. What does not: curves that GDAL keeps as such (`libs.pipeline.kinds.geometry_planning`).

A .MAP is blocks of one size. Its header begins with the length of an object of each type; a block
of objects begins with a 2 and, at byte 2, the number of bytes that follow its own header of 20; an
object begins with its type and its number, which says whether it was deleted. Source: GDAL's driver
(ogr/ogrsf_frmts/mitab), whose names the types have here.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from libs.models.version import Warn
from libs.spatial_utils.element_losses import linearised

CHUNK_BYTES = 4 * 1024 * 1024
OVERLAP_BYTES = 64
_MIF_CURVE = re.compile(rb"\n[ \t]*(arc|ellipse|roundrect)(?=[ \t])", re.IGNORECASE)
_MAP_CURVES = {
    0x0A: "arc", 0x0B: "arc", 0x16: "roundrect", 0x17: "roundrect",
    0x19: "ellipse", 0x1A: "ellipse",
}  # fmt: skip
_HEADER_BYTES, _MAGIC_AT, _MAGIC = 512, 0x100, 42424242
_OBJECTS, _OBJECTS_HEADER_BYTES, _DELETED = 2, 20, 0x40000000
_LENGTH, _TYPE = 0x7F, 0x7F
_MIN_OBJECT_BYTES = 5


def drawn_curves(path: str) -> list[Warn]:
    """Return the warning of curves in the MIF or the TAB at `path`; none where there are none."""
    file = Path(path)
    if file.suffix.lower() == ".mif":
        return linearised(_curves_of_mif(file))
    counts: Counter[str] = Counter()
    for beside in file.parent.iterdir():
        if beside.name.lower() == f"{file.stem}.map".lower():
            with beside.open("rb") as objects:
                counts.update(_curves_of_map(objects))
    return linearised(counts)


def _curves_of_mif(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    kept = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = kept + chunk
            end = 0
            for found in _MIF_CURVE.finditer(text):
                counts[found[1].decode().lower()] += 1
                end = found.end()
            kept = text[max(end, len(text) - OVERLAP_BYTES) :]
    return counts


def _curves_of_map(file: BinaryIO) -> Iterator[str]:
    """Yield the kind of each curve that was not deleted."""
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return
    magic, _, block_bytes = struct.unpack_from("<IhH", header, _MAGIC_AT)
    if magic != _MAGIC or block_bytes <= _OBJECTS_HEADER_BYTES:
        return
    file.seek(0)
    while block := file.read(block_bytes):
        if block[0] == _OBJECTS and len(block) > _OBJECTS_HEADER_BYTES:
            yield from _curves_of_block(block, header)


def _curves_of_block(block: bytes, lengths: bytes) -> Iterator[str]:
    (size,) = struct.unpack_from("<H", block, 2)
    place = _OBJECTS_HEADER_BYTES
    end = min(place + size, len(block))
    while place + _MIN_OBJECT_BYTES <= end:
        kind, number = struct.unpack_from("<BI", block, place)
        length = lengths[kind & _TYPE] & _LENGTH
        if kind in _MAP_CURVES and not number & _DELETED:
            yield _MAP_CURVES[kind]
        if not length:
            return
        place += length
