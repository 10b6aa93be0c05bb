"""Tables of a GeoPackage that hold geometries and are not registered as GDAL wants them.

A feature table is one for GDAL where `gpkg_contents` and `gpkg_geometry_columns` both name it;
otherwise it is left out, or its geometries become bytes. Copies made by hand, by merging tools and
by views of QGIS lack one or both rows. The geometries themselves tell the column and its CRS.
Source of their header: https://www.geopackage.org/spec131/#gpb_format.

What belongs here: finding such tables, and registering them in the run's own copy. What does not:
their values (`sqlite_values`).
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.references import is_bookkeeping

_BOOKS = ("gpkg_contents", "gpkg_geometry_columns")
_TABLES = (
    "CREATE TABLE IF NOT EXISTS gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT "
    "NULL PRIMARY KEY, organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, "
    "definition TEXT NOT NULL, description TEXT)",
    "CREATE TABLE IF NOT EXISTS gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type "
    "TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT "
    "NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE, max_x "
    "DOUBLE, max_y DOUBLE, srs_id INTEGER)",
    "CREATE TABLE IF NOT EXISTS gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT "
    "NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m "
    "TINYINT NOT NULL, PRIMARY KEY (table_name, column_name))",
)
_HAS_HEADER = "typeof({0}) = 'blob' AND substr({0}, 1, 3) = x'475000'"
_SRS_ID = re.compile(rb"GP\x00(.)(....)", re.DOTALL)
_HEADER_BYTES = 8
_NO_SRS = (0, -1)


@dataclass(frozen=True)
class _Features:
    """A table or view and its geometry column; `srs_id` as its geometries name it."""

    table: str
    column: str
    srs_id: int


def register_features(path: str) -> list[Warn]:
    """Register tables of geometries in the GeoPackage at `path`; return a warning for each.

    Of a database that SQLite cannot follow GDAL tells. Raises `SourceError` where geometries of one
    table name several CRSs.
    """
    address = f"{Path(path).absolute().as_uri()}?mode=rw"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as base:
        base.execute("PRAGMA trusted_schema = OFF")
        base.text_factory = lambda content: content.decode("utf-8", "replace")
        found = [*_unregistered(base)]
        if found:
            _register(base, found)
        return [_warning(item) for item in found]
    return []


def _warning(item: _Features) -> Warn:
    return Warn(
        code="source.layer_registered",
        message=f"The GeoPackage does not register {item.table!r} as features; it was read as "
        f"such, with the geometries of its column {item.column!r}.",
        layer=item.table,
    )


def _unregistered(base: sqlite3.Connection) -> Iterator[_Features]:
    listed = base.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view')"
    ).fetchall()
    names = {name.lower() for (name,) in listed}
    registered = _registered(base) if names >= set(_BOOKS) else set()
    columns = _columns(base) if _BOOKS[1] in names else {}
    for (table,) in listed:
        if table.lower() in registered or is_bookkeeping(table):
            continue
        column = columns.get(table.lower()) or _column_of_geometries(base, table)
        if column:
            yield _Features(table, column, _srs_id(base, table, column))


def _registered(base: sqlite3.Connection) -> set[str]:
    return {
        name.lower()
        for (name,) in base.execute(
            "SELECT table_name FROM gpkg_contents JOIN gpkg_geometry_columns USING (table_name) "
            "WHERE lower(data_type) = 'features'"
        )
        if name
    }


def _columns(base: sqlite3.Connection) -> dict[str, str]:
    rows = base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns")
    return {table.lower(): column for table, column in rows if table and column}


def _column_of_geometries(base: sqlite3.Connection, table: str) -> str | None:
    """Return the one column all of whose values are geometries of GeoPackage; None without.

    A view may be none that SQLite can follow.
    """
    try:
        names = [row[1] for row in base.execute(f"PRAGMA table_xinfo({_quoted(table)})")]
        found = [name for name in names if _has_geometries(base, table, name)]
    except sqlite3.Error:
        return None
    return found[0] if len(found) == 1 else None


def _has_geometries(base: sqlite3.Connection, table: str, name: str) -> bool:
    column = _quoted(name)
    rows = f"FROM {_quoted(table)} WHERE {column} IS NOT NULL"
    is_one = _HAS_HEADER.format(column)
    first = base.execute(f"SELECT {is_one} {rows} LIMIT 1").fetchone()
    if first is None or not first[0]:
        return False
    return not base.execute(f"SELECT 1 {rows} AND NOT ({is_one}) LIMIT 1").fetchone()


def _srs_id(base: sqlite3.Connection, table: str, column: str) -> int:
    """Return the one CRS that the headers of geometries name; 0, undefined, without any."""
    heads = base.execute(
        f"SELECT DISTINCT substr({_quoted(column)}, 1, {_HEADER_BYTES}) FROM {_quoted(table)} "  # noqa: S608
        f"WHERE typeof({_quoted(column)}) = 'blob'"
    )
    matches = [match for (head,) in heads if (match := _SRS_ID.fullmatch(head))]
    ids = {
        int.from_bytes(match[2], "little" if match[1][0] & 1 else "big", signed=True)
        for match in matches
    }
    if len(ids) > 1:
        raise SourceError(
            "source.mixed_crs",
            f"expected geometries of one CRS in {column!r}, found those of "
            f"{', '.join(map(str, sorted(ids)[:5]))}.",
            remedy="Register the table with one CRS in gpkg_contents and gpkg_geometry_columns, or "
            "split it.",
            layer=table,
        )
    return ids.pop() if ids else 0


def _register(base: sqlite3.Connection, found: list[_Features]) -> None:
    for (trigger,) in base.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) LIKE 'gpkg%'"
    ).fetchall():
        base.execute(f"DROP TRIGGER {_quoted(trigger)}")
    for statement in _TABLES:
        base.execute(statement)
    for item in found:
        if item.srs_id not in _NO_SRS:
            base.execute(
                "INSERT OR IGNORE INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization, "
                "organization_coordsys_id, definition) VALUES (?, ?, 'EPSG', ?, 'undefined')",
                (f"EPSG:{item.srs_id}", item.srs_id, item.srs_id),
            )
        for book in _BOOKS:
            base.execute(
                f"DELETE FROM {book} WHERE lower(table_name) = lower(?)",  # noqa: S608
                (item.table,),
            )
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
            "VALUES (?, 'features', ?, ?)",
            (item.table, f"{item.table}, registered", item.srs_id),
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, ?, 'GEOMETRY', ?, 2, 2)",
            (item.table, item.column, item.srs_id),
        )
    base.commit()


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
