"""JSON: an array of objects, or objects one after the other (NDJSON); an object is a row.

A column is a key, in the order of appearance. A key that is missing and a null are both NULL.
Nested values are JSON columns, and so are columns whose values have no common type. Numbers keep
their digits: what neither a 64-bit integer nor a double holds exactly makes its column text.

What belongs here: reading objects from a stream. What does not: types of values (`values`).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

import pyarrow as pa

from libs.compute.tables import column_name
from libs.models.version import Warn
from libs.tabular.header import column_names
from libs.tabular.problems import Tally
from libs.tabular.reader import (
    BATCH_BYTES,
    BATCH_ROWS,
    FoundColumn,
    ReadOrder,
    Survey,
    TableReader,
)
from libs.tabular.text import encoding_of, is_marked, open_text, shown, too_long
from libs.tabular.text_problems import undecodable
from libs.tabular.values import ExactFloat, column_array, kind_of

CHUNK_CHARS = 1024 * 1024
MARGIN = 16
MAX_KEYS = 10_000
_SPACE = re.compile(r"[ \t\r\n]*")
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")


class _RefusedError(ValueError):
    """What JSON does not allow, or what would be lost."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"the key {twice!r} twice in one object")
    return result


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name}, which is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=ExactFloat, parse_constant=_constant
)


@dataclass
class _Window:
    """The part of a file that is in memory."""

    file: TextIO
    text: str = ""
    position: int = 0
    is_at_end: bool = False

    def more(self) -> None:
        """Read on; as much again as is held, so that a long record is not tried too often."""
        chunk = self.file.read(max(CHUNK_CHARS, len(self.text) - self.position))
        self.text = self.text[self.position :] + chunk
        self.position = 0
        self.is_at_end = not chunk

    def peek(self) -> str:
        """Return the next character that is no white space; '' at the end."""
        while True:
            found = _SPACE.match(self.text, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self.text) or self.is_at_end:
                return self.text[self.position : self.position + 1]
            self.more()


class JsonReader(TableReader):
    """A file of objects."""

    def __init__(self, order: ReadOrder) -> None:
        super().__init__(order)
        self._encoding = encoding_of(order)
        self._keys: list[str] = []
        self._names: list[str] = []
        self._marked = Tally()

    def survey(self) -> Survey:
        """Read all objects; raises `SourceError` naming the row where one is broken."""
        kinds: dict[str, set[str]] = {}
        rows = 0
        self._marked = Tally()
        for record, _ in self._records():
            rows += 1
            for key, value in record.items():
                known = kinds.setdefault(key, set())
                if value is not None:
                    known.add(kind_of(value))
            if len(kinds) > MAX_KEYS:
                raise self._broken(rows, f"more than {MAX_KEYS} distinct keys")
        if self._marked.count and not self.order.keep_bad_rows:
            raise undecodable(self.order, self._encoding, self._marked)
        self._keys = list(kinds)
        self._names, warnings = column_names(self.order, self._keys)
        columns = tuple(
            FoundColumn(name, self.order.declared.get(name), frozenset(kinds[key]), "json")
            for name, key in zip(self._names, self._keys, strict=True)
        )
        return Survey(columns, rows, (*warnings, *self._warnings()))

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        held: list[dict[str, Any]] = []
        size, row = 0, 1
        for record, length in self._records():
            held.append(record)
            size += length
            if len(held) == BATCH_ROWS or size > BATCH_BYTES:
                yield self._batch(held, types, row)
                row += len(held)
                held, size = [], 0
        if held:
            yield self._batch(held, types, row)

    def _batch(
        self, records: list[dict[str, Any]], types: Sequence[str], row: int
    ) -> pa.RecordBatch:
        arrays = [
            column_array(self.order, name, [record.get(key) for record in records], type_, row)
            for key, name, type_ in zip(self._keys, self._names, types, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, [column_name(n) for n in range(len(arrays))])

    def _warnings(self) -> list[Warn]:
        if not self._marked.count:
            return []
        message = f"Text that is not {self._encoding.name}, or that PostgreSQL cannot hold, was "
        message += f"kept as escapes such as \\xe9 in {self._marked.shown}."
        return [self.order.warn("source.undecodable_kept", message)]

    def _records(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each object and its length in characters."""
        with open_text(self.order.path, self._encoding) as file:
            window = _Window(file)
            is_array = window.peek() == "["
            if is_array:
                window.position += 1
            elif window.peek() != "{":
                raise self._broken(None, _found(window))
            row = 0
            while self._has_next(window, row, is_array=is_array):
                row += 1
                record, text = self._decode(window, row)
                if is_marked(text) or "\\u" in text:
                    record = self._cleaned(record, row)
                yield record, len(text)

    def _has_next(self, window: _Window, row: int, *, is_array: bool) -> bool:
        """Go to the next object; return whether there is one."""
        found = window.peek()
        if not is_array and not found:
            return False
        if is_array and found == "]":
            window.position += 1
            if window.peek():
                raise self._broken(row, f"{_found(window)} after the end of the array")
            return False
        if is_array and row:
            if found != ",":
                raise self._broken(row, f"{_found(window)} instead of ',' after the object")
            window.position += 1
            found = window.peek()
        if found != "{":
            raise self._broken(row + 1, _found(window))
        return True

    def _decode(self, window: _Window, row: int) -> tuple[dict[str, Any], str]:
        while True:
            try:
                record, end = _DECODER.raw_decode(window.text, window.position)
            except json.JSONDecodeError as err:
                is_cut_off = err.msg.startswith("Unterminated") or (
                    err.pos > len(window.text) - MARGIN
                )
                if window.is_at_end or not is_cut_off:
                    raise self._broken(row, f"{err.msg} (character {err.pos})") from err
            except (ValueError, RecursionError) as err:
                raise self._broken(row, str(err)) from err
            else:
                text = window.text[window.position : end]
                window.position = end
                return self._one(record, text, row), text
            if len(window.text) - window.position > self.order.max_record_bytes:
                raise too_long(self.order, f"row {row}")
            window.more()

    def _one(self, record: dict[str, Any], text: str, row: int) -> dict[str, Any]:
        if len(text) > self.order.max_record_bytes:
            raise too_long(self.order, f"row {row}")
        if row == 1 and record.get("type") == "FeatureCollection" and "features" in record:
            raise self.order.refusal(
                "is_geojson",
                "expected rows, found a GeoJSON FeatureCollection.",
                remedy="Drop it with intent ingest_vector and type vector.",
            )
        return record

    def _cleaned(self, value: Any, row: int) -> Any:
        """Return a value without what text in PostgreSQL cannot hold, counting its row."""
        if isinstance(value, str) and _UNSTORABLE.search(value):
            self._marked.add(row)
            text = shown(value)
            return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        if isinstance(value, list):
            return [self._cleaned(item, row) for item in value]
        if isinstance(value, dict):
            pairs = [(self._cleaned(k, row), self._cleaned(v, row)) for k, v in value.items()]
            return dict(pairs)
        return value

    def _broken(self, row: int | None, found: str) -> Exception:
        return self.order.refusal(
            "invalid_json",
            "expected an array of objects, or one object a line, each key once in an object; "
            f"found {found}.",
            remedy="Correct the file: [{…}, {…}] or a line {…} for each row.",
            row=row,
        )


def _found(window: _Window) -> str:
    text = window.text[window.position : window.position + 20]
    return repr(text) if text else "the end of the file"


def open_tables(order: ReadOrder) -> list[TableReader]:
    """Return the one table of a JSON file."""
    return [JsonReader(order)]
