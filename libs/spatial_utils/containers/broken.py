"""What the readers of archives raise, turned into refusals.

What belongs here: telling a broken archive from a disk of ours that is full or failing. What does
not: the readers.
"""

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from libs.models.errors import SourceError

OF_THE_ARCHIVE = (None, errno.EINVAL)
"""What an `OSError` has for a stream that is no good, and for a place before its beginning."""
UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError,
    NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip


@contextmanager
def refused_where_broken(file: str) -> Iterator[None]:
    """Raise `SourceError` naming `file` for what a reader raises on a broken archive."""
    try:
        yield
    except OSError as err:
        if err.errno not in OF_THE_ARCHIVE:
            raise
        raise _broken(err, file) from err
    except UNREADABLE as err:
        raise _broken(err, file) from err


def _broken(err: Exception, file: str) -> SourceError:
    return SourceError(
        "source.broken_archive",
        f"expected an archive that can be read to its end, found: {err or type(err).__name__}.",
        remedy="Check that the upload is complete, pack the files again and drop the archive "
        "again.",
        file=file,
    )
