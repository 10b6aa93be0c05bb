"""The features of a GeoJSON file, some MiB of text at a time.

A file is one JSON text or several, one after the other (newline-delimited, or with the record
separator of RFC 8142), each a FeatureCollection, a Feature or a geometry.

Text is cut where a feature seems to end; a cut that is none gives text that is no JSON, and then
each feature's end is looked for. Thus a wrong cut cannot pass, and a right one is fast.

What belongs here: finding features and the members around them. What does not: what is in a
feature (`features`).
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from libs.geojson.texts import (
    SPACE,
    Incomplete,
    JsonTextError,
    exact,
    members,
    shown,
    string,
    value_end,
)

BLOCK_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 64 * 1024
MAX_CUTS = 8
GEOMETRY_TYPES = (
    "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip
_ROOT_SPACE = re.compile(rb"[ \t\r\n\x1e]*")
_RECORD_MARK = re.compile(rb"^\x1e", re.M)
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_MANY = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_LINE = msgspec.json.Decoder(dict[str, msgspec.Raw])

Texts = dict[str, Any]
"""Members of a feature, each value as its text."""


class NotGeoJsonError(Exception):
    """A file is no GeoJSON at all."""


class BrokenFeatureError(Exception):
    """Feature number `row` cannot be read; `code` is that of the refusal."""

    def __init__(self, row: int, found: str, code: str = "unreadable") -> None:
        super().__init__(found)
        self.row = row
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep row and code across a process border."""
        return type(self), (self.row, str(self), self.code)


@dataclass(frozen=True)
class Chunk:
    """Some features: the number of the first, from 1, and what a decoder found in `text`.

    `text` is None where each feature was taken apart so that no key stands twice in it; `is_lines`
    where each stands on a line.
    """

    first: int
    features: list[Texts]
    text: bytes | None = None
    is_lines: bool = False

    @classmethod
    def decoded(cls, first: int, text: bytes, is_lines: bool = False) -> "Chunk":
        """Return the features of a text; raises what the decoder does where it is none."""
        if is_lines:
            return cls(first, _LINE.decode_lines(_RECORD_MARK.sub(b"", text)), text, is_lines)
        return cls(first, _MANY.decode(b"[" + text + b"]"), text)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as text: that is faster than as its parts."""
        if self.text is None:
            return Chunk, (self.first, self.features)
        return Chunk.decoded, (self.first, self.text, self.is_lines)


class Document:
    """A file, read once from its beginning to its end.

    `root_members` are those of collections, and the `crs` of others, complete after the last chunk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer = b""
        self._position = 0
        self._is_at_end = False
        self._rows = 0
        self.root_members: dict[str, bytes] = {}

    def chunks(self) -> Generator[Chunk, None, None]:
        """Yield all features.

        Raises `NotGeoJsonError`, and `BrokenFeatureError` where JSON or GeoJSON ends.
        """
        with self._path.open("rb") as self._file:
            if self._peek(_ROOT_SPACE) != b"{":
                raise NotGeoJsonError
            while self._peek(_ROOT_SPACE):
                lines = self._lines() if self._rows else None
                if lines:
                    yield lines
                    continue
                yield from self._root()

    def _root(self) -> Iterator[Chunk]:
        """Read one JSON text."""
        self._take(b"{")
        own: dict[str, bytes] = {}
        has_features = False
        is_first = True
        while self._peek() != b"}" or not is_first:
            is_first = False
            key = string(self._value("a key"))
            self._take(b":")
            if key in own or (key == "features" and has_features):
                raise self._broken(f"the key {key!r} twice in one object")
            if key == "features" and self._peek() == b"[":
                has_features = True
                yield from self._features()
            else:
                own[key] = self._value("a value")
            if self._peek() == b"}":
                break
            self._take(b",")
        self._take(b"}")
        if has_features:
            self._end_collection(own)
        else:
            yield self._single(own)

    def _end_collection(self, own: dict[str, bytes]) -> None:
        kind = own.pop("type", b"null")
        if exact(kind) != "FeatureCollection":
            if not self._rows:
                raise NotGeoJsonError
            raise self._broken(f'the type {shown(kind)} instead of "FeatureCollection"')
        for name, text in own.items():
            if name == "crs" and self.root_members.get("crs", text) != text:
                raise self._broken("another crs than in the collection before")
            self.root_members.setdefault(name, text)

    def _single(self, own: dict[str, bytes]) -> Chunk:
        """Return the feature that a JSON text is, or that a geometry stands for."""
        kind = self._kind(own)
        if kind == "FeatureCollection":
            raise self._broken('a FeatureCollection without an array "features"')
        if kind != "Feature" and kind not in GEOMETRY_TYPES:
            if not self._rows:
                raise NotGeoJsonError
            raise self._broken(f"the type {shown(own.get('type', b''))} instead of a Feature")
        crs = own.pop("crs", None)
        if crs is not None and self.root_members.setdefault("crs", crs) != crs:
            raise self._broken("another crs than in the features before")
        self._rows += 1
        return Chunk(self._rows, [_as_feature(own, kind)])

    def _kind(self, own: dict[str, bytes]) -> object:
        try:
            return exact(own.get("type", b"null"))
        except JsonTextError as err:
            raise self._broken(str(err)) from err

    def _features(self) -> Iterator[Chunk]:
        """Read the array of features."""
        self._take(b"[")
        if self._peek() == b"]":
            self._position += 1
            return
        while True:
            chunk = self._cut() or self._walk()
            self._rows += len(chunk.features)
            yield chunk
            if self._peek() == b"]":
                self._position += 1
                return
            self._take(b",")

    def _cut(self) -> Chunk | None:
        """Return features up to a place that seems to be the end of one; None where it is none."""
        self._fill()
        begin = self._position
        tail = max(begin, len(self._buffer) - TAIL_BYTES)
        cuts = list(_BETWEEN.finditer(self._buffer, tail)) or list(
            _BETWEEN.finditer(self._buffer, begin)
        )
        for found in reversed(cuts[-MAX_CUTS:]):
            text = self._buffer[begin : found.start() + 1]
            try:
                chunk = Chunk.decoded(self._rows + 1, text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            self._position = found.start() + 1
            return chunk
        return None

    def _walk(self) -> Chunk:
        """Return features whose ends are looked for, one by one."""
        features: list[Texts] = []
        size = 0
        while True:
            row = self._rows + len(features) + 1
            if self._peek() != b"{":
                raise self._broken(f"{self._shown()} instead of a feature", row)
            text = self._value("a feature", row)
            try:
                features.append(members(text))
            except JsonTextError as err:
                raise self._broken(str(err), row) from err
            size += len(text)
            if size >= BLOCK_BYTES or self._peek() != b",":
                return Chunk(self._rows + 1, features)
            self._position += 1

    def _lines(self) -> Chunk | None:
        """Return the features of whole lines; None where lines do not hold a feature each."""
        self._fill()
        end = len(self._buffer) if self._is_at_end else self._buffer.rfind(b"\n") + 1
        text = self._buffer[self._position : end]
        try:
            chunk = Chunk.decoded(self._rows + 1, text, is_lines=True)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        kinds = {bytes(item["type"]) for item in chunk.features if "type" in item}
        if kinds != {b'"Feature"'} or any("crs" in item for item in chunk.features):
            return None
        self._position = end
        self._rows += len(chunk.features)
        return chunk

    def _fill(self) -> None:
        if len(self._buffer) - self._position < BLOCK_BYTES and not self._is_at_end:
            self._more()

    def _more(self) -> None:
        """Read on; as much again as is held, so that a long value is not tried too often."""
        held = self._buffer[self._position :]
        read = self._file.read(max(BLOCK_BYTES, len(held)))
        self._buffer, self._position = held + read, 0
        self._is_at_end = not read

    def _peek(self, space: re.Pattern[bytes] = SPACE) -> bytes:
        """Return the next byte that is no white space; b"" at the end."""
        while True:
            found = space.match(self._buffer, self._position)
            self._position = found.end() if found else self._position
            if self._position < len(self._buffer) or self._is_at_end:
                return self._buffer[self._position : self._position + 1]
            self._more()

    def _take(self, wanted: bytes) -> None:
        if self._peek() != wanted:
            raise self._broken(f"{self._shown()} instead of {wanted.decode()!r}")
        self._position += 1

    def _value(self, what: str, row: int | None = None) -> bytes:
        """Return the text of the next value."""
        self._peek()
        while True:
            try:
                end = value_end(self._buffer, self._position, is_last=self._is_at_end)
            except Incomplete as err:
                if self._is_at_end:
                    found = f"{self._shown()} instead of {what} that is whole"
                    raise self._broken(found, row) from err
                self._more()
                continue
            text = self._buffer[self._position : end]
            self._position = end
            return text

    def _shown(self) -> str:
        return shown(self._buffer[self._position : self._position + 100])

    def _broken(self, found: str, row: int | None = None) -> BrokenFeatureError:
        return BrokenFeatureError(row or self._rows + 1, found)


def _as_feature(own: dict[str, bytes], kind: object) -> Texts:
    if kind == "Feature":
        return own
    text = b",".join(b'"%s":%s' % (name.encode(), value) for name, value in own.items())
    return {"type": b'"Feature"', "geometry": b"{" + text + b"}"}
