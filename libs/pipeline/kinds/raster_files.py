"""From fetched files to rasters with their companions, each set in a folder of its own.

A folder of its own, so that GDAL finds beside a raster what belongs to it and nothing else.

What belongs here: which file is a raster, which belongs to one. What does not: what the rasters
hold (`libs.pipeline.kinds.raster_sources`).
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile
from libs.models.version import Warn
from libs.pipeline.kinds.parts import Part, find_parts, unread_members
from libs.pipeline.state import FetchedFile
from libs.pipeline.workbench import Workbench
from libs.spatial_utils import drivers

MAX_NAMED = 5


@dataclass(frozen=True)
class RasterFile:
    """A raster in its folder; `companions` by name. `driver` is None where its name tells none."""

    path: Path
    label: str
    name: str
    file: ManifestFile
    driver: str | None
    companions: dict[str, str]


def find_raster_files(
    bench: Workbench, files: Sequence[FetchedFile]
) -> tuple[list[RasterFile], list[Warn]]:
    """Return the rasters of a drop, in its order, and what was left aside.

    Raises `SourceError` naming the file where one is of another format or belongs to no raster.
    """
    parts: list[Part] = []
    warnings: list[Warn] = []
    for item in files:
        found, said = _parts(bench, item)
        parts += found
        warnings += said
    companions = [part for part in parts if drivers.raster_companion(part.name)]
    others = [part for part in parts if part not in companions]
    chosen = [(part, _driver(part)) for part in others]
    rasters = [part for part, driver in chosen if driver or not part.is_member]
    _require_rasters(files, rasters, parts)
    unread = [part for part in others if part not in rasters]
    unread += [part for part in companions if not _owners(part, rasters)]
    warnings += unread_members(unread)
    warnings += [_left_aside(part) for part in unread if not part.is_member]
    return [
        _stage(bench, part, _companions_of(part, rasters, companions), number)
        for number, part in enumerate(rasters)
    ], warnings


def _parts(bench: Workbench, item: FetchedFile) -> tuple[list[Part], list[Warn]]:
    if item.file.layers:
        raise SourceError(
            "source.no_such_layer",
            f"expected a raster, which has no layers, found files[].layer "
            f"{', '.join(item.file.layers)}.",
            remedy="Leave files[].layer out.",
            file=item.file.path,
        )
    return find_parts(bench, item)


def _driver(part: Part) -> str | None:
    declared = None if part.is_member else part.file.format
    driver = drivers.driver_of(part.name, declared, drivers.RASTER_DRIVERS)
    if driver is None and not part.is_member and PurePosixPath(part.name).suffix:
        raise drivers.unknown_format(
            part.place, PurePosixPath(part.name).suffix, drivers.RASTER_DRIVERS
        )
    return driver


def _require_rasters(
    files: Sequence[FetchedFile], rasters: Sequence[Part], parts: Iterable[Part]
) -> None:
    """Refuse a file of the manifest that gives no raster and belongs to none."""
    for item in files:
        own = [part for part in parts if part.file is item.file]
        if any(part in rasters or _owners(part, rasters) for part in own):
            continue
        found = ", ".join(part.name for part in own[:MAX_NAMED]) or "no file"
        if own and not own[0].is_member:
            raise SourceError(
                "source.lonely_companion",
                f"expected a raster that {found} belongs to, found none of its name.",
                remedy="Name the raster in the same manifest, in the same folder.",
                file=item.file.path,
            )
        raise drivers.unknown_format(
            item.file.path, f"an archive with {found}", drivers.RASTER_DRIVERS
        )


def _owners(part: Part, rasters: Iterable[Part]) -> list[Part]:
    """Return the rasters that a companion belongs to."""
    companion = drivers.raster_companion(part.name)
    if companion is None:
        return []
    base, suffix = companion
    folder = PurePosixPath(part.place).parent
    is_named = suffix in drivers.RASTER_NAME_COMPANIONS
    return [
        raster
        for raster in rasters
        if PurePosixPath(raster.place).parent == folder
        and base.lower() in _bases(raster.name.lower(), is_named=is_named)
    ]


def _bases(name: str, *, is_named: bool) -> set[str]:
    stem = PurePosixPath(name).stem
    return {name, stem} if is_named else {stem}


def _companions_of(raster: Part, rasters: Sequence[Part], companions: Iterable[Part]) -> list[Part]:
    return [part for part in companions if raster in _owners(part, rasters)]


def _stage(bench: Workbench, raster: Part, companions: Iterable[Part], number: int) -> RasterFile:
    folder = bench.subfolder(f"rasters/{number}")
    path = folder / raster.path.name
    os.link(raster.path, path)
    staged: dict[str, str] = {}
    for part in companions:
        base, suffix = drivers.raster_companion(part.name) or ("", "")
        is_of_name = base.lower() == raster.name.lower()
        name = f"{path.name if is_of_name else path.stem}{suffix}"
        if name in staged:
            raise SourceError(
                "source.ambiguous_companion",
                f"expected one {suffix} beside {raster.name}, found {staged[name]} and "
                f"{part.name}.",
                remedy="Keep the one that belongs to the raster.",
                file=part.place,
            )
        os.link(part.path, folder / name)
        staged[name] = part.name
    driver = _driver(raster)
    return RasterFile(path, raster.place, raster.name, raster.file, driver, staged)


def _left_aside(part: Part) -> Warn:
    return Warn(
        code="source.left_aside",
        message=f"{part.name} is no raster, nor does it belong to one: it was not read.",
        file=part.place,
    )
