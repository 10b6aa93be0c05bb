"""From fetched files to parts: loose files as they are, archives unpacked.

What belongs here: what every kind does before it looks at formats. What does not: which parts are
read (`file_groups`, `raster_files`, `tabular_sources`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models.manifest import ManifestFile
from libs.models.version import Warn
from libs.pipeline.state import FetchedFile
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.containers.unpacking import is_archive, unpack

MAX_NAMED = 20


@dataclass(frozen=True)
class Part:
    """A file of the drop, loose or unpacked; `place` is its path as a user knows it."""

    place: str
    path: Path
    file: ManifestFile
    is_member: bool

    @property
    def name(self) -> str:
        """Last part of its place."""
        return self.place.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Its place without its name."""
        return self.place.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """Its name without the last suffix."""
        return PurePosixPath(self.name).stem


def find_parts(bench: Workbench, item: FetchedFile) -> tuple[list[Part], list[Warn]]:
    """Return the parts of a fetched file, and what a user should know of members left packed.

    Raises `SourceError` where an archive cannot be unpacked.
    """
    file = item.file
    if not is_archive(item.path):
        return [Part(file.path, item.path, file, is_member=False)], []
    unpacked = unpack(
        item.path,
        bench.subfolder(f"unpacked/{item.path.parent.name}"),
        max_bytes=bench.clients.settings.max_unpacked_bytes,
        file=file.path,
    )
    parts = [
        Part(f"{file.path}!/{member.name}", member.path, file, is_member=True)
        for member in unpacked.members
    ]
    warnings = []
    if unpacked.left_packed:
        warnings.append(_not_read(file, unpacked.left_packed, "links and devices"))
    if unpacked.guessed_names:
        message = (
            "The archive does not mark the encoding of its names, which were read as "
            f"{shown_names(unpacked.guessed_names)}."
        )
        warnings.append(Warn(code="source.member_name_guessed", message=message, file=file.path))
    return parts, warnings


def unread_members(parts: Iterable[Part]) -> list[Warn]:
    """Return a warning for each archive that names its members among `parts`."""
    by_file: dict[str, list[Part]] = {}
    for part in parts:
        if part.is_member:
            by_file.setdefault(part.file.path, []).append(part)
    return [
        _not_read(members[0].file, [_member_name(part) for part in members], "of another kind")
        for members in by_file.values()
    ]


def shown_names(names: Sequence[str]) -> str:
    """Return names for a message, the first ones where there are many."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _member_name(part: Part) -> str:
    return part.place.removeprefix(f"{part.file.path}!/")


def _not_read(file: ManifestFile, names: Sequence[str], why: str) -> Warn:
    return Warn(
        code="source.member_not_read",
        message=f"Members of the archive that were not read ({why}): {shown_names(names)}.",
        file=file.path,
    )
