"""The numbers of an Arc/Info ASCII grid as they are written.

GDAL looks at the first 100 KB only to choose a type, takes text for 0, and stops reading where it
has enough numbers.

What belongs here: what all of the text holds. What does not: reading it as a raster
(`libs.spatial_utils.ogr`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 4096
CHUNK_BYTES = 1024 * 1024
LONGEST_NUMBER = 400

_HEADER = re.compile(
    rb"(?:\s*(?i:ncols|nrows|[xy]ll(?:corner|center)|cellsize|d[xy]|nodata_value)\s+\S+)+"
)
_SPECIAL = re.compile(rb"(?i)(?<!\S)[+-]?(?:nan|inf)(?!\S)")
_OTHER_TEXT = re.compile(rb"[^0-9\s.,eE+\-]")
_NOT_WHOLE = re.compile(rb"[.,eE]")
_BEYOND_INT32 = re.compile(rb"[0-9]{10}")
_BEYOND_FLOAT32 = re.compile(rb"[0-9][0-9.,]{7}")


@dataclass
class GridNumbers:
    """What was found; `count` of numbers, or until text was met."""

    count: int = 0
    is_numeric: bool = True
    is_whole: bool = True
    fits_int32: bool = True
    fits_float32: bool = True

    @property
    def type_name(self) -> str:
        """The GDAL type that holds each number as it is written, to 15 digits."""
        if self.is_whole and self.fits_int32:
            return "Int32"
        return "Float32" if self.fits_float32 else "Float64"

    def add(self, text: bytes) -> None:
        """Take in whole numbers of the text."""
        self.count += len(text.split())
        text, special = _SPECIAL.subn(b"0", text)
        self.is_numeric = self.is_numeric and not _OTHER_TEXT.search(text)
        self.is_whole = self.is_whole and not special and not _NOT_WHOLE.search(text)
        self.fits_int32 = self.fits_int32 and not _BEYOND_INT32.search(text)
        self.fits_float32 = self.fits_float32 and not _BEYOND_FLOAT32.search(text)


def scan_grid(path: Path) -> GridNumbers:
    """Return what the numbers below the header are; memory does not grow with the file."""
    numbers = GridNumbers()
    with path.open("rb") as file:
        header = _HEADER.match(file.read(HEADER_BYTES))
        file.seek(header.end() if header else 0)
        tail = b""
        while numbers.is_numeric and (chunk := file.read(CHUNK_BYTES)):
            text = tail + chunk
            end = max(text.rfind(space) for space in (b" ", b"\n", b"\t", b"\r")) + 1
            tail = text[end:]
            numbers.add(text[:end])
            numbers.is_numeric = numbers.is_numeric and len(tail) <= LONGEST_NUMBER
        numbers.add(tail)
    return numbers
