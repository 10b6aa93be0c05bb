"""Features decoded: their properties, their other members, their geometries.

Most text is decoded at once by a fast decoder that keeps no digits and does not see a key that
stands twice; what could have lost by that is decoded again, value by value and exactly.

What belongs here: one chunk of features. What does not: types of columns (`columns`).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa

from libs.geojson.documents import BrokenFeatureError, Chunk
from libs.geojson.geometries import GeometryError, GeometryNotes, geometries, geometry
from libs.geojson.texts import JsonTextError, exact, members, shown, value_end
from libs.tabular.problems import Tally

OWN_MEMBERS = frozenset({"type", "geometry", "properties", "bbox"})
MAX_SURE_DIGITS = 15
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
_ESCAPED = (b"\\u0000", b"\\ud", b"\\uD")
_NULL = b"null"
_SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')
_AS_DIGITS = bytes.maketrans(b"123456789.E", b"0000000000e")
_MANY = msgspec.json.Decoder(list[Any])
_FEATURE = b'"Feature"'


@dataclass(frozen=True)
class Key:
    """A column: a property, or a member of the features themselves."""

    name: str
    is_member: bool = False


@dataclass(frozen=True)
class Decoded:
    """A chunk's columns, values by row; `marked` are the rows whose text was changed."""

    columns: dict[Key, list[Any]]
    marked: list[int]


def columns_of(chunk: Chunk, *, is_exact: bool = False) -> Decoded:
    """Return the columns of a chunk; raises `BrokenFeatureError` where a feature is none."""
    features = chunk.features
    _require_features(chunk)
    marked: set[int] = set()
    properties = _decoded(chunk, "properties", marked, is_exact=is_exact)
    for row, value in enumerate(properties, chunk.first):
        if type(value) is not dict and value is not None:
            raise BrokenFeatureError(row, f"{value!r:.60} instead of an object as properties")
    known = dict.fromkeys(chain.from_iterable(value for value in properties if value))
    names = dict.fromkeys(chain.from_iterable(features))
    columns = {
        Key(name, is_member=True): _decoded(chunk, name, marked, is_exact=is_exact)
        for name in names
        if name not in OWN_MEMBERS
    }
    for name in known:
        columns[Key(name)] = [value.get(name) if value else None for value in properties]
    return Decoded(columns, sorted(marked))


def take_crs(chunk: Chunk, notes: GeometryNotes) -> None:
    """Take the CRS that features name themselves out of their members."""
    for row, item in enumerate(chunk.features, chunk.first):
        if "crs" in item:
            try:
                named = json.dumps(exact(bytes(item.pop("crs"))), sort_keys=True)
            except JsonTextError as err:
                raise BrokenFeatureError(row, f"{err}, in 'crs'") from err
            notes.feature_crs.setdefault(named, Tally()).add(row)


def geometries_of(chunk: Chunk, notes: GeometryNotes) -> pa.Array:
    """Return the geometries of a chunk; raises `BrokenFeatureError` where one is none."""
    values = _fast(chunk, "geometry")
    found = None if values is None else geometries(values)
    if found is not None:
        return found
    result = []
    for row, value in enumerate(_slow(chunk, "geometry"), chunk.first):
        try:
            result.append(geometry(value, row, notes))
        except GeometryError as err:
            raise BrokenFeatureError(row, str(err), "broken_geometry") from err
    return pa.array(result, pa.binary())


def _require_features(chunk: Chunk) -> None:
    kinds = {bytes(item.get("type", _NULL)) for item in chunk.features}
    if kinds == {_FEATURE}:
        return
    for row, item in enumerate(chunk.features, chunk.first):
        kind = bytes(item.get("type", _NULL))
        if kind != _FEATURE and exact(kind) != "Feature":
            raise BrokenFeatureError(row, f'the type {shown(kind)} instead of "Feature"')


def _decoded(chunk: Chunk, name: str, marked: set[int], *, is_exact: bool) -> list[Any]:
    values = None if is_exact else _fast(chunk, name)
    if values is not None:
        return values
    values = _slow(chunk, name)
    texts = [bytes(item.get(name, _NULL)) for item in chunk.features]
    for position, text in enumerate(texts):
        if any(mark in text for mark in _ESCAPED):
            cleaned = _cleaned(values[position])
            if cleaned != values[position]:
                marked.add(chunk.first + position)
                values[position] = cleaned
    return values


def _fast(chunk: Chunk, name: str) -> list[Any] | None:
    """Return a member of each feature; None where decoding them fast could lose something."""
    text = b"[" + b",".join([item.get(name, _NULL) for item in chunk.features]) + b"]"
    if any(mark in text for mark in _ESCAPED) or (name != "geometry" and has_long_numbers(text)):
        return None
    try:
        values: list[Any] = _MANY.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    of_geometries = name == "geometry"
    keys = _keys_of_geometries(values) if of_geometries else _keys_in(text, values)
    return values if _has_keys(text, keys) else None


def has_long_numbers(text: bytes) -> bool:
    """Return whether a number may have more digits than every double keeps, or an exponent."""
    plain = text.translate(_AS_DIGITS)
    return b"0" * (MAX_SURE_DIGITS + 2) in plain or b"0e" in plain


def _keys_in(text: bytes, values: Iterable[Any]) -> int:
    """Return how many keys the decoded values of a text have, in all depths."""
    waiting: list[Any] = [value for value in values if type(value) is dict]
    count = sum(map(len, waiting))
    if text.count(b"{") == len(waiting):
        return count
    while waiting:
        below = chain.from_iterable(v.values() if type(v) is dict else v for v in waiting)
        waiting = [value for value in below if type(value) is dict or type(value) is list]
        count += sum(len(value) for value in waiting if type(value) is dict)
    return count


def _keys_of_geometries(values: Iterable[Any]) -> int:
    found = [value for value in values if type(value) is dict]
    parts = [v["geometries"] for v in found if type(v.get("geometries")) is list]
    inside = _keys_of_geometries(chain.from_iterable(parts)) if parts else 0
    return sum(map(len, found)) + inside


def _has_keys(text: bytes, keys: int) -> bool:
    """Return whether a text is known to hold no more than `keys` keys."""
    if text.count(b'":') == keys:
        return text.count(b":") == keys or not _SPACED_COLON.search(text)
    return text.count(b":") == keys


def _slow(chunk: Chunk, name: str) -> list[Any]:
    values = []
    for row, item in enumerate(chunk.features, chunk.first):
        try:
            values.append(exact(bytes(item.get(name, _NULL))))
        except JsonTextError as err:
            raise BrokenFeatureError(row, f"{err}, in {name!r}") from err
    return values


def _cleaned(value: Any) -> Any:
    """Return a value without what PostgreSQL's text cannot hold: escapes stand for it."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value


def require_distinct_members(chunk: Chunk) -> None:
    """Raise `BrokenFeatureError` where a feature has a member twice."""
    if chunk.text is None:
        return
    inside = b"".join(chain.from_iterable(item.values() for item in chunk.features))
    if chunk.text.count(b":") - inside.count(b":") == sum(map(len, chunk.features)):
        return
    position = 0
    for row in range(chunk.first, chunk.first + len(chunk.features)):
        begin = chunk.text.index(b"{", position)
        position = value_end(chunk.text, begin, is_last=True)
        try:
            members(chunk.text[begin:position])
        except JsonTextError as err:
            raise BrokenFeatureError(row, str(err)) from err
