"""Formats of several files: which file is the main one, and which lie beside it.

What belongs here: names of files. What does not: which driver opens the main one
(`libs.spatial_utils.drivers`), rasters and their companions (there as well).
"""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class FileSet:
    """A main file's suffix, and its companions' suffixes in place of it or added to it.

    `required` are those without which nothing can be read: one of each group. `missing` says what
    it means that another one is not there, `unread` that one is there and not read.
    """

    beside: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    required: tuple[tuple[str, ...], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


_SQLITE = FileSet(added=("-wal", "-shm", "-journal"))
_NO_SCHEMA = "attributes are the text of the .gml, those that no feature has are left out"
SETS: dict[str, FileSet] = {
    ".shp": FileSet(
        beside=(
            ".shx", ".dbf", ".prj", ".cpg", ".qpj", ".qix", ".sbn", ".sbx", ".cst", ".ain", ".aih",
            ".atx", ".fbn", ".fbx", ".ixs", ".mxs", ".idm", ".ind",
        ),
        added=(".xml",),
        missing=(
            (".shx", "the index was restored from the .shp"),
            (".dbf", "geometries were read, attributes there are none"),
        ),
    ),
    ".tab": FileSet(
        beside=(".dat", ".map", ".id", ".ind", ".dbf"),
        required=((".dat", ".dbf"),),
        missing=((".map", "it was read as a table without geometries"),),
    ),
    ".mif": FileSet(
        beside=(".mid",), missing=((".mid", "geometries were read, attributes are all empty"),)
    ),
    ".gml": FileSet(
        beside=(".xsd", ".gfs"), unread=((".xsd", _NO_SCHEMA), (".gfs", _NO_SCHEMA))
    ),
    ".dbf": FileSet(beside=(".cpg", ".cst"), added=(".xml",)),
    ".gpkg": _SQLITE,
    ".sqlite": _SQLITE,
    ".db": _SQLITE,
}  # fmt: skip
"""By suffix; a part that may belong to several belongs to the first that is there."""
GEODATABASE_SUFFIX = ".gdb"
GEODATABASE_CATALOG = "a00000001.gdbtable"
"""The file that every file geodatabase has; all files of its folder are one source."""


def companion_of(name: str) -> tuple[tuple[str, str], ...]:
    """Return the main files that `name` may belong to, each with its suffix beside it.

    All lower-case: `Roads.DBF` gives `("roads.shp", ".dbf")` and `("roads.tab", ".dbf")`.
    """
    lowered = name.lower()
    found = []
    for main, parts in SETS.items():
        found += [
            (lowered.removesuffix(suffix) + main, suffix)
            for suffix in parts.beside
            if lowered.endswith(suffix) and len(lowered) > len(suffix)
        ]
        found += [
            (lowered.removesuffix(suffix), f"{main}{suffix}")
            for suffix in parts.added
            if lowered.endswith(f"{main}{suffix}") and len(lowered) > len(f"{main}{suffix}")
        ]
    return tuple(found)


def set_of(name: str) -> FileSet:
    """Return the set whose main file is called `name`; one of its own for other files."""
    return SETS.get(PurePosixPath(name.lower()).suffix, FileSet())
