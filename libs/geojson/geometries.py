"""Geometries of GeoJSON as little-endian ISO WKB.

Those of one type and dimension are made together (`libs.tabular.wkb_layout`). Everything else is
made one by one, and judged.

A position has two or three numbers. Of more, the first three are kept; where positions with and
without a height stand in one geometry, 0 is added, as everybody does: both are counted.

What belongs here: this. What does not: whether a geometry is valid (PostGIS tells).
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa

from libs.tabular.problems import Tally
from libs.tabular.wkb_layout import CODES, DEPTHS, PARTS, Integers, laid_out, spread

_Z = 1000
_PLAIN, _HIGH = 2, 3
_DERIVED = ("type", "coordinates", "geometries", "bbox")
_MAX_DEPTH = 32
_SHOWN_CHARS = 60
_NUMBERS = frozenset({int, float})


class GeometryError(ValueError):
    """A value is no geometry; the message tells what was found."""


class _Unlike(Exception):  # noqa: N818 - no error: they are made one by one
    """Geometries that are not all of one kind, or not all sound."""


@dataclass
class GeometryNotes:
    """Rows whose geometries changed, and members of geometries that were left out.

    `crs` are the CRSs that geometries name themselves, as JSON: PostGIS writes such; `feature_crs`
    those that features name.
    """

    cut: Tally = field(default_factory=Tally)
    raised: Tally = field(default_factory=Tally)
    left_out: dict[str, Tally] = field(default_factory=dict)
    crs: dict[str, Tally] = field(default_factory=dict)
    feature_crs: dict[str, Tally] = field(default_factory=dict)

    def take(self, later: "GeometryNotes") -> None:
        """Take over the notes of a chunk that comes later."""
        self.cut.take(later.cut)
        self.raised.take(later.raised)
        for own, others in (
            (self.left_out, later.left_out),
            (self.crs, later.crs),
            (self.feature_crs, later.feature_crs),
        ):
            for name, tally in others.items():
                own.setdefault(name, Tally()).take(tally)


def like_geometries(values: Sequence[Any]) -> pa.Array:
    """Return geometries, of one type and dimension or None, as WKB; raises `_Unlike`."""
    present = [value for value in values if value is not None]
    if not present:
        return pa.nulls(len(values), pa.binary())
    kinds = {value.get("type") for value in present if type(value) is dict and len(value) == _PLAIN}
    if len(kinds) != 1 or any(type(value) is not dict or len(value) != _PLAIN for value in present):
        raise _Unlike
    kind = kinds.pop()
    if kind not in DEPTHS:
        raise _Unlike
    try:
        made = _made(kind, [value["coordinates"] for value in present])
    except KeyError as err:
        raise _Unlike from err
    return spread(made, np.array([value is not None for value in values]))


def geometries(values: Sequence[Any]) -> pa.Array | None:
    """Return geometries as WKB; None where they must be made one by one."""
    try:
        return like_geometries(values)
    except _Unlike:
        pass
    by_kind: dict[Any, list[int]] = {}
    for position, value in enumerate(values):
        kind = value.get("type") if type(value) is dict else None
        by_kind.setdefault(kind if isinstance(kind, str) else None, []).append(position)
    try:
        arrays = [like_geometries([values[n] for n in places]) for places in by_kind.values()]
    except _Unlike:
        return None
    order = np.empty(len(values), np.int64)
    order[np.concatenate(list(map(np.array, by_kind.values())))] = np.arange(len(values))
    return pa.concat_arrays(arrays).take(pa.array(order))


def _made(kind: str, coordinates: list[Any]) -> pa.Array:
    """Return WKB of geometries of one type that has coordinates."""
    levels: list[Integers] = []
    items: list[Any] = coordinates
    for _ in range(DEPTHS[kind]):
        _require_lists(items)
        levels.append(np.fromiter(map(len, items), np.int64, len(items)))
        items = list(chain.from_iterable(items))
    _require_lists(items)
    widths = set(map(len, items))
    if len(widths) != 1 or not widths <= {_PLAIN, _HIGH}:
        raise _Unlike
    width = widths.pop()
    numbers = list(chain.from_iterable(items))
    if not set(map(type, numbers)) <= _NUMBERS:
        raise _Unlike
    try:
        doubles = np.fromiter(numbers, "<f8", len(numbers))
    except OverflowError as err:
        raise _Unlike from err
    positions = doubles.view(np.uint8).reshape(len(items), -1)
    return laid_out(kind, _Z if width == _HIGH else 0, levels, positions)


def _require_lists(items: Sequence[Any]) -> None:
    if set(map(type, items)) != {list}:
        raise _Unlike


def geometry(value: Any, row: int, notes: GeometryNotes) -> bytes | None:
    """Return a geometry as WKB; None for null. Raises `GeometryError` where it is none."""
    if value is None:
        return None
    widths: set[int] = set()
    _look(value, widths, row, notes, 0)
    if max(widths, default=_PLAIN) > _HIGH:
        notes.cut.add(row)
        widths = {min(width, _HIGH) for width in widths}
    if len(widths) > 1:
        notes.raised.add(row)
    return _wkb(value, max(widths, default=_PLAIN))


def _look(value: Any, widths: set[int], row: int, notes: GeometryNotes, depth: int) -> None:
    """Require a geometry, and gather how many numbers its positions have."""
    if not isinstance(value, dict):
        raise GeometryError(f"{_shown(value)} instead of a geometry")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in CODES:
        raise GeometryError(f"the geometry type {_shown(kind)}, which GeoJSON has not")
    for name, member in value.items():
        if name == "crs" and depth == 0:
            notes.crs.setdefault(json.dumps(member, sort_keys=True), Tally()).add(row)
        elif name not in _DERIVED:
            notes.left_out.setdefault(name, Tally()).add(row)
    if kind != "GeometryCollection":
        if "coordinates" not in value:
            raise GeometryError(f"a {kind} without coordinates")
        _look_at_positions(kind, value["coordinates"], DEPTHS[kind], widths)
        return
    if depth == _MAX_DEPTH or not isinstance(value.get("geometries"), list):
        raise GeometryError(f"a {kind} without geometries, or nested deeper than {_MAX_DEPTH}")
    for part in value["geometries"]:
        _look(part, widths, row, notes, depth + 1)


def _look_at_positions(kind: str, value: Any, depth: int, widths: set[int]) -> None:
    if not isinstance(value, list):
        raise GeometryError(f"{_shown(value)} in the coordinates of a {kind}")
    if depth:
        if not value and depth == 1 and kind in ("Polygon", "MultiPolygon"):
            raise GeometryError(f"a ring without positions in a {kind}")
        for item in value:
            _look_at_positions(kind, item, depth - 1, widths)
        return
    if not value and kind in ("Point", "MultiPoint"):
        return
    if len(value) < _PLAIN or not all(map(_is_number, value)):
        raise GeometryError(f"the position {_shown(value)} in a {kind}")
    widths.add(len(value))


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:
        return False


def _wkb(value: Any, width: int) -> bytes:
    kind = value["type"]
    head = struct.pack("<BI", 1, CODES[kind] + (_Z if width == _HIGH else 0))
    if kind == "GeometryCollection":
        parts = [_wkb(part, width) for part in value["geometries"]]
        return head + struct.pack("<I", len(parts)) + b"".join(parts)
    return head + _coordinates(kind, value["coordinates"], width)


def _coordinates(kind: str, value: list[Any], width: int) -> bytes:
    if kind == "Point":
        return _position(value, width) if value else struct.pack("<d", float("nan")) * width
    count = struct.pack("<I", len(value))
    if kind == "LineString":
        return count + b"".join(_position(item, width) for item in value)
    if kind == "Polygon":
        return count + b"".join(_coordinates("LineString", ring, width) for ring in value)
    part = PARTS[kind]
    return count + b"".join(_wkb({"type": part, "coordinates": item}, width) for item in value)


def _position(value: list[Any], width: int) -> bytes:
    numbers = [float(number) for number in value[:width]]
    return struct.pack(f"<{width}d", *numbers, *([0.0] * (width - len(numbers))))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
