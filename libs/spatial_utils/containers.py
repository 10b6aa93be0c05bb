"""Zip archives: unpacked inside the work folder, within limits, or refused.

What belongs here: which members are data, and where they may be written. What does not: what the
members hold (`libs.spatial_utils.ogr`).
"""

import errno
import lzma
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError

MAX_MEMBERS = 10_000
MAX_RATIO = 1000
RATIO_FREE_BYTES = 100 * 1024 * 1024
ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
OUR_OWN_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)
JUNK_PARTS = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db"})


UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """An unpacked member: its name in the archive and where it lies now."""

    name: str
    path: Path


def is_zip(path: Path) -> bool:
    """Return whether the file begins as a zip archive; a database with one at its end does not."""
    with path.open("rb") as file:
        return file.read(4) in ZIP_BEGINNINGS


def unpack(archive: Path, folder: Path, *, max_bytes: int, file: str) -> list[Member]:
    """Unpack the data members of `archive` into `folder`, sub-folders kept.

    Raises `SourceError` where a member would land outside `folder`, is encrypted or broken, or
    the archive holds more members or bytes than allowed.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = [info for info in source.infolist() if _is_data(info)]
            _check_limits(members, archive.stat().st_size, max_bytes, file)
            return [_unpack_member(source, info, folder, file) for info in members]
    except OSError as err:
        if err.errno in OUR_OWN_DISK:
            raise
        raise _broken(err, file) from err
    except UNREADABLE as err:
        raise _broken(err, file) from err


def check_archive(archive: Path, *, max_bytes: int, file: str) -> None:
    """Raise `SourceError` where an archive that stays packed is broken or breaks the limits."""
    try:
        with zipfile.ZipFile(archive) as source:
            _check_limits(source.infolist(), archive.stat().st_size, max_bytes, file)
    except UNREADABLE as err:
        raise _broken(err, file) from err


def _broken(err: Exception, file: str) -> SourceError:
    return SourceError(
        "source.broken_archive",
        f"expected a readable zip archive, found: {err}.",
        remedy="Pack the files again, without encryption and with names that a folder can hold, "
        "and drop the archive again.",
        file=file,
    )


def _is_data(info: zipfile.ZipInfo) -> bool:
    parts = _safe_parts(info)
    is_junk = any(part in JUNK_PARTS or part.startswith("._") for part in parts)
    return bool(parts) and not info.is_dir() and not info.filename.endswith("\\") and not is_junk


def _safe_parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(info.filename.replace("\\", "/")).parts


def _check_limits(
    members: list[zipfile.ZipInfo], packed_bytes: int, max_bytes: int, file: str
) -> None:
    unpacked = sum(info.file_size for info in members)
    allowed = min(max_bytes, max(RATIO_FREE_BYTES, packed_bytes * MAX_RATIO))
    if len(members) > MAX_MEMBERS or unpacked > allowed:
        raise SourceError(
            "source.archive_too_large",
            f"expected at most {MAX_MEMBERS} members and {allowed} bytes unpacked, found "
            f"{len(members)} members and {unpacked} bytes.",
            remedy="Split the archive, or drop the files unpacked.",
            file=file,
        )


def _unpack_member(
    source: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, file: str
) -> Member:
    parts = _safe_parts(info)
    path = folder.joinpath(*parts)
    is_outside = parts[0].startswith("/") or ".." in parts or not path.is_relative_to(folder)
    is_taken = path.exists() or any(parent.is_file() for parent in path.parents)
    if is_outside or is_taken:
        raise SourceError(
            "source.unsafe_archive",
            f"expected members with distinct names below the archive's root, found "
            f"{info.filename!r}.",
            remedy="Pack the files again with relative, distinct names.",
            file=file,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open(info) as packed, path.open("xb") as target:
        shutil.copyfileobj(packed, target)
    if path.stat().st_size != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename!r} is not as long as the archive says")
    return Member("/".join(parts), path)
