"""Guessing types of text, only where every value comes back as the very same text.

01001, +5, -0, 1.50, 1e5, NaN, TRUE, 2026-1-3, an empty quoted field and numbers too long for a
type are text, and one of them makes its whole column text. `1` beside `1.5` is a double, because
1 comes back as `1`; `1` beside `1.0` is text, because one of them would not.

What belongs here: the kinds of text. What does not: which type kinds have in common (`types`).
"""

import pyarrow as pa
import pyarrow.compute as pc

from libs.tabular.types import integer_kind

TEXT = frozenset({"text"})
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?$"
_MINUS_ZERO = r"^-0(\.0)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_FORMS = (
    (_DATE, pa.date32(), "date"),
    (_TIME + "Z$", pa.timestamp("s", "UTC"), "timestamptz"),
    (_TIME + "$", pa.timestamp("s"), "timestamp"),
)


def text_kinds(values: pa.Array) -> frozenset[str]:
    """Return the kinds of the values of a column; none where all are NULL."""
    values = values.drop_null()
    if not len(values):
        return frozenset()
    if pc.all(pc.is_in(values, pa.array(["true", "false"]))).as_py():
        return frozenset({"boolean"})
    for pattern, type_, kind in _FORMS:
        if _all_match(values, pattern):
            return frozenset({kind}) if _casts(values, type_) else TEXT
    return _number_kinds(values) if _all_match(values, _NUMBER) else TEXT


def _all_match(values: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern), min_count=0).as_py())


def _casts(values: pa.Array, type_: pa.DataType) -> bool:
    try:
        values.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True


def _number_kinds(values: pa.Array) -> frozenset[str]:
    if pc.any(pc.match_substring_regex(values, _MINUS_ZERO)).as_py():
        return TEXT
    is_integer = pc.match_substring_regex(values, _INTEGER)
    integers, others = values.filter(is_integer), values.filter(pc.invert(is_integer))
    if not _casts(integers, pa.int64()):
        return TEXT
    kinds = set()
    if len(integers):
        bounds = pc.min_max(integers.cast(pa.int64()))
        kinds |= {integer_kind(bounds["min"].as_py()), integer_kind(bounds["max"].as_py())}
    if len(others):
        again = others.cast(pa.float64()).cast(pa.string())
        is_same = pc.equal(again, others)
        is_whole = pc.equal(pc.binary_join_element_wise(again, ".0", ""), others)
        if not pc.all(pc.or_(is_same, is_whole)).as_py():
            return TEXT
        kinds |= {"double"} if pc.any(is_same).as_py() else set()
        kinds |= {"double.0"} if pc.any(is_whole).as_py() else set()
    return frozenset(kinds)
