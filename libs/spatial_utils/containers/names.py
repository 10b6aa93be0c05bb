"""Names of members: decoded, made safe, and told apart from what systems leave in archives.

What belongs here: names. What does not: contents.
"""

import hashlib
import re
from pathlib import PurePosixPath

from libs.models.errors import SourceError

JUNK = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini"})
ARCHIVE_SUFFIXES = (
    ".zip", ".kmz", ".shz", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz",
)  # fmt: skip
ARCHIVES_SAID = "a zip, tar, gz, bz2 or xz of them"
MAX_LOCAL_BYTES = 200
MAX_SUFFIX_BYTES = 40
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def decode_name(raw: bytes, fallback: str) -> tuple[str, bool]:
    """Return a name whose encoding is not marked, and whether its encoding is a guess.

    Bytes that are valid UTF-8 hardly ever are anything else; others are taken as `fallback`.
    """
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode(fallback, errors="replace"), True


def safe_parts(name: str, *, file: str) -> tuple[str, ...]:
    """Return the parts of a member's name, relative to the archive's root; empty for the root.

    Backslashes separate as slashes do, a leading slash is dropped, control characters become `_`.
    Raises `SourceError` where the name climbs out of the root.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    if ".." in parts:
        raise SourceError(
            "source.unsafe_archive",
            f"expected members below the archive's root, found {name!r}.",
            remedy="Pack the files again with relative names.",
            file=file,
        )
    return tuple(_CONTROL.sub("_", part) for part in parts)


def is_junk(parts: tuple[str, ...]) -> bool:
    """Return whether a member is what a system leaves behind: resource forks, thumbnails."""
    return any(part.lower() in JUNK or part.startswith("._") for part in parts)


def is_archive_name(name: str) -> bool:
    """Return whether a name says that the file is an archive or compressed."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def without_archive_suffix(name: str) -> str:
    """Return the name of what a compressed file holds: `a.csv` for `a.csv.gz`."""
    suffix = next((s for s in ARCHIVE_SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


def local_name(name: str) -> str:
    """Return a file name that a file system can hold, its beginning and its suffixes kept."""
    encoded = name.encode()
    if len(encoded) <= MAX_LOCAL_BYTES:
        return name
    suffixes = "".join(PurePosixPath(name).suffixes[-2:])
    suffixes = suffixes if len(suffixes.encode()) <= MAX_SUFFIX_BYTES else ""
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    kept = encoded[: MAX_LOCAL_BYTES - len(digest) - len(suffixes.encode()) - 1]
    return f"{kept.decode(errors='ignore')}~{digest}{suffixes}"
