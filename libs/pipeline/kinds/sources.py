"""From fetched files to layers: sources told apart, opened and described.

What belongs here: finding every layer that a drop holds. What does not: which files make a source
(`libs.pipeline.kinds.file_groups`), which table a layer goes to (`libs.pipeline.kinds.planning`).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile, Options
from libs.models.version import Warn
from libs.pipeline.kinds import shapefiles
from libs.pipeline.kinds.file_groups import FileGroup, group_parts, part_warnings, stage
from libs.pipeline.kinds.parts import Part, find_parts, unread_members
from libs.pipeline.kinds.selection import require_selected
from libs.pipeline.kinds.text_sources import make_utf_8
from libs.pipeline.state import Fetched
from libs.pipeline.stopwatch import MEASURE
from libs.pipeline.workbench import Workbench
from libs.spatial_utils import drivers
from libs.spatial_utils.containers.names import ARCHIVE_SUFFIXES
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.crs_text import (
    NO_CRS_TEXT,
    CrsText,
    read_crs_text,
    set_aside_broken_prj,
)
from libs.spatial_utils.file_sets import companion_of
from libs.spatial_utils.layers import Layer, SourceDescription
from libs.spatial_utils.recognition import recognise
from libs.spatial_utils.shapefile_index import look_at_index
from libs.spatial_utils.table_request import TableRequest

SHARED_SUFFIXES = (".json", ".tab", ".xml")
"""Suffixes that files of other kinds have too: such a member need not be a source."""
MAX_NAMES = 500
_LOSS = re.compile(
    r"truncat|overflow|non closed ring|couldn't be converted|skipp|ignor|incomplete|invalid value|"
    r"out of range|could not be parsed|parsed incompletely|does not exist|too many|not supported|"
    r"non-unique|dropped|clamped|left out|lost|discard",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Candidate:
    """A path that GDAL should open; `label` is how a user knows it."""

    path: Path
    label: str
    file: ManifestFile
    driver: str
    open_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundLayer:
    """A layer of a file; `is_only` where its file holds no other.

    `name` is the layer's own, qualified where another one of its archive has the same.
    """

    candidate: Candidate
    driver: str
    layer: Layer
    spool: Path
    is_only: bool
    name: str
    crs_text: CrsText = NO_CRS_TEXT


@dataclass(frozen=True)
class _Wanted:
    """A group of files to open: with which driver, in which numbered folder, asked for how."""

    group: FileGroup
    driver: str
    number: int
    options: Options


@dataclass(frozen=True)
class _Source:
    """A group of files, and what GDAL finds in it."""

    group: FileGroup
    candidate: Candidate
    description: SourceDescription
    spool: Path

    @property
    def layers(self) -> list[FoundLayer]:
        """Its layers, as if there were no others."""
        driver = self.description.driver or ""
        return [
            FoundLayer(
                self.candidate,
                driver,
                layer,
                self.spool / f"{number}.arrow",
                is_only=False,
                name=layer.name,
                crs_text=layer.crs_text
                if driver in drivers.TABLE_DRIVERS
                else read_crs_text(self.candidate.path, driver),
            )
            for number, layer in enumerate(self.description.layers)
        ]


def find_layers(bench: Workbench, fetched: Fetched) -> tuple[list[FoundLayer], list[Warn]]:
    """Return the layers that the manifest selects, in its order, and what a user should know.

    Raises `SourceError` naming the file where one cannot be read, has no layer, or lacks a layer
    that the manifest asks for.
    """
    parts: list[Part] = []
    warnings: list[Warn] = []
    for item in fetched.files:
        found, said = find_parts(bench, item)
        parts += found
        warnings += said
        if not found:
            raise drivers.unknown_format(item.file.path, "an archive with no file")
    options = fetched.intake.manifest.options
    sources = _sources(bench, group_parts(parts), options, warnings)
    layers: list[FoundLayer] = []
    by_file: dict[str, list[_Source]] = defaultdict(list)
    for source in sources:
        by_file[source.group.main.file.path].append(source)
    for of_file in by_file.values():
        warnings += _gdal_warnings(of_file) + _without_layers(of_file)
        own = [layer for source in of_file for layer in source.layers if _is_wanted(layer)]
        names = [name for source in of_file for name in source.description.names]
        require_selected(of_file[0].candidate.file, names)
        chosen = _with_distinct_names(own)
        layers += [replace(layer, is_only=len(names) == 1) for layer in chosen]
    return layers, warnings


def _sources(
    bench: Workbench, groups: Sequence[FileGroup], options: Options, warnings: list[Warn]
) -> list[_Source]:
    """Return what GDAL opens of `groups`; members that it does not are warned of."""
    by_file: dict[str, list[FileGroup]] = defaultdict(list)
    for group in groups:
        by_file[group.main.file.path].append(group)
    numbers = count()
    sources: list[_Source] = []
    unread: list[Part] = []
    for path, of_file in by_file.items():
        tried = [
            _open(bench, _Wanted(group, driver, next(numbers), options), warnings)
            for group, driver in _drivers(of_file)
        ]
        found = [source for source in tried if source]
        left = _parts_but(of_file, [source.group for source in found])
        if not found:
            names = ", ".join(part.name for part in left)[:MAX_NAMES]
            raise drivers.unknown_format(path, f"an archive with {names}")
        sources += found
        unread += left
    warnings += unread_members(unread)
    return sources


def _parts_but(groups: Sequence[FileGroup], opened: Sequence[FileGroup]) -> list[Part]:
    """Return the parts of the groups that are not among `opened`."""
    read = {group.main.place for group in opened}
    return [
        part
        for group in groups
        if group.main.place not in read
        for part in (group.main, *group.companions.values())
    ]


def _drivers(groups: Sequence[FileGroup]) -> list[tuple[FileGroup, str]]:
    """Return the groups of one file of the manifest that are opened, each with its driver.

    In an archive a declared format chooses the members that have it, and where none does, those
    whose names tell nothing; CSV is a source where nothing else is one. Raises `SourceError` for a
    loose file that nobody knows.
    """
    if not groups[0].main.is_member:
        return [(group, _loose_driver(group)) for group in groups]
    _require_shapes(groups)
    said = groups[0].file.format
    declared = None
    if said and f".{said.lower()}" not in ARCHIVE_SUFFIXES:
        declared = drivers.driver_of(groups[0].main.file.path, said)
    named = [group for group in groups if drivers.driver_of(group.name, None)]
    known = [(group, driver) for group in named if (driver := _recognised(group, None))]
    if declared is None:
        return [item for item in known if item[1] != "CSV"] or known
    matching = [item for item in known if item[1] == declared]
    return matching or [(group, declared) for group in groups if group not in named]


def _recognised(group: FileGroup, declared: str | None) -> str | None:
    """Return the driver of a group by what is declared, by its content, or by its name."""
    content = None if group.is_geodatabase else group.main.path
    return recognise(group.name, content, declared)


def _loose_driver(group: FileGroup) -> str:
    driver = _recognised(group, group.file.format)
    mains = companion_of(group.name)
    if driver is None and mains:
        raise _without_main(group, " or ".join(PurePosixPath(name).suffix for name, _ in mains))
    if driver is None:
        raise drivers.unknown_format(group.label, group.name)
    return driver


def _require_shapes(groups: Sequence[FileGroup]) -> None:
    """Raise `SourceError` where the .shp of a packed shapefile is missing: its .shx is there."""
    indexes = {group.main.place.lower() for group in groups if _suffix(group.name) == ".shx"}
    for group in groups:
        place = group.main.place.lower()
        if place.endswith(".dbf") and place.removesuffix(".dbf") + ".shx" in indexes:
            raise _without_main(group, ".shp")


def _without_main(group: FileGroup, suffix: str) -> SourceError:
    return SourceError(
        "source.lonely_companion",
        f"expected a file that {group.name} belongs to ({suffix}), found none of its name.",
        remedy="Pack it into the archive, in the same folder."
        if group.main.is_member
        else "Name it in the same manifest, in the same folder.",
        file=group.label,
    )


def _open(bench: Workbench, wanted: _Wanted, warnings: list[Warn]) -> _Source | None:
    """Return a source; None for a member that is no source after all."""
    group, driver = wanted.group, wanted.driver
    said_of_parts = part_warnings(group)
    candidate = Candidate(stage(bench, group, wanted.number), group.label, group.file, driver)
    is_shapefile = driver == "ESRI Shapefile" and candidate.path.suffix == ".shp"
    if is_shapefile:
        set_aside_broken_prj(candidate.path)
    if is_shapefile and ".shx" not in group.companions:
        bench.clients.gdal.restore_index(candidate.path, file=candidate.label)
    candidate, said = _looked_at(candidate)
    spool = bench.subfolder(f"spool/{wanted.number}")
    try:
        with bench.stopwatch.timed("read"):
            description = _describe(bench, candidate, wanted.options, spool)
    except SourceError as err:
        is_other = err.reason.code == "source.unknown_format"
        if is_other and group.main.is_member and _suffix(group.name) in SHARED_SUFFIXES:
            return None
        raise
    bench.stopwatch.move(description.measured_s, "read", MEASURE)
    warnings += [*said_of_parts, *said, *look_at_index(candidate.path, file=candidate.label)]
    return _Source(group, candidate, description, spool)


def _looked_at(candidate: Candidate) -> tuple[Candidate, Sequence[Warn]]:
    """Return a candidate with the options to open it by, and what its text is warned of."""
    path, driver, label = candidate.path, candidate.driver, candidate.label
    encoding = candidate.file.encoding
    if driver in drivers.DECODED_DRIVERS:
        return candidate, ()
    if driver != "ESRI Shapefile":
        return candidate, make_utf_8(path, driver, encoding=encoding, file=label)
    reading = shapefiles.look_at_table(path, encoding=encoding, file=label)
    return replace(candidate, open_options=reading.open_options), reading.warnings


def _suffix(name: str) -> str:
    return PurePosixPath(name.lower()).suffix


def _describe(
    bench: Workbench, candidate: Candidate, options: Options, spool: Path
) -> SourceDescription:
    if candidate.driver in drivers.TABLE_DRIVERS:
        return bench.clients.gdal.describe_table(_table_request(bench, candidate, options, spool))
    return bench.clients.gdal.describe(
        candidate.path,
        driver=candidate.driver,
        open_options=candidate.open_options,
        layers=candidate.file.layers,
        spool=spool,
        file=candidate.label,
    )


def _table_request(
    bench: Workbench, candidate: Candidate, options: Options, spool: Path
) -> TableRequest:
    file = candidate.file
    crs = parse_crs(file.crs, file=candidate.label) if file.crs else None
    return TableRequest(
        driver=candidate.driver,
        path=candidate.path,
        file=candidate.label,
        layer=candidate.path.stem,
        spool=spool,
        layers=tuple(file.layers),
        encoding=file.encoding,
        delimiter=file.delimiter,
        declared=file.columns or {},
        guess_types=options.guess_types,
        keep_bad_rows=options.bad_rows == "keep",
        max_record_bytes=bench.clients.settings.max_record_bytes,
        x_column=options.x_column,
        y_column=options.y_column,
        is_degrees=crs is not None and crs.is_in_degrees,
    )


def _without_layers(sources: Sequence[_Source]) -> list[Warn]:
    """Return a warning for each source without a layer; raises where there is none with one."""
    empty = [source for source in sources if not source.description.names]
    if len(empty) == len(sources):
        raise SourceError(
            "source.no_layers",
            "expected at least one layer, found none.",
            remedy="Check that the file holds data and drop it again.",
            file=empty[0].candidate.label,
        )
    return [
        Warn(
            code="source.no_layers",
            message="The file was read and holds no layer.",
            file=source.candidate.label,
        )
        for source in empty
    ]


def _with_distinct_names(layers: Sequence[FoundLayer]) -> list[FoundLayer]:
    """Return layers of one archive, named by their place too where else two would be mixed up.

    Layers of one name with the same columns stay one table; others, and those whose names differ
    by case only, are told apart by the folder and the file that they lie in.
    """
    by_name: dict[str, list[FoundLayer]] = defaultdict(list)
    for item in layers:
        by_name[item.name.casefold()].append(item)
    qualified = {
        id(item): name
        for same in by_name.values()
        if not _are_alike(same)
        for item, name in zip(same, _places(same), strict=True)
    }
    return [replace(item, name=qualified.get(id(item), item.name)) for item in layers]


def _are_alike(layers: Sequence[FoundLayer]) -> bool:
    first = layers[0]
    return all(
        item.name == first.name
        and sorted(map(str, item.layer.fields)) == sorted(map(str, first.layer.fields))
        and item.layer.has_geometry == first.layer.has_geometry
        for item in layers
    )


def _places(layers: Sequence[FoundLayer]) -> list[str]:
    members = [item.candidate.label.partition("!/")[2] for item in layers]
    stems = [str(PurePosixPath(member).with_suffix("")) for member in members]
    places = stems if len(set(stems)) == len(stems) else members
    return [
        place if PurePosixPath(place).name == item.name else f"{place}/{item.name}"
        for place, item in zip(places, layers, strict=True)
    ]


def _is_wanted(found: FoundLayer) -> bool:
    wanted = found.candidate.file.layers
    return not wanted or found.layer.name in wanted


def _gdal_warnings(sources: Sequence[_Source]) -> list[Warn]:
    said = {
        (source.candidate.label, problem.message): None
        for source in sources
        for problem in source.description.problems
    }
    warnings = [warn for source in sources for warn in source.description.warnings]
    return [_gdal_warning(message, label) for label, message in said] + warnings


def _gdal_warning(message: str, file: str) -> Warn:
    """Return a warning of GDAL, told apart where it says that something was lost or changed."""
    is_loss = _LOSS.search(message) is not None
    code = "source.values_changed" if is_loss else "source.gdal_warning"
    return Warn(code=code, message=message, file=file)
