"""What a file is packed as, told by its content.

A name proves nothing: a GeoPackage may hold a zip at its end, and a zip may be called .gpkg.

What belongs here: signatures. What does not: reading (`zips`, `tars`, `streams`).
"""

import tarfile
from pathlib import Path
from typing import Literal

Packing = Literal["zip", "tar", "gzip", "bzip2", "xz", "7z", "rar", "zstd", "compress"]
NOT_UNPACKED: tuple[Packing, ...] = ("7z", "rar", "zstd", "compress")
_SIGNATURES: tuple[tuple[bytes, Packing], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08PK", "zip"),
    (b"PK00PK", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x1f\x9d", "compress"),
)
_BZIP2 = (b"BZh", (b"1AY&SY", b"\x17rE8P\x90"))
_EMPTY_BLOCK = bytes(tarfile.BLOCKSIZE)


def packing_of(path: Path) -> Packing | None:
    """Return how a file is packed; None for a file that is not, as far as we know."""
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    found = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)
    if found:
        return found
    if head.startswith(_BZIP2[0]) and head[4:10] in _BZIP2[1]:
        return "bzip2"
    is_empty_tar = head == _EMPTY_BLOCK and path.name.lower().endswith(".tar")
    return "tar" if is_empty_tar or is_tar(head) else None


def is_tar(head: bytes) -> bool:
    """Return whether the first block of a file is the header of a tar, its checksum right."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
