"""Geometries of ESRI JSON as little-endian ISO WKB.

Heights and measures are there where the geometry or its feature set says so (`hasZ`, `hasM`), else
where positions have more than two numbers. A missing measure is NaN, as ESRI has it.
Source: https://developers.arcgis.com/rest/services-reference/enterprise/geometry-objects/.

What belongs here: one geometry at a time. What does not: features (`esri`).
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from libs.geojson.esri_rings import Positions, polygons_of
from libs.geojson.geometries import GeometryError
from libs.tabular.wkb_layout import CODES, PARTS

_Z, _M = 1000, 2000
_PLAIN, _WHOLE = 2, 4
_CURVES = ("curveRings", "curvePaths")
_LISTS = {"rings": "Polygon", "paths": "LineString", "points": "Point"}


def esri_geometry(value: Any, *, has_z: bool | None, has_m: bool | None) -> bytes | None:
    """Return a geometry as WKB, None for null; `has_z` and `has_m` are what its set says.

    Raises `GeometryError` where it is none, or has what is not read.
    """
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise GeometryError(f"{value!r:.60} instead of a geometry")
    curves = next((name for name in _CURVES if value.get(name)), None)
    if curves:
        raise GeometryError(
            f"true curves ({curves}), which are not read; a service gives lines in their place "
            "when it is asked with returnTrueCurves=false"
        )
    axes = _Axes(value.get("hasZ", has_z), value.get("hasM", has_m))
    if "xmin" in value:
        return _envelope(value)
    name = next((name for name in _LISTS if name in value), None)
    if name is None:
        return _point(value)
    items = value[name]
    if not isinstance(items, list):
        raise GeometryError(f"{items!r:.60} as {name}")
    kind = _LISTS[name]
    if kind == "Point":
        return axes.wkb("MultiPoint", [[position] for position in axes.read(items)])
    parts = [axes.read(item) for item in items]
    if kind == "LineString":
        return axes.several(kind, [[part] for part in parts])
    rings = [part for part in parts if len(part)]
    polygons = polygons_of(rings) if rings else []
    return axes.several(kind, [[rings[number] for number in polygon] for polygon in polygons])


class _Axes:
    """Which numbers positions have; decided by the first of them where nothing else says so."""

    def __init__(self, has_z: bool | None, has_m: bool | None) -> None:
        self._is_said = bool(has_z) or bool(has_m)
        self._has_z, self._has_m = bool(has_z), bool(has_m)

    def read(self, value: Any) -> Positions:
        """Return positions, a row each."""
        if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
            raise GeometryError(f"{value!r:.60} instead of positions")
        widths = {len(item) for item in value}
        if not self._is_said and widths:
            self._is_said = True
            self._has_z, self._has_m = max(widths) > _PLAIN, max(widths) == _WHOLE
        width = self.width
        if widths and not widths <= set(range(_PLAIN, width + 1)):
            raise GeometryError(f"a position of {max(widths)} numbers instead of {width}")
        rows = [[*map(_number, item), *[np.nan] * (width - len(item))] for item in value]
        return np.array(rows, np.float64).reshape(len(rows), width)

    @property
    def width(self) -> int:
        return _PLAIN + self._has_z + self._has_m

    def several(self, kind: str, parts: Sequence[Sequence[Positions]]) -> bytes:
        """Return the one part, or all parts as the type that holds several of `kind`."""
        if len(parts) == 1:
            return self.wkb(kind, parts)
        return self.wkb(f"Multi{kind}", parts) if parts else self.wkb(kind, [[]])

    def wkb(self, kind: str, parts: Sequence[Sequence[Any]]) -> bytes:
        """Return WKB; a part is a list of rings, of one line, or of one position."""
        more = _Z * self._has_z + _M * self._has_m
        part_kind = PARTS.get(kind)
        if part_kind:
            inside = b"".join(self.wkb(part_kind, [part]) for part in parts)
            return struct.pack("<BII", 1, CODES[kind] + more, len(parts)) + inside
        head = struct.pack("<BI", 1, CODES[kind] + more)
        (lists,) = parts
        if kind == "Point":
            return head + _bytes(lists[0])
        runs = [struct.pack("<I", len(item)) + _bytes(item) for item in lists]
        if kind == "LineString":
            return head + (runs[0] if runs else struct.pack("<I", 0))
        return head + struct.pack("<I", len(runs)) + b"".join(runs)


def _bytes(numbers: Positions) -> bytes:
    return bytes(numbers.astype("<f8").tobytes())


def _point(value: dict[str, Any]) -> bytes:
    if "x" not in value:
        raise GeometryError(f"{value!r:.60} instead of a geometry")
    axes = _Axes(value.get("z") is not None, value.get("m") is not None)
    names = [name for name in "xyzm" if name in "xy" or value.get(name) is not None]
    return axes.wkb("Point", [[np.array([_number(value.get(name)) for name in names])]])


def _envelope(value: dict[str, Any]) -> bytes:
    x, y, to_x, to_y = (_number(value.get(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
    corners = np.array([[x, y], [x, to_y], [to_x, to_y], [to_x, y], [x, y]])
    return _Axes(None, None).wkb("Polygon", [[corners]])


def _number(value: Any) -> float:
    """Return a coordinate; ESRI writes NaN, or null, for one that is missing."""
    if value is None or value == "NaN":
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GeometryError(f"the coordinate {value!r:.40}")
    try:
        return float(value)
    except OverflowError as err:
        raise GeometryError("a coordinate beyond every double") from err
