"""Values of an SQLite database that do not fit the type by which GDAL reads their column.

SQLite keeps any value in any column. GDAL 3.6.2 wraps 3000000000 in a MEDIUMINT, makes 'abc' a 0
and a date that it cannot read NULL, cuts a text at its first NUL, and says nothing of it.

What belongs here: finding such columns, and their values as they are stored, under a type that
holds them all. What does not: the other columns (`libs.spatial_utils.describe_source`, in whose
child process this runs).
"""

import datetime as dt
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.gdal_failures import not_utf_8
from libs.spatial_utils.stored_values import StoredColumn, StoredLayer

CHUNK_ROWS = 65_536
COLUMNS_A_QUERY = 250
EXAMPLES = 3
MAX_SHOWN = 60

_IS_EXACT = f"{{0}} BETWEEN -{2**53} AND {2**53}"
_FITS = {
    "Integer": "typeof({0}) = 'integer' AND {0} BETWEEN -2147483648 AND 2147483647",
    "Integer Boolean": "typeof({0}) = 'integer' AND {0} IN (0, 1)",
    "Integer Int16": "typeof({0}) = 'integer' AND {0} BETWEEN -32768 AND 32767",
    "Integer64": "typeof({0}) = 'integer'",
    "Real": f"typeof({{0}}) = 'real' OR typeof({{0}}) = 'integer' AND {_IS_EXACT}",
    "Real Float32": "typeof({0}) IN ('integer', 'real') AND is_float32({0})",
    "String": "typeof({0}) = 'integer' OR typeof({0}) = 'text' AND instr({0}, char(0)) = 0",
    "String JSON": "typeof({0}) = 'text' AND json_valid({0})",
    "Date": "typeof({0}) = 'text' AND {0} >= '0001' AND date({0}, '+0 days') IS {0}",
    "DateTime": "typeof({0}) = 'text' AND ({0} >= '0001' "
    "AND strftime('%Y-%m-%dT%H:%M:%fZ', {0}, '+0 days') IS {0} OR is_instant({0}))",
    "Time": "typeof({0}) = 'text' AND is_time({0})",
    "Binary": "typeof({0}) = 'blob'",
}
"""By OGR's type and subtype: which values of a column, {0}, GDAL reads as they are stored."""
_LIST_FITS = "typeof({0}) = 'text' AND json_valid({0})"
_HAS_NUL = "typeof({0}) = 'text' AND instr({0}, char(0)) > 0"
_CLASSES = (
    "count({0}), count(CASE typeof({0}) WHEN 'blob' THEN 1 END), "
    "count(CASE typeof({0}) WHEN 'text' THEN 1 END), "
    "count(CASE typeof({0}) WHEN 'real' THEN 1 END), "
    f"count(CASE WHEN typeof({{0}}) = 'integer' AND NOT {_IS_EXACT} THEN 1 END), "
    f"count(CASE WHEN {_HAS_NUL} THEN 1 END)"
)
_ARROW_TYPES = {
    "Binary": pa.binary(), "String": pa.string(), "Real": pa.float64(), "Integer64": pa.int64(),
}  # fmt: skip

_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3}0*)?)?"
_ZONE = r"Z|[+-](?:0\d|1[0-4])(?::?(?:00|15|30|45))?"
_IS_TIME = re.compile(_TIME)
_IS_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)[T ]{_TIME}(?:{_ZONE})?")


def stored_layer(
    path: str, layer: str, fields: Sequence[Mapping[str, Any]], *, key: str, geometry: str
) -> StoredLayer:
    """Return what the database at `path` stores in the table of a layer.

    `fields` have `name`, `type` and `subtype` as OGR calls them; `key` numbers the rows, and it and
    `geometry` are empty where there is none. Raises `SourceError` naming column and row where no
    type holds all values of a column, and for a name that is not UTF-8.
    """
    for name in (layer, *(item["name"] for item in fields)):
        if not _is_utf_8(name):
            raise not_utf_8(f"the name {_shown(name)}", None, layer)
    columns = [
        _Column(item["name"], f"{item['type']} {item['subtype']}".removesuffix(" None"), place)
        for place, item in enumerate(fields)
    ]
    with _opened(path, layer, key) as table:
        try:
            return table.compared(columns, geometry)
        except sqlite3.Error as err:
            if table.key is not None:
                raise
            message = f"Values of {layer!r}, which is no table, could not be compared: {err}."
            warning = Warn(code="source.values_unchecked", message=message, layer=layer)
            return StoredLayer(warnings=(warning,))


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unread_geometry(
    path: str, layer: str, are_read: Iterable[bool], *, key: str, geometry: str
) -> SourceError:
    """Return the refusal of a layer some of whose geometries GDAL cannot read.

    `are_read` tells of each of its features whether it has a geometry.
    """
    with _opened(path, layer, key) as table:
        stored = table.each(f"{_quoted(geometry)} IS NOT NULL")
        row = next(
            number
            for number, ((is_stored,), is_read) in enumerate(zip(stored, are_read, strict=True), 1)
            if is_stored and not is_read
        )
    return SourceError(
        "source.broken_geometry",
        f"expected geometries that GDAL can read in {geometry!r}, found one that it cannot.",
        remedy="Correct this geometry or set it to NULL, and drop the file again.",
        layer=layer,
        row=row,
    )


def tables_of_modules(path: str) -> dict[str, bool]:
    """Return the tables that a module of SQLite keeps, such as a search index, in lower case.

    True is for a virtual table, False for one in which the module keeps what it needs.
    """
    with _connected(path) as base:
        kinds = "SELECT name, type FROM pragma_table_list WHERE type IN ('virtual', 'shadow')"
        return {name.lower(): kind == "virtual" for name, kind in base.execute(kinds)}


@contextmanager
def _connected(path: str) -> Iterator[sqlite3.Connection]:
    address = f"{Path(path).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as base:
        try:
            base.execute("PRAGMA trusted_schema = OFF")
            yield base
        except sqlite3.Error as err:
            raise SourceError(
                "source.unreadable",
                f"expected a database that SQLite can read to its end, found: {err}.",
                remedy="Repair the file, or export it anew, and drop it again.",
            ) from err


@contextmanager
def _opened(path: str, layer: str, key: str) -> Iterator["_Table"]:
    with _connected(path) as base:
        base.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
        for function in (is_float32, is_instant, is_time):
            base.create_function(function.__name__, 1, function, deterministic=True)
        listed = base.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
        kinds = dict(listed.fetchall())
        name = layer if layer in kinds else re.sub(r"\([^()]*\)$", "", layer)
        yield _Table(base, layer, name, (key or "rowid") if kinds.get(name) == "table" else None)


def is_float32(value: object) -> bool:
    """Return whether a value is a number that single precision holds."""
    if not isinstance(value, int | float):
        return False
    with np.errstate(over="ignore"):
        return bool(float(np.float32(value)) == value)


def is_time(value: object) -> bool:
    """Return whether a value is a time of day all of which GDAL keeps."""
    return isinstance(value, str) and _IS_TIME.fullmatch(value) is not None


def is_instant(value: object) -> bool:
    """Return whether a value is a date with a time all of which GDAL keeps."""
    found = _IS_INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    try:
        dt.date.fromisoformat(found[1])
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class _Column:
    """A column of a layer; `type` is OGR's, followed by its subtype where it has one."""

    name: str
    type: str
    position: int

    @property
    def sql(self) -> str:
        return _quoted(self.name)

    @property
    def misfits(self) -> str:
        """The condition of a value that GDAL would change."""
        fits = _FITS.get(self.type) or _FITS.get(self.type.partition(" ")[0], _LIST_FITS)
        return f"{self.sql} IS NOT NULL AND NOT ({fits.format(self.sql)})"

    @property
    def own_type(self) -> str | None:
        """Our name of its type."""
        name, _, subtype = self.type.partition(" ")
        return from_ogr(name, subtype or "None")


@dataclass(frozen=True)
class _Table:
    """A table of the database; `key` is None where its rows have no order, as those of a view."""

    base: sqlite3.Connection
    layer: str
    name: str
    key: str | None

    def compared(self, columns: Sequence[_Column], geometry: str) -> StoredLayer:
        """Return what GDAL would change; raises `SourceError` where that cannot be kept."""
        found: dict[int, StoredColumn] = {}
        warnings = []
        for column, count in self._odd_columns(columns):
            stored = self._stored(column)
            found[column.position] = stored
            warnings.append(self._warning(column, stored.type, count))
        geometries = self._row(f"count({_quoted(geometry)})")[0] if geometry else None
        return StoredLayer(found, tuple(warnings), geometries)

    def each(self, expression: str) -> sqlite3.Cursor:
        """Return an expression over each row, in GDAL's order."""
        return self.base.execute(f"SELECT {expression} FROM {_quoted(self.name)} {self._order}")  # noqa: S608

    def _odd_columns(self, columns: Sequence[_Column]) -> Iterator[tuple[_Column, int]]:
        for begin in range(0, len(columns), COLUMNS_A_QUERY):
            some = columns[begin : begin + COLUMNS_A_QUERY]
            counts = ", ".join(f"count(CASE WHEN {column.misfits} THEN 1 END)" for column in some)
            for column, count in zip(some, self._row(counts), strict=True):
                if count:
                    yield column, count

    def _type(self, column: _Column) -> str:
        """Return a type of OGR that holds every value of a column; raises `SourceError`."""
        values, blobs, texts, reals, longs, nuls = self._row(_CLASSES.format(column.sql))
        if 0 < blobs < values:
            raise self._refusal(column, f"typeof({column.sql}) = 'blob'", "bytes among others")
        if nuls:
            has_nul = _HAS_NUL.format(column.sql)
            raise self._refusal(column, has_nul, "a text with the character NUL")
        if self.key is None:
            raise self._refusal(column, column.misfits, "others in a view")
        if blobs:
            return "Binary"
        if texts or (reals and longs):
            return "String"
        return "Real" if reals else "Integer64"

    def _stored(self, column: _Column) -> StoredColumn:
        stored_type = self._type(column)
        arrow_type = _ARROW_TYPES[stored_type]
        rows = self.each(column.sql)
        chunks = []
        while some := rows.fetchmany(CHUNK_ROWS):
            values = [value for (value,) in some]
            if stored_type == "String":
                values = [value if value is None else str(value) for value in values]
            try:
                chunks.append(pa.array(values, arrow_type))
            except UnicodeEncodeError as err:
                said = f"{_shown(err.object)} in column {column.name!r}"
                raise not_utf_8(said, None, self.layer) from err
        return StoredColumn(stored_type, pa.chunked_array(chunks, arrow_type))

    def _warning(self, column: _Column, stored_type: str, count: int) -> Warn:
        shown = [f"{_shown(value)} in row {row}" for row, value in self._first(column, EXAMPLES)]
        return Warn(
            code="column.other_type",
            message=f"Column {column.name!r} is declared as {column.own_type}, and {count} of its "
            f"values are none ({', '.join(shown)}{', …' if count > EXAMPLES else ''}): it was read "
            f"as {from_ogr(stored_type, 'None')}, with every value as it is stored.",
            layer=self.layer,
        )

    def _refusal(self, column: _Column, condition: str, found: str) -> SourceError:
        ((row, value),) = self._first(column, 1, condition)
        return SourceError(
            "source.value_misfit",
            f"expected values of the type {column.own_type} in column {column.name!r}, found "
            f"{found}: {_shown(value)}.",
            remedy="Correct or cast the values of this column in the database and drop it again.",
            layer=self.layer,
            row=row if self.key else None,
        )

    def _first(self, column: _Column, count: int, condition: str = "") -> list[tuple[int, Any]]:
        """Return the first values under a condition, misfits by default, each with its row."""
        found = self.base.execute(
            f"SELECT place, value FROM (SELECT row_number() OVER ({self._order}) AS place, "  # noqa: S608
            f"{column.sql} AS value, {condition or column.misfits} AS is_odd "
            f"FROM {_quoted(self.name)}) WHERE is_odd ORDER BY place LIMIT {count}"
        )
        return found.fetchall()

    def _row(self, expressions: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self.base.execute(
            f"SELECT {expressions} FROM {_quoted(self.name)}"  # noqa: S608
        ).fetchone()
        return found

    @property
    def _order(self) -> str:
        return f"ORDER BY {_quoted(self.key)}" if self.key else ""


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _shown(value: object) -> str:
    text = ascii(value) if isinstance(value, bytes) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
