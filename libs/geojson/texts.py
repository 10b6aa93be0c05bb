"""JSON text in pieces: where a value ends, the members of an object, values with their digits.

What belongs here: one value at a time, as text or decoded exactly. What does not: which values a
GeoJSON file holds (`documents`).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from libs.tabular.values import ExactFloat

SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[{\]}]', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}:]+")
_OPENING, _CLOSING, _QUOTE = b"[{", b"]}", b'"'
_SHOWN = 40


class JsonTextError(ValueError):
    """A text is no JSON, or has what would be lost; the message tells what was found."""


class Incomplete(Exception):  # noqa: N818 - no error: more text decides
    """A value goes on beyond the text."""


def value_end(text: bytes, begin: int, *, is_last: bool) -> int:
    """Return where the value that begins at `begin` ends, whatever it holds.

    Raises `Incomplete` where the text ends before it does (`is_last` where no more text comes),
    `JsonTextError` where no value begins there.
    """
    first = text[begin : begin + 1]
    if first == _QUOTE or first in (b"[", b"{"):
        end = _string_end(text, begin) if first == _QUOTE else _nested_end(text, begin)
        if end is None:
            raise Incomplete
        return end
    found = _SCALAR.match(text, begin)
    if found is None and begin < len(text):
        raise JsonTextError(f"{shown(text[begin : begin + _SHOWN])} instead of a value")
    if found is None or (found.end() == len(text) and not is_last):
        raise Incomplete
    return found.end()


def _string_end(text: bytes, begin: int) -> int | None:
    found = _STRING.match(text, begin)
    return found.end() if found else None


def _nested_end(text: bytes, begin: int) -> int | None:
    depth = 0
    for found in _TOKEN.finditer(text, begin):
        token = found[0]
        if token in _OPENING:
            depth += 1
        elif token in _CLOSING:
            depth -= 1
            if depth == 0:
                return found.end()
        elif len(token) == 1:
            return None
    return None


def members(text: bytes) -> dict[str, bytes]:
    """Return the members of the object that `text` is, each value as its text.

    Raises `JsonTextError` where it is none, or has a key twice.
    """
    result: dict[str, bytes] = {}
    position = _expect(text, 0, b"{")
    if _next(text, position) == b"}":
        return result
    while True:
        key, position = _key(text, _skip(text, position))
        if key in result:
            raise JsonTextError(f"the key {key!r} twice in one object")
        position = _skip(text, _expect(text, position, b":"))
        end = _end(text, position)
        result[key] = text[position:end]
        if _next(text, end) == b"}":
            return result
        position = _expect(text, end, b",")


def items(text: bytes) -> Iterator[bytes]:
    """Yield the items of the array that `text` is, each as its text.

    Raises `JsonTextError` where it is none.
    """
    position = _expect(text, 0, b"[")
    if _next(text, position) == b"]":
        return
    while True:
        begin = _skip(text, position)
        end = _end(text, begin)
        yield text[begin:end]
        if _next(text, end) == b"]":
            return
        position = _expect(text, end, b",")


def string(text: bytes) -> str:
    """Return the string that a JSON text is; raises `JsonTextError` where it is none."""
    value = exact(text)
    if not isinstance(value, str):
        raise JsonTextError(f"{shown(text)} instead of a text")
    return value


def exact(text: bytes) -> Any:
    """Return a value, its numbers with the digits they were written with.

    Control characters in texts, NaN and Infinity are taken, although JSON has none. Raises
    `JsonTextError` where the text is no JSON, or has a key twice in one object.
    """
    try:
        return _DECODER.decode(text.decode())
    except json.JSONDecodeError as err:
        raise JsonTextError(f"{err.msg} at {shown(text[err.pos :])}") from err
    except RecursionError as err:
        raise JsonTextError("arrays and objects nested too deeply") from err
    except UnicodeDecodeError as err:
        raise JsonTextError(f"the byte 0x{text[err.start]:02x}, which is not UTF-8") from err
    except JsonTextError:
        raise
    except ValueError as err:
        raise JsonTextError("a number with more digits than can be read") from err


def shown(text: bytes) -> str:
    """Return the beginning of a text, as messages quote it."""
    cut = text[:_SHOWN].decode("utf-8", "replace")
    return repr(cut) if cut.strip() else "the end of the text"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonTextError(f"the key {twice!r} twice in one object")
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=ExactFloat, strict=False)


def _skip(text: bytes, position: int) -> int:
    found = SPACE.match(text, position)
    return found.end() if found else position


def _next(text: bytes, position: int) -> bytes:
    place = _skip(text, position)
    return text[place : place + 1]


def _expect(text: bytes, position: int, wanted: bytes) -> int:
    place = _skip(text, position)
    if text[place : place + 1] != wanted:
        raise JsonTextError(f"{shown(text[place:])} instead of {wanted.decode()!r}")
    return place + 1


def _key(text: bytes, position: int) -> tuple[str, int]:
    end = _string_end(text, position)
    if end is None:
        raise JsonTextError(f"{shown(text[position:])} instead of a key")
    return string(text[position:end]), end


def _end(text: bytes, position: int) -> int:
    try:
        return value_end(text, position, is_last=True)
    except Incomplete as err:
        raise JsonTextError(f"{shown(text[position:])} instead of a value") from err
