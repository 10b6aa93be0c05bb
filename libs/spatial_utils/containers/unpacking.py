"""Unpacking: every data member of an archive becomes a file below a folder, or the drop is refused.

Each member gets a numbered folder of its own, so that no name in an archive can take another's
place, lead out of the folder or be too long for the file system. Links are never made; permissions
and owners are not restored.

What belongs here: the one door to archives. What does not: which members are data of which format
(`libs.pipeline.kinds`).
"""

import filecmp
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError
from libs.spatial_utils.containers.broken import refused_where_broken
from libs.spatial_utils.containers.budget import Budget
from libs.spatial_utils.containers.entries import Entry
from libs.spatial_utils.containers.names import is_archive_name, is_junk, local_name, safe_parts
from libs.spatial_utils.containers.signatures import NOT_UNPACKED, Packing, packing_of
from libs.spatial_utils.containers.streams import stream_entries
from libs.spatial_utils.containers.zips import zip_entries

MAX_DEPTH = 2


@dataclass(frozen=True)
class Member:
    """An unpacked member: its name in the archive and where it lies now.

    A member of an archive inside the archive is called `inner.zip!/name`.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Unpacked:
    """The data members, and what a user should know of others.

    `left_packed` are links and devices; `guessed_names` those whose encoding nothing marks.
    """

    members: tuple[Member, ...]
    left_packed: tuple[str, ...]
    guessed_names: tuple[str, ...]


def is_archive(path: Path) -> bool:
    """Return whether the file's content is packed, in a way that we unpack or one that we do not.

    A database with a zip at its end is not.
    """
    return packing_of(path) is not None


def unpack(archive: Path, folder: Path, *, max_bytes: int, file: str) -> Unpacked:
    """Unpack the data members of `archive`, known to the user as `file`, below `folder`.

    Archives inside it are unpacked too, one level deep, within the same limits. Raises
    `SourceError` naming archive and member where one is broken, encrypted, packed by a method that
    is not read, has a name that climbs out, or where there is more than allowed.
    """
    work = _Unpacking(folder, Budget.of(archive.stat().st_size, max_bytes=max_bytes, file=file))
    work.unpack(archive, file=file, prefix="", depth=1)
    members = tuple(Member(name, path) for name, path in work.members.items())
    return Unpacked(members, tuple(work.left_packed), tuple(work.guessed_names))


@dataclass
class _Unpacking:
    folder: Path
    budget: Budget
    members: dict[str, Path] = field(default_factory=dict)
    left_packed: list[str] = field(default_factory=list)
    guessed_names: list[str] = field(default_factory=list)

    def unpack(self, archive: Path, *, file: str, prefix: str, depth: int) -> None:
        packing = packing_of(archive)
        if packing is None or packing in NOT_UNPACKED:
            raise SourceError(
                "source.unsupported_archive",
                f"expected a zip, tar, gzip, bzip2 or xz file, found {packing or 'another'}.",
                remedy="Pack the files as .zip and drop that.",
                file=file,
            )
        with refused_where_broken(file):
            for entry in self._entries(archive, packing, file):
                self.budget.take_member()
                parts = safe_parts(entry.name, file=file)
                if parts and entry.kind != "folder" and not is_junk(parts):
                    self._unpack_member(entry, "/".join(parts), file, prefix, depth)

    def _entries(self, archive: Path, packing: Packing, file: str) -> Iterator[Entry]:
        if packing == "zip":
            return zip_entries(archive, self.budget, file=file)
        return stream_entries(archive, packing, PurePosixPath(file).name, self.budget)

    def _unpack_member(self, entry: Entry, name: str, file: str, prefix: str, depth: int) -> None:
        label, full_name = f"{file}!/{name}", f"{prefix}{name}"
        if entry.is_name_guessed:
            self.guessed_names.append(full_name)
        path = self._linked(entry, file, prefix) or self._written(entry, name, label)
        if path is None:
            self.left_packed.append(full_name)
        elif is_archive_name(name) and packing_of(path) not in (None, *NOT_UNPACKED):
            self._unpack_nested(path, label, full_name, depth)
        else:
            self._keep(full_name, path, label)

    def _linked(self, entry: Entry, file: str, prefix: str) -> Path | None:
        """Return the member that a hard link shares its bytes with."""
        if entry.hard_link is None:
            return None
        return self.members.get(prefix + "/".join(safe_parts(entry.hard_link, file=file)))

    def _written(self, entry: Entry, name: str, label: str) -> Path | None:
        if entry.kind != "file":
            return None
        folder = self.folder / str(self.budget.members)
        folder.mkdir()
        path = folder / local_name(PurePosixPath(name).name)
        with refused_where_broken(label), entry.open() as packed, path.open("xb") as target:
            size_bytes = self.budget.copy(packed, target)
            if entry.size_bytes not in (None, size_bytes):
                raise EOFError(f"{size_bytes} bytes where {entry.size_bytes} were announced")
        return path

    def _unpack_nested(self, path: Path, label: str, full_name: str, depth: int) -> None:
        if depth == MAX_DEPTH:
            raise SourceError(
                "source.nested_archive",
                "expected archives inside an archive one level deep, found a deeper one.",
                remedy="Unpack the outer archive and drop what it holds.",
                file=label,
            )
        self.unpack(path, file=label, prefix=f"{full_name}!/", depth=depth + 1)
        path.unlink()

    def _keep(self, name: str, path: Path, label: str) -> None:
        other = self.members.setdefault(name, path)
        if other != path and not filecmp.cmp(other, path, shallow=False):
            raise SourceError(
                "source.unsafe_archive",
                "expected members with distinct names, found two of this name with different "
                "content.",
                remedy="Pack the files again with distinct names.",
                file=label,
            )
