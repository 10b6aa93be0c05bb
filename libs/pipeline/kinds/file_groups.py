"""From parts to sources: files that only together make one are put together, each in a folder.

A folder of its own, so that GDAL finds beside a file what belongs to it and nothing else, all
under one name whatever their case was.

What belongs here: shapefiles, MapInfo tables, GML with its schema, file geodatabases. What does
not: which driver reads a source (`sources`), rasters (`raster_files`).
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile
from libs.models.version import Warn
from libs.pipeline.kinds.parts import Part
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.containers.names import local_name, without_archive_suffix
from libs.spatial_utils.file_sets import (
    GEODATABASE_CATALOG,
    GEODATABASE_SUFFIX,
    companion_of,
    set_of,
)

HINTS = ("format", "crs", "layer", "table", "encoding")


@dataclass(frozen=True)
class FileGroup:
    """A source: its main part, and its companions by what they are called beside it."""

    main: Part
    companions: dict[str, Part]
    is_geodatabase: bool = False

    @property
    def label(self) -> str:
        """Its place as a user knows it: the folder of a geodatabase, else that of its file."""
        return self.main.folder.removesuffix("!") if self.is_geodatabase else self.main.place

    @property
    def name(self) -> str:
        """Its name, with the suffix that tells its format."""
        if not self.is_geodatabase:
            return self.main.name
        name = self.label.rpartition("/")[2]
        if self.main.folder.endswith("!"):
            name = without_archive_suffix(name)
        is_named = name.lower().endswith(GEODATABASE_SUFFIX)
        return name if is_named else f"{name}{GEODATABASE_SUFFIX}"

    @cached_property
    def file(self) -> ManifestFile:
        """The main part's entry of the manifest, with what the entries of companions add to it.

        Raises `SourceError` where they contradict each other.
        """
        changes = {name: self._hint(name) for name in HINTS}
        return self.main.file.model_copy(update=changes)

    def _hint(self, name: str) -> Any:
        files = [self.main.file, *(part.file for part in self.companions.values())]
        said = list(dict.fromkeys(v for file in files if (v := getattr(file, name)) is not None))
        if len(said) > 1:
            raise SourceError(
                "source.parts_contradict",
                f"expected one {name} for all parts of {self.name}, found "
                f"{' and '.join(map(repr, said))}.",
                remedy=f"Give files[].{name} with one of the parts only.",
                file=self.label,
            )
        return said[0] if said else None


def group_parts(parts: Sequence[Part]) -> list[FileGroup]:
    """Return the sources that `parts` make, in their order; a part that belongs to none is one.

    Raises `SourceError` where a part may belong to two files whose names differ by case only.
    """
    folders = {part.folder for part in parts if part.name.lower() == GEODATABASE_CATALOG}
    loose = _Grouping([part for part in parts if part.folder not in folders])
    groups = []
    for part in parts:
        if part.folder in folders:
            if part.name.lower() == GEODATABASE_CATALOG:
                groups.append(_geodatabase(part, parts))
        elif loose.owner(part) is None:
            groups.append(FileGroup(part, loose.companions(part)))
    return groups


def stage(bench: Workbench, group: FileGroup, number: int) -> Path:
    """Link the files of a source into a folder of its own; return the path that GDAL opens."""
    folder = bench.subfolder(f"sources/{number}")
    name = PurePosixPath(local_name(group.name))
    if group.is_geodatabase:
        path = folder / name
        path.mkdir()
        os.link(group.main.path, path / GEODATABASE_CATALOG)
        stem = f"{name}/"
    else:
        path = folder / f"{name.stem}{name.suffix.lower()}"
        os.link(group.main.path, path)
        stem = name.stem
    for suffix, part in group.companions.items():
        os.link(part.path, folder / f"{stem}{suffix}")
    return path


def part_warnings(group: FileGroup) -> list[Warn]:
    """Return what it means that companions are not there, or are not read.

    Raises `SourceError` where nothing can be read without them.
    """
    wanted, stem = set_of(group.name), group.main.stem
    for choices in wanted.required:
        if not any(suffix in group.companions for suffix in choices):
            raise SourceError(
                "source.incomplete",
                f"expected {stem}{choices[0]} beside {group.name}, found nothing.",
                remedy="Name all parts in the manifest, or drop them as one .zip.",
                file=group.label,
            )
    said = [
        ("source.part_missing", f"{stem}{suffix} is not there: {meaning}.")
        for suffix, meaning in wanted.missing
        if suffix not in group.companions
    ]
    said += [
        ("source.part_not_read", f"{group.companions[suffix].name} was not read: {meaning}.")
        for suffix, meaning in wanted.unread
        if suffix in group.companions
    ]
    return [Warn(code=code, message=message, file=group.label) for code, message in said]


def _geodatabase(catalog: Part, parts: Iterable[Part]) -> FileGroup:
    inside = [part for part in parts if part.folder == catalog.folder and part is not catalog]
    companions = {part.name.lower(): part for part in inside}
    return FileGroup(catalog, companions, is_geodatabase=True)


class _Grouping:
    """Which part belongs to which, among parts that are in no geodatabase."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._by_name: dict[tuple[str, str], list[Part]] = defaultdict(list)
        for part in parts:
            self._by_name[part.folder, part.name.lower()].append(part)
        self._companions: dict[str, dict[str, Part]] = defaultdict(dict)
        for part in parts:
            self._assign(part)

    def owner(self, part: Part) -> str | None:
        """Return the place of the main part that `part` belongs to."""
        found = self._find_owner(part)
        return found[0].place if found else None

    def companions(self, main: Part) -> dict[str, Part]:
        return self._companions[main.place]

    def _assign(self, part: Part) -> None:
        found = self._find_owner(part)
        if found is None:
            return
        main, suffix = found
        other = self._companions[main.place].setdefault(suffix, part)
        if other is not part:
            raise _ambiguous(part, main.name, [other, part])

    def _find_owner(self, part: Part) -> tuple[Part, str] | None:
        for name, suffix in companion_of(part.name):
            mains = self._by_name.get((part.folder, name), [])
            mains = [main for main in mains if self._find_owner(main) is None]
            if len(mains) > 1:
                mains = [main for main in mains if _is_same_case(part, main)] or mains
            if len(mains) > 1:
                raise _ambiguous(part, part.name, mains)
            if mains:
                return mains[0], suffix
        return None


def _is_same_case(part: Part, main: Part) -> bool:
    return part.name.startswith(main.stem)


def _ambiguous(part: Part, what: str, found: Sequence[Part]) -> SourceError:
    return SourceError(
        "source.ambiguous_companion",
        f"expected names that differ by more than case, found {found[0].name!r} and "
        f"{found[1].name!r} for {what}.",
        remedy="Rename or remove one of them.",
        file=part.place,
    )
