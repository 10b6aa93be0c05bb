"""Types of the values of a GeoJSON column, and the values as Arrow.

A column has the narrowest type that keeps every value. Texts are times only where each has a form
that loses nothing; otherwise their characters stay. Numbers that no type holds make text.

What belongs here: this. What does not: the rules for kinds of one value (`libs.tabular.types`).
"""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.arrow_types import arrow_type
from libs.tabular.types import integer_kind, resolve
from libs.tabular.values import ExactFloat, as_json, as_text, kind_of

MIXED = "mixed"
_DATE = r"[0-9]{4}[-/](0[1-9]|1[0-2])[-/](0[1-9]|[12][0-9]|3[01])"
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r"(:[0-5][0-9](\.[0-9]{1,6})?)?"
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
_FORMS = {
    "date": f"^{_DATE}$",
    "timestamp": f"^{_DATE}[T ]{_HOUR}{_SECONDS}$",
    "timestamptz": f"^{_DATE}[T ]{_HOUR}{_SECONDS}{_ZONE}$",
    "time": f"^{_HOUR}{_SECONDS}$",
}
_FIRST = {name: re.compile(pattern) for name, pattern in _FORMS.items()}
_TEXTS = frozenset({"text", *_FORMS})
_LIST = "list of "
_LISTS = ("integer", "bigint", "double", "boolean", "text")
_NESTED = frozenset({dict, list})
_LOCAL = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "double": pa.float64(),
}


def kinds_of(values: Sequence[Any]) -> frozenset[str]:
    """Return the kinds of the values that are not None."""
    types = set(map(type, values))
    types.discard(type(None))
    kinds: set[str] = set()
    for one in types:
        own: list[Any] = [value for value in values if type(value) is one]
        if one is int:
            kinds |= {integer_kind(min(own)), integer_kind(max(own))}
        elif one is float:
            kinds.add("double")
        elif one is ExactFloat:
            kinds |= set(map(_number_kind, own))
        elif one is str:
            kinds.add(_form(pa.array(own, pa.string())))
        elif one is list:
            kinds |= set(map(_list_kind, own))
        else:
            kinds.add(kind_of(own[0]))
    return frozenset(kinds)


def resolved(kinds: frozenset[str]) -> str:
    """Return the type that keeps values of all kinds."""
    if kinds <= _TEXTS:
        return next(iter(kinds)) if len(kinds) == 1 else "text"
    lists = {kind.removeprefix(_LIST) for kind in kinds if kind.startswith(_LIST)}
    if lists and len(lists) == len(kinds):
        element = resolve(frozenset(lists - {""}), MIXED)
        return f"{element}[]" if element in _LISTS and lists != {""} else "json"
    if lists or "json" in kinds:
        return "json"
    return resolve(kinds, "text")


def is_changed(kinds: frozenset[str], name: str) -> bool:
    """Return whether numbers or booleans became text, or values of several kinds JSON."""
    if name == "json":
        return not all(kind == "json" or kind.startswith(_LIST) for kind in kinds)
    return name == "text" and not kinds <= _TEXTS


def local_array(values: Sequence[Any], kinds: frozenset[str]) -> pa.Array | None:
    """Return values of a part of a column, as `final_array` can turn into any type.

    None where the column's type decides how they look.
    """
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= _TEXTS:
        return pa.array(values, pa.string())
    type_ = _LOCAL.get(resolved(kinds))
    return None if type_ is None else pa.array(values, type_)


def can_become(local: pa.DataType, name: str) -> bool:
    """Return whether `final_array` makes a column's type of an array of type `local`."""
    if pa.types.is_string(local):
        return name in _TEXTS
    if pa.types.is_int64(local):
        return name in ("integer", "bigint", "double")
    return bool(pa.types.is_null(local) or local == arrow_type(name))


def final_array(local: pa.Array, name: str) -> pa.Array:
    """Return a part of a column in the column's type."""
    if pa.types.is_string(local.type) and name in _FORMS:
        return _as_time(local, name)
    return local.cast(arrow_type(name))


def exact_array(values: Sequence[Any], name: str) -> pa.Array:
    """Return values that were decoded with their digits, in a type that keeps them."""
    if name == "text":
        return pa.array([as_text(value) for value in values], pa.string())
    if name == "json":
        return pa.array([None if v is None else as_json(v) for v in values], pa.string())
    if name == "double[]":
        values = [None if items is None else [*map(float, items)] for items in values]
    return pa.array(values, arrow_type(name))


def has_constants(value: Any) -> bool:
    """Return whether NaN or infinity stands in an object or array."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return any(has_constants(item) for item in items)
    return isinstance(value, float) and not isfinite(value)


def _form(texts: pa.Array) -> str:
    """Return the kind of time that each text is, or `text`."""
    first = texts[0].as_py()
    for name, pattern in _FIRST.items():
        if pattern.match(first):
            is_all = pc.all(pc.match_substring_regex(texts, _FORMS[name])).as_py()
            return name if is_all and _is_convertible(texts, name) else "text"
    return "text"


def _is_convertible(texts: pa.Array, name: str) -> bool:
    try:
        _as_time(texts, name)
    except pa.ArrowInvalid:
        return False
    return not (name != "time" and pc.any(pc.starts_with(texts, "0000")).as_py())


def _as_time(texts: pa.Array, name: str) -> pa.Array:
    if name == "time":
        is_short = pc.equal(pc.utf8_length(texts), len("00:00"))
        whole = pc.if_else(is_short, pc.binary_join_element_wise(texts, ":00", ""), texts)
        moments = pc.binary_join_element_wise("1970-01-01", whole, "T").cast(pa.timestamp("us"))
        return moments.cast(pa.time64("us"))
    return pc.replace_substring(texts, "/", "-", max_replacements=2).cast(arrow_type(name))


def _list_kind(values: list[Any]) -> str:
    if set(map(type, values)) & _NESTED or None in values:
        return "json"
    kinds = {"text" if kind in _TEXTS else kind for kind in kinds_of(values)}
    if not kinds:
        return _LIST
    element = resolve(frozenset(kinds), MIXED)
    return f"{_LIST}{element}" if element in _LISTS else "json"


def _number_kind(number: ExactFloat) -> str:
    """Return `big` where a double does not tell the digits that were written."""
    if number - number != 0:
        is_word = not any(map(str.isdigit, number.text))
        return "double" if is_word else "big"
    mantissa = number.text.lower().partition("e")[0].lstrip("-").replace(".", "")
    digits = mantissa.strip("0")
    if float(number) == 0:
        return "big" if digits else "double"
    written = f"{number:.{max(len(digits), 1) - 1}e}".partition("e")[0].lstrip("-")
    return "double" if written.replace(".", "").rstrip("0") == digits else "big"
