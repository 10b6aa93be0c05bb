"""From a folder to drops: which files belong together and what kind of data they are.

What belongs here: grouping and the manifest of a drop. What does not: dropping it (`feeding`).
"""

import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from libs.spatial_utils.drivers import RASTER_DRIVERS, raster_companion
from tests.support import make_manifest

PARTS_OF = {
    ".shp": (
        ".shx",
        ".dbf",
        ".prj",
        ".cpg",
        ".qpj",
        ".qix",
        ".sbn",
        ".sbx",
        ".cst",
        ".shp.xml",
    ),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".gml": (".xsd", ".gfs"),
}
RASTER_SUFFIXES = tuple(suffix for suffixes in RASTER_DRIVERS.values() for suffix in suffixes)
TABULAR_SUFFIXES = (".csv", ".tsv", ".xlsx")
GEOMETRY_HEADER = re.compile(rb"(?i)(^|[,;\t\"])(wkt|the_geom|geom|geometry|_?wkt_?geom)\b")
INTENTS = {"vector": "ingest_vector", "raster": "ingest_raster", "tabular": "ingest_tabular"}


@dataclass(frozen=True)
class Drop:
    """Files that are dropped together; `label` is what the table of results calls them."""

    label: str
    files: tuple[Path, ...]
    kind: str = "vector"
    root: Path | None = None
    file_fields: dict[str, Any] = field(default_factory=dict)
    manifest_fields: dict[str, Any] = field(default_factory=dict)

    def key(self, file: Path) -> str:
        """Return the last part of a file's key: its path below `root`, else its name."""
        return file.relative_to(self.root).as_posix() if self.root else file.name

    def manifest(self, name: str, paths: list[str]) -> dict[str, Any]:
        """Return the manifest over the files that were put at `paths`."""
        files = [{"path": path, "type": self.kind, **self.file_fields} for path in paths]
        return make_manifest(name, paths, intent=INTENTS[self.kind], files=files) | (
            self.manifest_fields
        )

    def with_crs(self, crs: str) -> "Drop":
        """Return the same drop with a declared CRS."""
        return replace(self, file_fields=self.file_fields | {"crs": crs})


def find_drops(folder: Path, scratch: Path) -> list[Drop]:
    """Return one drop a file below `folder`, the parts of a set together.

    A file geodatabase is a folder: it is zipped into `scratch`, as people do who send one.
    """
    drops = []
    for directory in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        if any(parent.suffix.lower() == ".gdb" for parent in directory.parents):
            continue
        if directory.suffix.lower() == ".gdb":
            drops.append(_geodatabase(directory, folder, scratch))
            continue
        files = [path for path in sorted(directory.iterdir()) if path.is_file()]
        drops += [_drop(group, folder) for group in _groups(files)]
    return drops


def _geodatabase(directory: Path, folder: Path, scratch: Path) -> Drop:
    label = directory.relative_to(folder).as_posix()
    packed = scratch / re.sub(r"\W+", "-", label) / f"{directory.name}.zip"
    packed.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.iterdir()):
            archive.write(path, f"{directory.name}/{path.name}")
    return Drop(label, (packed,))


def _groups(files: list[Path]) -> Iterator[tuple[Path, ...]]:
    """Yield the files of a folder, each set with its main file first."""
    taken: set[Path] = set()
    for main in files:
        if main in taken:
            continue
        parts = tuple(path for path in files if path != main and _is_part(path, main, files))
        if parts:
            taken.update((main, *parts))
            yield (main, *parts)
    yield from ((path,) for path in files if path not in taken)


def _is_part(path: Path, main: Path, files: list[Path]) -> bool:
    suffix = main.suffix.lower()
    if suffix in RASTER_SUFFIXES:
        companion = raster_companion(path.name)
        stems = {main.name, main.stem}
        return companion is not None and companion[0] in stems and not _is_shared(path, files)
    rest = path.name[len(main.stem) :].lower()
    return path.name.startswith(main.stem) and rest in PARTS_OF.get(suffix, ())


def _is_shared(path: Path, files: list[Path]) -> bool:
    """Return whether a .prj or world file could belong to a shapefile as well."""
    return any(other.suffix.lower() == ".shp" and other.stem == path.stem for other in files)


def _drop(files: tuple[Path, ...], folder: Path) -> Drop:
    return Drop(files[0].relative_to(folder).as_posix(), files, kind_of(files[0]))


def kind_of(path: Path) -> str:
    """Return what kind of data a user would call this file."""
    suffix = path.suffix.lower()
    if suffix in RASTER_SUFFIXES:
        return "raster"
    if suffix in (".parquet", ".geoparquet"):
        return _kind_of_parquet(path)
    if suffix in TABULAR_SUFFIXES:
        with path.open("rb") as file:
            header = file.readline(10_000)
        return "vector" if GEOMETRY_HEADER.search(header) else "tabular"
    if suffix == ".zip":
        return _kind_of_names(_zip_names(path))
    return "vector"


def _kind_of_parquet(path: Path) -> str:
    try:
        metadata = pq.read_schema(path).metadata or {}
        return "vector" if "columns" in json.loads(metadata.get(b"geo", b"{}")) else "tabular"
    except (pa.ArrowException, OSError, ValueError):
        return "tabular"


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, tarfile.TarError, OSError, NotImplementedError, ValueError):
        return []


def _kind_of_names(names: list[str]) -> str:
    suffixes = {Path(name.lower()).suffix for name in names}
    if suffixes & set(RASTER_SUFFIXES) and not suffixes & {".shp", ".gpkg", ".geojson", ".tab"}:
        return "raster"
    return "tabular" if suffixes and suffixes <= set(TABULAR_SUFFIXES) else "vector"
