"""TopoJSON made GeoJSON: each object of a topology a collection, its arcs joined.

What is no arc and no position is taken over as its text, so that every digit, id and member arrives
at the reader of GeoJSON. Lines and rings that have too few positions repeat one, as the format's
own library does.
Source: https://github.com/topojson/topojson-specification.

What belongs here: this. What does not: the features (`reader`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import Any

import msgspec

from libs.geojson.documents import NotGeoJsonError
from libs.geojson.texts import JsonTextError, exact, items, members, shown

Position = Sequence[float]
Texts = Mapping[str, bytes]

_POSITIONS = {"Point": 0, "MultiPoint": 1}
_ARCS = {"LineString": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3}
_LINES = ("LineString", "MultiLineString")
_COLLECTION = "GeometryCollection"
_OF_FEATURES = ("id", "properties")
_OF_ROOT = ("type", "objects", "arcs", "transform", "bbox", "crs")
_MIN_LINE, _MIN_RING = 2, 4
_MAX_DEPTH = 32


@dataclass
class Topology:
    """A file's objects; `padded` counts lines and rings to which positions were added."""

    own: Texts
    objects: Texts
    arcs: list[list[Position]]
    scale: Position | None
    translate: Position
    padded: int = 0
    left_out: dict[str, None] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Topology":
        """Return the topology at `path`.

        Raises `NotGeoJsonError` where it is none, `JsonTextError` where it is broken.
        """
        text = path.read_bytes()
        own = members(text)
        if exact(own.get("type", b"null")) != "Topology" or "objects" not in own:
            raise NotGeoJsonError
        transform = _decoded(own.get("transform", b"null"), "transform")
        scale: Position | None = None
        translate: Position = ()
        if transform is not None:
            try:
                scale = [*map(float, transform["scale"][:2])]
                translate = [*map(float, transform["translate"][:2])]
            except (KeyError, TypeError, ValueError) as err:
                raise JsonTextError(f"the transform {shown(own['transform'])}") from err
        result = cls(own, members(own["objects"]), [], scale, translate)
        result.arcs = [*map(result._arc, _decoded(own.get("arcs", b"[]"), "arcs"))]
        result.left_out = dict.fromkeys(name for name in own if name not in _OF_ROOT)
        return result

    def write(self, name: str, path: Path) -> None:
        """Write the object called `name` as a collection; raises `JsonTextError`."""
        crs = b'"crs":' + self.own["crs"] + b"," if "crs" in self.own else b""
        title = json.dumps(name).encode()
        with path.open("wb") as file:
            file.write(b'{"type":"FeatureCollection","name":' + title + b"," + crs)
            file.write(b'"features":[')
            for number, feature in enumerate(self._features(name)):
                file.write((b",\n" if number else b"\n") + feature)
            file.write(b"\n]}\n")

    def _features(self, name: str) -> Iterator[bytes]:
        whole = members(self.objects[name])
        if _kind(whole) != _COLLECTION:
            yield self._feature(whole)
            return
        for member in whole:
            if member not in ("type", "geometries", "bbox"):
                self.left_out[member] = None
        for number, text in enumerate(items(whole.get("geometries", b"[]")), 1):
            try:
                yield self._feature(members(text))
            except JsonTextError as err:
                raise JsonTextError(f"{err}, in geometry {number} of object {name!r}") from err

    def _feature(self, own: Texts) -> bytes:
        kind = _kind(own)
        used = {"type", "bbox", "geometries", "arcs", "coordinates"}
        parts = [b'"type":"Feature"']
        parts += [
            json.dumps(key).encode() + b":" + text for key, text in own.items() if key not in used
        ]
        parts += [] if "properties" in own else [b'"properties":null']
        parts.append(b'"geometry":' + (self._geometry(own, 0) if kind else b"null"))
        return b"{" + b",".join(parts) + b"}"

    def _geometry(self, own: Texts, depth: int) -> bytes:
        kind = _kind(own)
        if kind == _COLLECTION:
            if depth == _MAX_DEPTH:
                raise JsonTextError(f"collections nested deeper than {_MAX_DEPTH}")
            inside = map(members, items(own.get("geometries", b"[]")))
            parts = b",".join([self._geometry(part, depth + 1) for part in inside])
            lost = [name for name in _OF_FEATURES if depth and name in own]
            self.left_out |= dict.fromkeys(lost)
            return b'{"type":"GeometryCollection","geometries":[' + parts + b"]}"
        if depth:
            self.left_out |= dict.fromkeys(name for name in _OF_FEATURES if name in own)
        if kind in _POSITIONS:
            value = _decoded(own.get("coordinates", b"null"), "coordinates")
            found: Any = self._placed(value, _POSITIONS[kind])
        elif kind in _ARCS:
            value = _decoded(own.get("arcs", b"null"), "arcs")
            found = self._joined(value, _ARCS[kind], is_line=kind in _LINES)
        else:
            raise JsonTextError(f"the geometry type {kind!r}, which TopoJSON has not")
        return msgspec.json.encode({"type": kind, "coordinates": found})

    def _placed(self, value: Any, depth: int) -> Any:
        if not isinstance(value, list):
            raise JsonTextError(f"{value!r:.40} instead of coordinates")
        if depth:
            return [self._placed(item, depth - 1) for item in value]
        try:
            return self._transformed(value)
        except (TypeError, ValueError) as err:
            raise JsonTextError(f"the position {value!r:.40}") from err

    def _joined(self, value: Any, depth: int, *, is_line: bool) -> Any:
        """Return the positions of arcs, in lists nested as those of the arcs' numbers are."""
        if not isinstance(value, list):
            raise JsonTextError(f"{value!r:.40} instead of numbers of arcs")
        if depth > 1:
            return [self._joined(item, depth - 1, is_line=is_line) for item in value]
        positions: list[Position] = []
        for number in value:
            if type(number) is not int or not -len(self.arcs) <= number < len(self.arcs):
                raise JsonTextError(f"the arc {number!r:.40}, of {len(self.arcs)} arcs")
            arc = self.arcs[number] if number >= 0 else self.arcs[~number][::-1]
            positions += arc[1:] if positions else arc
        least = _MIN_LINE if is_line else _MIN_RING
        if 0 < len(positions) < least:
            self.padded += 1
            positions += [positions[0]] * (least - len(positions))
        return positions

    def _arc(self, arc: Any) -> list[Position]:
        """Return an arc's positions where they lie: steps are added up where they are quantized."""
        try:
            if self.scale is not None:
                columns = [[*accumulate([p[axis] for p in arc], add)] for axis in (0, 1)]
                arc = [(x, y, *p[2:]) for x, y, p in zip(*columns, arc, strict=True)]
            return [self._transformed(position) for position in arc]
        except (TypeError, ValueError, LookupError) as err:
            raise JsonTextError(f"the arc {arc!r:.40}") from err

    def _transformed(self, position: Any) -> Position:
        if self.scale is None or not position:
            return position  # type: ignore[no-any-return]
        x, y, *rest = position
        (by_x, by_y), (to_x, to_y) = self.scale, self.translate
        return [x * by_x + to_x, y * by_y + to_y, *rest]


def _kind(own: Texts) -> Any:
    return exact(own.get("type", b"null"))


def _decoded(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise JsonTextError(f"{shown(text)} as {what}") from err
