"""Files that would make a reader open something else: refused before GDAL sees them.

What belongs here: what a format may refer to, and the refusal. What does not: options that keep a
driver from following (`libs.spatial_utils.opening`), the network, which no child of ours has a way
to (`libs.spatial_utils.ogr`).
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from libs.models.errors import SourceError
from libs.spatial_utils.xml_prolog import declared_entities

CHUNK_BYTES = 1024 * 1024
OVERLAP_BYTES = 4096
XML_DRIVERS = ("GML", "GPX", "LIBKML", "OSM")
SQLITE_DRIVERS = ("GPKG", "SQLite")
OWN_MODULES = frozenset(
    {
        "rtree", "rtree_i32", "geopoly", "fts3", "fts4", "fts5", "virtualspatialindex",
        "virtualelementary", "virtualknn", "virtualknn2", "virtualbbox", "virtualfdo",
        "virtualgpkg",
    }
)  # fmt: skip
"""Modules of virtual tables that read nothing but their own database."""

_BOOKKEEPING = re.compile(
    r"sqlite_|gpkg_|rtree_|idx_|cache_|spatial_ref_sys|spatialite_history|(?:views_|virts_)?"
    r"geometry_columns|data_licenses$|sql_statements_log$|spatialindex$|elementarygeometries$|"
    r"knn2?$|(?:raster|vector)_coverages|se_|stored_|topologies$|networks$|wms_|iso_metadata|"
    r"rl2map_|layer_(?:params|statistics|sub_classes|table_layout)|layers_",
    re.IGNORECASE,
)
"""Tables by which SQLite, GeoPackage and SpatiaLite keep their own books."""
_TABLES_ELSEWHERE = re.compile(
    rb'^\s*(?:create\s+view\b|"\\IsSeamless"\s*=\s*"TRUE")', re.IGNORECASE | re.MULTILINE
)
_GEOMETRY_ELSEWHERE = re.compile(
    rb"<(?:\w+:)?(?:(?:point|curve|surface|geometry|solid|lineString|polygon)(?:Member|Property)|"
    rb"base(?:Curve|Surface)|directed(?:Node|Edge|Face)|pointRep|exterior|interior)\s"
    rb"[^<>]*?\bhref\s*=\s*[\"'][^\"']{0,200}"
)


class DatabaseSchema(BaseModel):
    """What an SQLite database declares; `virtual_tables` gives the module of each.

    `error` is what SQLite said where it cannot read the schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    virtual_tables: dict[str, str] = {}
    error: str | None = None

    def left_out(self, layers: Collection[str]) -> list[str]:
        """Return the tables of the user's that are none of `layers`."""
        read = {re.sub(r"\(.*\)$", "", layer).lower() for layer in layers}
        return [
            name for name in self.tables if name.lower() not in read and not is_bookkeeping(name)
        ]


def is_bookkeeping(name: str) -> bool:
    """Return whether a table is one by which a database keeps its own books."""
    return _BOOKKEEPING.match(name) is not None


def require_self_contained(
    path: Path, driver: str, file: str | None, read_schema: Callable[[], DatabaseSchema]
) -> DatabaseSchema:
    """Return the schema of a database; an empty one for other formats.

    Raises `SourceError` where the file at `path` refers to something outside of itself.
    """
    schema = read_schema() if driver in SQLITE_DRIVERS else DatabaseSchema()
    _require_own_tables(schema, file)
    if driver in XML_DRIVERS:
        _require_no_entities(path, file)
    if driver == "GML":
        _require_own_geometries(path, file)
    elif driver == "MapInfo File" and path.suffix.lower() == ".tab":
        _require_own_table(path, file)
    return schema


def _refusal(expected: str, found: str, remedy: str, file: str | None) -> SourceError:
    return SourceError(
        "source.refers_elsewhere", f"expected {expected}, found {found}.", remedy=remedy, file=file
    )


def _require_no_entities(path: Path, file: str | None) -> None:
    entities = declared_entities(path)
    if entities:
        raise _refusal(
            "XML without entities of its own",
            f"a declaration of {', '.join(entities[:5])}",
            "Write the text in place of the entities, remove the DOCTYPE, and drop it again.",
            file,
        )


def _require_own_geometries(path: Path, file: str | None) -> None:
    found = _search(path, _GEOMETRY_ELSEWHERE)
    if found:
        raise _refusal(
            "GML with its coordinates in place",
            f"a geometry by reference: {found.decode('utf-8', 'replace')!r}",
            "Export it with geometries in place (without xlink:href or topology).",
            file,
        )


def _require_own_table(path: Path, file: str | None) -> None:
    if _search(path, _TABLES_ELSEWHERE):
        raise _refusal(
            "a table with data of its own",
            "a seamless table or a view, which names other tables",
            "Drop the tables that it names.",
            file,
        )


def _require_own_tables(schema: DatabaseSchema, file: str | None) -> None:
    foreign = {
        name: module for name, module in schema.virtual_tables.items() if module not in OWN_MODULES
    }
    if foreign:
        found = ", ".join(f"{name} ({module})" for name, module in list(foreign.items())[:5])
        raise _refusal(
            "a database whose tables hold their own rows",
            f"virtual tables: {found}",
            "Copy their rows into plain tables, remove them, and drop the file again.",
            file,
        )


def _search(path: Path, pattern: re.Pattern[bytes]) -> bytes | None:
    """Return the first match in a file of any size; None where there is none."""
    kept = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found = pattern.search(kept + chunk)
            if found:
                return found.group()
            kept = chunk[-OVERLAP_BYTES:]
    return None
