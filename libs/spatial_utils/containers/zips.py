"""Zip archives as entries.

What belongs here: names, links, encryption and compression as zip has them. What does not: where
members are written (`unpacking`).
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from libs.models.errors import SourceError
from libs.spatial_utils.containers.broken import refused_where_broken
from libs.spatial_utils.containers.budget import Budget
from libs.spatial_utils.containers.entries import Entry, EntryKind
from libs.spatial_utils.containers.names import decode_name

MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
METHOD_NAMES = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_ENCRYPTED, _UTF8 = 0x1, 0x800
_UNICODE_PATH = 0x7075


class _BoundedFile(io.FileIO):
    """A file of which no reader takes a lying directory's worth into memory at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a directory of {size} bytes")
        return super().read(size)


def zip_entries(path: Path, budget: Budget, *, file: str) -> Iterator[Entry]:
    """Yield the members of a zip.

    Raises `SourceError` where one is encrypted or packed by a method that is not read, or where
    the directory announces more than is allowed; otherwise what `zipfile` raises.
    """
    with _BoundedFile(path) as raw, zipfile.ZipFile(raw) as source:
        infos = source.infolist()
        budget.expect(len(infos), sum(info.file_size for info in infos))
        named = [(info, *_name(info)) for info in infos]
        for info, name, _ in named:
            _require_readable(info, name, file)
        for info, name, is_guessed in named:
            opener = partial(_open, source, info)
            yield Entry(name, _kind(info, name), opener, is_guessed, info.file_size)


def check_zip(path: Path, *, max_bytes: int, file: str) -> None:
    """Raise `SourceError` where a zip that stays packed is broken or announces too much."""
    with refused_where_broken(file), zipfile.ZipFile(path) as source:
        infos = source.infolist()
    budget = Budget.of(path.stat().st_size, max_bytes=max_bytes, file=file)
    budget.expect(len(infos), sum(info.file_size for info in infos))


def _open(source: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    return source.open(info)


def _kind(info: zipfile.ZipInfo, name: str) -> EntryKind:
    mode = info.external_attr >> 16
    if not name or name.endswith(("/", "\\")):
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_IFMT(mode) in {0, stat.S_IFREG} else "device"


def _name(info: zipfile.ZipInfo) -> tuple[str, bool]:
    """Return a member's name and whether its encoding is a guess (CP437, as zip's default is)."""
    if info.flag_bits & _UTF8:
        return info.filename, False
    raw = info.filename.encode("cp437")
    marked = _unicode_path(info.extra, raw)
    return (marked, False) if marked else decode_name(raw, "cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name that Info-ZIP's Unicode Path field gives for the name `raw`."""
    while len(extra) >= 4:  # noqa: PLR2004 - two shorts: id and length
        field, length = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + length], extra[4 + length :]
        is_ours = field == _UNICODE_PATH and content[:1] == b"\x01"
        if is_ours and content[1:5] == struct.pack("<L", zlib.crc32(raw)):
            return content[5:].decode("utf-8")
    return None


def _require_readable(info: zipfile.ZipInfo, name: str, file: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise SourceError(
            "source.encrypted_archive",
            "expected members without a password, found an encrypted one.",
            remedy="Pack the files again without a password.",
            file=f"{file}!/{name}",
        )
    if info.compress_type not in METHODS:
        found = METHOD_NAMES.get(info.compress_type, f"method {info.compress_type}")
        raise SourceError(
            "source.unsupported_compression",
            f"expected a member packed by Deflate, bzip2, LZMA or not at all, found {found}.",
            remedy="Pack the files again with Deflate, e.g. with `zip` or Python, or as .tar.gz.",
            file=f"{file}!/{name}",
        )
