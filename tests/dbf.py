"""A tiny writer of shapefiles, byte by byte: for tables that no library would write."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


@dataclass(frozen=True)
class DbfColumn:
    """A column as a DBF describes it."""

    name: bytes
    type: str = "C"
    width: int = 20
    decimals: int = 0

    def padded(self, value: bytes) -> bytes:
        """Return a value as it stands in a record: numbers to the right, all else to the left."""
        if self.type in "NF":
            return value.rjust(self.width)[: self.width]
        return value.ljust(self.width)[: self.width]


def dbf_bytes(
    columns: Sequence[DbfColumn],
    rows: Sequence[Sequence[bytes]],
    *,
    language: int = 0,
    deleted: Sequence[int] = (),
) -> bytes:
    """Return a table; `deleted` are rows counted from 1."""
    header_bytes = 32 + 32 * len(columns) + 1
    record_bytes = 1 + sum(column.width for column in columns)
    header = struct.pack("<4BIHH", 3, 126, 1, 1, len(rows), header_bytes, record_bytes)
    content = header + bytes(17) + bytes([language]) + bytes(2)
    for column in columns:
        content += column.name.ljust(11, b"\0") + column.type.encode() + bytes(4)
        content += bytes([column.width, column.decimals]) + bytes(14)
    content += b"\r"
    for number, row in enumerate(rows, 1):
        content += b"*" if number in deleted else b" "
        content += b"".join(c.padded(value) for c, value in zip(columns, row, strict=True))
    return content + b"\x1a"


def shapefile_parts(
    columns: Sequence[DbfColumn],
    rows: Sequence[Sequence[bytes]],
    *,
    cpg: bytes | None = None,
    language: int = 0,
    deleted: Sequence[int] = (),
) -> dict[str, bytes]:
    """Return the files of a shapefile by suffix: a point at (row, row) for each row."""
    records = index = b""
    for number in range(1, len(rows) + 1):
        index += struct.pack(">2i", 50 + len(records) // 2, 10)
        records += struct.pack(">2i", number, 10) + struct.pack("<i2d", 1, number, number)
    parts = {
        ".shp": _head(len(records), len(rows)) + records,
        ".shx": _head(len(index), len(rows)) + index,
        ".dbf": dbf_bytes(columns, rows, language=language, deleted=deleted),
        ".prj": WGS84.encode(),
    }
    return parts if cpg is None else parts | {".cpg": cpg}


def write_parts(folder: Path, parts: dict[str, bytes], stem: str = "roads") -> Path:
    """Write the files of a shapefile and return the path of its .shp."""
    for suffix, content in parts.items():
        (folder / f"{stem}{suffix}").write_bytes(content)
    return folder / f"{stem}.shp"


def _head(content_bytes: int, rows: int) -> bytes:
    words = (100 + content_bytes) // 2
    box = (1, 1, rows, rows, 0, 0, 0, 0)
    return struct.pack(">7i", 9994, 0, 0, 0, 0, 0, words) + struct.pack("<2i8d", 1000, 1, *box)
