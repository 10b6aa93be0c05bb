"""Tar archives as entries, read forward in one pass.

`tarfile` takes a broken header in the middle for the end of the archive and holds extended headers
in memory; both are guarded here.

What belongs here: tar. What does not: what a tar is compressed with (`streams`).
"""

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import IO, cast

from libs.spatial_utils.containers.budget import CHUNK_BYTES
from libs.spatial_utils.containers.entries import Entry, EntryKind
from libs.spatial_utils.containers.names import decode_name

MAX_HEADER_BYTES = 1024 * 1024
OVERHEAD_BYTES = 64 * 1024 * 1024


class _ForwardReader(io.RawIOBase):
    """A stream that can be skipped but not rewound, of at most `max_bytes`.

    `header_bytes_left` bounds what may be read until the next member is found.
    """

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._position = 0
        self._max_bytes = max_bytes
        self.header_bytes_left = MAX_HEADER_BYTES
        self.is_in_header = True
        self.last_read = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or position < self._position:
            raise tarfile.ReadError("a member that lies before the one it follows")
        while self._position < position and self._take(position - self._position):
            pass
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        wanted = CHUNK_BYTES if size < 0 else size
        if self.is_in_header:
            self.header_bytes_left -= wanted
            if self.header_bytes_left < 0:
                raise tarfile.ReadError(f"a header of more than {MAX_HEADER_BYTES} bytes")
        chunks = []
        while wanted and (chunk := self._take(wanted)):
            chunks.append(chunk)
            wanted -= len(chunk)
        self.last_read = b"".join(chunks)
        return self.last_read

    def drain(self) -> bool:
        """Read to the end; return whether nothing but padding was left."""
        while chunk := self._take(CHUNK_BYTES):
            if chunk.strip(b"\0"):
                return False
        return True

    def _take(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, CHUNK_BYTES))
        self._position += len(chunk)
        if self._position > self._max_bytes:
            raise tarfile.ReadError(f"more than {self._max_bytes} bytes")
        return chunk


def tar_entries(stream: IO[bytes], *, max_bytes: int) -> Iterator[Entry]:
    """Yield the members of a tar; raises `tarfile.TarError` where it is broken or cut off."""
    reader = _ForwardReader(stream, max_bytes + OVERHEAD_BYTES)
    with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r:") as source:
        while info := _next(source, reader):
            raw = info.name.encode("utf-8", "surrogateescape")
            name, is_guessed = decode_name(raw, "cp1252")
            opener = partial(_open, source, info)
            size = info.size if info.isreg() else 0
            target = info.linkname if info.islnk() else None
            yield Entry(name, _kind(info), opener, is_guessed, size, target)
        if len(reader.last_read) != tarfile.BLOCKSIZE or reader.last_read.strip(b"\0"):
            raise tarfile.ReadError("no end mark after the last member: a cut or broken archive")
        if not reader.drain():
            raise tarfile.ReadError("data after the end mark")


def _next(source: tarfile.TarFile, reader: _ForwardReader) -> tarfile.TarInfo | None:
    reader.is_in_header, reader.header_bytes_left = True, MAX_HEADER_BYTES
    info = source.next()
    reader.is_in_header = False
    return info


def _open(source: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    opened = source.extractfile(info)
    if opened is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return opened


def _kind(info: tarfile.TarInfo) -> EntryKind:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return "link"
    return "file" if info.isreg() else "device"
