"""Compressed files: a tar or one single file behind gzip, bzip2 or xz.

What belongs here: decompression. What does not: the tar inside (`tars`).
"""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from libs.spatial_utils.containers.budget import Budget
from libs.spatial_utils.containers.entries import Entry
from libs.spatial_utils.containers.names import without_archive_suffix
from libs.spatial_utils.containers.signatures import Packing, is_tar
from libs.spatial_utils.containers.tars import tar_entries

MAX_XZ_MEMORY_BYTES = 256 * 1024 * 1024
PEEK_BYTES = 64 * 1024


def stream_entries(path: Path, packing: Packing, name: str, budget: Budget) -> Iterator[Entry]:
    """Yield the members of a tar, compressed or not, or the one file that is compressed.

    `name` is what the user calls the compressed file. Raises what the decompressors raise.
    """
    with path.open("rb") as raw, _decompressed(raw, packing) as stream:
        head = stream.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
        if packing == "tar" or is_tar(head):
            yield from tar_entries(cast(IO[bytes], stream), max_bytes=budget.max_bytes)
        else:
            yield Entry(without_archive_suffix(name), "file", lambda: cast(IO[bytes], stream))


def _decompressed(raw: io.BufferedReader, packing: Packing) -> io.BufferedReader:
    if packing == "tar":
        return raw
    if packing == "gzip":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), PEEK_BYTES)
    if packing == "bzip2":
        return io.BufferedReader(bz2.BZ2File(raw), PEEK_BYTES)
    _require_small_dictionary(raw)
    return io.BufferedReader(lzma.LZMAFile(raw), PEEK_BYTES)


def _require_small_dictionary(raw: io.BufferedReader) -> None:
    """Raise `lzma.LZMAError` where reading the file would take too much memory."""
    decompressor = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY_BYTES)
    decompressor.decompress(raw.read(PEEK_BYTES), max_length=1)
    raw.seek(0)
