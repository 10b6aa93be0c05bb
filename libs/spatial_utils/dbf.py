"""The dBASE table of a shapefile as bytes: its header, and its records in batches of columns.

GDAL says nothing of values that it cannot read, of text that it cuts, or of a table that it cannot
read at all: it publishes 0, a shorter text, or no attributes. So the bytes are looked at first.
Layout: https://www.dbase.com/Knowledgebase/INT/db7_file_fmt.htm and dBASE III's before it.

What belongs here: where bytes lie, and changing them in a copy. What does not: what they mean
(`dbf_text`, `dbf_values`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from libs.models.errors import SourceError

BATCH_BYTES = 4 * 1024 * 1024
HEADER_BYTES = 32
FIELD_BYTES = 32
NAME_BYTES = 11
TEXT_TYPES = "CL"
NUMBER_TYPES = "NF"
DELETED = ord("*")
_END_OF_FIELDS = ord("\r")
_TYPE_OFFSET = 11
_WIDTH_OFFSET = 16
_DECIMALS_OFFSET = 17


@dataclass(frozen=True)
class DbfField:
    """A column: `raw_name` as it stands in the header, `offset` of its values in a record."""

    position: int
    raw_name: bytes
    type: str
    offset: int
    width: int
    decimals: int

    @property
    def shown(self) -> str:
        """The name for a message, bytes that are no ASCII as escapes."""
        return self.raw_name.decode("ascii", "backslashreplace") or f"column {self.position + 1}"

    @property
    def header_offset(self) -> int:
        """Where its description begins in the file."""
        return HEADER_BYTES + self.position * FIELD_BYTES


@dataclass(frozen=True)
class Dbf:
    """A table: `rows` counts records, deleted ones too; `language` is the byte of its code page."""

    path: Path
    fields: tuple[DbfField, ...]
    rows: int
    header_bytes: int
    record_bytes: int
    language: int

    def batches(self) -> Iterator["Batch"]:
        """Yield all records, a few megabytes at a time."""
        rows_a_batch = max(1, BATCH_BYTES // self.record_bytes)
        with self.path.open("rb") as file:
            file.seek(self.header_bytes)
            for first in range(0, self.rows, rows_a_batch):
                rows = min(rows_a_batch, self.rows - first)
                yield Batch(self, first, rows, file.read(rows * self.record_bytes))

    def place(self, row: int, field: DbfField) -> int:
        """Return where a value begins in the file; `row` is counted from 1."""
        return self.header_bytes + (row - 1) * self.record_bytes + field.offset


@dataclass(frozen=True)
class Batch:
    """Records that follow each other; `first` is the number of those before them."""

    dbf: Dbf
    first: int
    rows: int
    content: bytes

    def column(self, field: DbfField) -> pa.Array:
        """Return a column's values as they stand, padded to its width."""
        records = pa.Array.from_buffers(
            pa.binary(self.dbf.record_bytes), self.rows, [None, pa.py_buffer(self.content)]
        )
        return pc.binary_slice(records, field.offset, field.offset + field.width)

    def is_ascii(self, field: DbfField) -> bool:
        """Return whether a column holds nothing but ASCII."""
        values: bytes = self.column(field).buffers()[1].to_pybytes()
        return values.isascii()

    def lines(self, field: DbfField) -> bytes:
        """Return a column's values as lines, those of deleted records too."""
        return b"\n".join(self.column(field).to_pylist())

    def values(self, field: DbfField) -> Iterator[tuple[int, bytes]]:
        """Yield (row counted from 1, bytes) of a column, deleted records left out."""
        for number, value in enumerate(cast(list[bytes], self.column(field).to_pylist())):
            if self.content[number * self.dbf.record_bytes] != DELETED:
                yield self.first + number + 1, value

    @property
    def deleted(self) -> int:
        """How many of the records are marked as deleted."""
        return self.content[:: self.dbf.record_bytes].count(DELETED)


def read_dbf(path: Path, *, file: str) -> Dbf:
    """Return the table at `path`; its records are read later.

    Raises `SourceError` naming `file` where the header is broken or records are missing.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as source:
        header = source.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0")
        rows = int.from_bytes(header[4:8], "little")
        header_bytes = int.from_bytes(header[8:10], "little")
        record_bytes = int.from_bytes(header[10:12], "little")
        described = source.read(max(0, header_bytes - HEADER_BYTES))
    fields = _fields(described)
    needed = 1 + sum(field.width for field in fields)
    is_clipped = any(field.type == "C" and field.decimals for field in fields)
    is_wide_enough = record_bytes >= needed if fields else record_bytes == needed
    if not HEADER_BYTES < header_bytes <= size_bytes or not is_wide_enough:
        raise _broken(file, "a header that tells the columns and their widths", "another one")
    if is_clipped and record_bytes > needed:
        raise _broken(file, "text columns of at most 255 bytes", "wider ones, as Clipper makes")
    there = (size_bytes - header_bytes) // record_bytes
    if there < rows:
        raise _broken(file, f"{rows} records as its header says", f"room for {there}")
    return Dbf(path, fields, rows, header_bytes, record_bytes, header[29])


def replace_bytes(path: Path, changes: Iterable[tuple[int, bytes]]) -> None:
    """Write bytes over those at places (offset, bytes) of a file in the work folder."""
    with path.open("r+b") as file:
        for offset, content in changes:
            file.seek(offset)
            file.write(content)


def as_decimal(field: DbfField) -> tuple[int, bytes]:
    """Return the change of the header that lets a column of integers hold fractions."""
    return field.header_offset + _DECIMALS_OFFSET, b"\x01"


def as_text(field: DbfField) -> tuple[int, bytes]:
    """Return the change of the header that makes a column text."""
    return field.header_offset + _TYPE_OFFSET, b"C"


def _fields(described: bytes) -> tuple[DbfField, ...]:
    fields: list[DbfField] = []
    offset = 1
    for start in range(0, len(described) - FIELD_BYTES + 1, FIELD_BYTES):
        part = described[start : start + FIELD_BYTES]
        if part[0] == _END_OF_FIELDS:
            break
        field = DbfField(
            position=len(fields),
            raw_name=part[:NAME_BYTES].partition(b"\0")[0],
            type=chr(part[_TYPE_OFFSET]),
            offset=offset,
            width=part[_WIDTH_OFFSET],
            decimals=part[_DECIMALS_OFFSET],
        )
        fields.append(field)
        offset += field.width
    return tuple(fields)


def _broken(file: str, expected: str, found: str) -> SourceError:
    return SourceError(
        "source.broken_dbf",
        f"expected a .dbf with {expected}, found {found}.",
        remedy="Export the shapefile anew and drop it again.",
        file=file,
    )
