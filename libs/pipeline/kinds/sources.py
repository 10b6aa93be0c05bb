"""From fetched files to layers: archives opened, shapefile sets put together, layers described.

What belongs here: finding every layer that a drop holds. What does not: which table it goes to
(`libs.pipeline.kinds.planning`).
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile
from libs.models.version import Warn
from libs.pipeline.state import Fetched, FetchedFile
from libs.pipeline.workbench import Workbench
from libs.spatial_utils import containers, drivers
from libs.spatial_utils.layers import Layer, SourceDescription


@dataclass(frozen=True)
class Candidate:
    """A path that GDAL should open; `label` is how a user knows it."""

    path: Path
    label: str
    file: ManifestFile
    driver: str | None


@dataclass(frozen=True)
class FoundLayer:
    """A layer of a file; `is_only` where its file holds no other."""

    candidate: Candidate
    driver: str
    layer: Layer
    spool: Path
    is_only: bool


def find_layers(bench: Workbench, fetched: Fetched) -> tuple[list[FoundLayer], list[Warn]]:
    """Return the layers of all files, in the manifest's order, and what GDAL warned of.

    Raises `SourceError` naming the file where one cannot be read, has no layer, or lacks a layer
    that the manifest asks for.
    """
    found: list[FoundLayer] = []
    warnings: list[Warn] = []
    numbers = itertools.count()
    for item, companions in _sets(fetched.files):
        described = [
            (candidate, _describe(bench, candidate, spool), spool)
            for candidate in _candidates(bench, item, companions)
            for spool in [bench.subfolder(f"spool/{next(numbers)}")]
        ]
        layers = [
            (candidate, description.driver or "", layer, spool / f"{number}.arrow")
            for candidate, description, spool in described
            for number, layer in enumerate(description.layers)
        ]
        warnings += _gdal_warnings(described)
        chosen = _select(item.file, layers)
        found += [FoundLayer(*layer, is_only=len(layers) == 1) for layer in chosen]
    return found, warnings


def _sets(files: Iterable[FetchedFile]) -> list[tuple[FetchedFile, list[FetchedFile]]]:
    """Return each source file with its companions: the parts of a loose shapefile."""
    files = list(files)
    main: dict[str, FetchedFile] = {}
    for item in files:
        if item.file.name.lower().endswith(".shp"):
            other = main.setdefault(_stem_key(item), item)
            if other is not item:
                raise SourceError(
                    "source.ambiguous_shapefile",
                    f"expected names that differ by more than the case of their suffix, found "
                    f"{other.file.name!r} and {item.file.name!r}.",
                    remedy="Rename one of the shapefiles with all its parts.",
                    file=item.file.path,
                )
    companions: dict[str, list[FetchedFile]] = {key: [] for key in main}
    sources = []
    for item in files:
        key = _stem_key(item)
        if key in main and item is not main[key]:
            companions[key].append(item)
        else:
            sources.append(item)
    return [(item, companions.get(_stem_key(item), [])) for item in sources]


def _stem_key(item: FetchedFile) -> str:
    return drivers.shapefile_stem(item.file.key) or f"\0{item.file.key}"


def _candidates(
    bench: Workbench, item: FetchedFile, companions: list[FetchedFile]
) -> list[Candidate]:
    if containers.is_zip(item.path):
        return _archive_candidates(bench, item)
    driver = drivers.driver_of(item.file.name, item.file.format)
    for companion in companions:
        suffix = companion.file.name[len(PurePosixPath(item.file.name).stem) :]
        companion.path.rename(item.path.with_name(item.path.stem + suffix.lower()))
    if driver == "ESRI Shapefile":
        _require_parts(item.path, item.file.path)
    return [Candidate(item.path, item.file.path, item.file, driver)]


def _archive_candidates(bench: Workbench, item: FetchedFile) -> list[Candidate]:
    members = containers.unpack(
        item.path,
        bench.subfolder(f"unpacked/{item.path.parent.name}"),
        max_bytes=bench.clients.settings.max_unpacked_bytes,
        file=item.file.path,
    )
    candidates = []
    left_over = []
    for member in members:
        driver = drivers.driver_of(member.name, None)
        label = f"{item.file.path}!/{member.name}"
        if driver is not None:
            candidates.append(Candidate(member.path, label, item.file, driver))
            if driver == "ESRI Shapefile":
                _require_parts(member.path, label)
        elif drivers.shapefile_stem(member.name) is None:
            left_over.append(member.name)
    if not candidates:
        names = ", ".join(left_over or [member.name for member in members]) or "no file"
        raise drivers.unknown_format(item.file.path, f"an archive with {names[:500]}")
    return candidates


def _require_parts(path: Path, label: str) -> None:
    there = {part.name.lower() for part in path.parent.iterdir()}
    stem = path.stem.lower()
    missing = [suffix for suffix in drivers.SHAPEFILE_REQUIRED if f"{stem}{suffix}" not in there]
    if missing:
        raise SourceError(
            "source.incomplete_shapefile",
            f"expected {', '.join(f'{path.stem}{s}' for s in missing)} beside the .shp, found "
            "nothing.",
            remedy="Name all parts of the shapefile in the manifest, or drop them as one .zip.",
            file=label,
        )


def _describe(bench: Workbench, candidate: Candidate, spool: Path) -> SourceDescription:
    allowed = [candidate.driver] if candidate.driver else list(drivers.VECTOR_DRIVERS)
    encoding = candidate.file.encoding if candidate.driver == "ESRI Shapefile" else None
    description = bench.clients.gdal.describe(
        candidate.path, drivers=allowed, encoding=encoding, spool=spool, file=candidate.label
    )
    if not description.layers:
        raise SourceError(
            "source.no_layers",
            "expected at least one layer, found none.",
            remedy="Check that the file holds data and drop it again.",
            file=candidate.label,
        )
    return description


def _select(
    file: ManifestFile, layers: list[tuple[Candidate, str, Layer, Path]]
) -> list[tuple[Candidate, str, Layer, Path]]:
    names = [layer.name for _, _, layer, _ in layers]
    missing = [name for name in file.layers if name not in names]
    if missing:
        raise SourceError(
            "source.no_such_layer",
            f"expected layer {', '.join(map(repr, missing))}, found {', '.join(names)}.",
            remedy="Name one of the layers found in files[].layer, or leave it out for all.",
            file=file.path,
            layer=missing[0],
        )
    return [item for item in layers if not file.layers or item[2].name in file.layers]


def _gdal_warnings(described: list[tuple[Candidate, SourceDescription, Path]]) -> list[Warn]:
    said = {
        (candidate.label, problem.message): None
        for candidate, description, _ in described
        for problem in description.problems
    }
    return [
        Warn(code="source.gdal_warning", message=message, file=label) for label, message in said
    ]
