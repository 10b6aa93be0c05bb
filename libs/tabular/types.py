"""Types of columns: which one values of several kinds have in common, and text made into a type.

A kind says what one value is. Numbers are kinds of their own, so that a column gets a number type
only where that keeps every value:

    integer   fits 32 bits              double    a number whose shortest text is the one found
    exact     fits 53 bits, as a double  double.0  the same, but written as a whole number with .0
    bigint    fits 64 bits              big       a number that neither bigint nor double keeps

Every other kind is the name of a type (text, boolean, date, timestamp, timestamptz, …).

What belongs here: these rules. What does not: reading files.
"""

import datetime as dt
import json
import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.arrow_types import arrow_type
from libs.tabular.reader import ReadOrder

DECLARABLE = (
    "text", "smallint", "integer", "bigint", "real", "double", "boolean", "date", "time",
    "timestamp", "timestamptz", "json", "uuid",
)  # fmt: skip
INT32, EXACT, INT64 = 2**31, 2**53, 2**63
MAX_SHOWN = 80
TRUE, FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
_NUMBERS = frozenset({"integer", "exact", "bigint", "double", "double.0", "big"})
_COMMON: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"integer"}), "integer"),
    (frozenset({"integer", "exact", "bigint"}), "bigint"),
    (frozenset({"integer", "exact", "double"}), "double"),
    (frozenset({"double", "double.0"}), "double"),
    (_NUMBERS, "text"),
)
_INTEGER = r"^[+-]?[0-9]+$"
_DOUBLE = r"^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))$"
_IS_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_HAS_ZONE = r"[T ].*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_UUID = r"^(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


def resolve(kinds: frozenset[str], mixed: str) -> str:
    """Return the type that keeps values of all `kinds`; `mixed` where none does."""
    if not kinds:
        return "text"
    for members, name in _COMMON:
        if kinds <= members:
            return name
    return next(iter(kinds)) if len(kinds) == 1 else mixed


def integer_kind(value: int) -> str:
    """Return the kind of a whole number."""
    if -INT32 <= value < INT32:
        return "integer"
    if -EXACT <= value <= EXACT:
        return "exact"
    return "bigint" if -INT64 <= value < INT64 else "big"


def converted(
    order: ReadOrder, column: str, values: pa.Array, name: str, first_row: int
) -> pa.Array:
    """Return text as the type called `name`; an empty text is NULL there.

    `first_row` is the row of the first value. Raises `SourceError` naming row, column and value
    of the first one that does not fit.
    """
    if name == "text":
        return values
    values = pc.if_else(pc.equal(values, ""), None, values)
    convert = _CONVERTERS[name]
    try:
        return convert(values)
    except (pa.ArrowException, ValueError, RecursionError) as err:
        for position, value in enumerate(values):
            try:
                convert(pa.array([value.as_py()], pa.string()))
            except (pa.ArrowException, ValueError, RecursionError):
                raise value_refusal(
                    order, column, value.as_py(), name, first_row + position
                ) from err
        raise


def value_refusal(order: ReadOrder, column: str, value: object, name: str, row: int) -> Exception:
    """Return the refusal of a value that does not fit its type."""
    text = str(value)
    cut = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return order.refusal(
        "value_type",
        f"expected {_FORMS.get(name, name)} in column {column!r}, found {cut!r}.",
        remedy="Correct the value, or declare the column as text in files[].columns.",
        row=row,
    )


def _require(values: pa.Array, pattern: str) -> pa.Array:
    if not pc.all(pc.match_substring_regex(values, pattern), min_count=0).as_py():
        raise ValueError(pattern)
    return values


def _integer(name: str) -> Callable[[pa.Array], pa.Array]:
    def convert(values: pa.Array) -> pa.Array:
        digits = pc.replace_substring_regex(_require(values, _INTEGER), r"^\+", "")
        return digits.cast(arrow_type(name))

    return convert


def _float(name: str) -> Callable[[pa.Array], pa.Array]:
    def convert(values: pa.Array) -> pa.Array:
        numbers = _require(values, _DOUBLE).cast(arrow_type(name))
        is_too_large = pc.and_not(
            pc.is_inf(numbers), pc.match_substring_regex(values, _IS_INFINITE)
        )
        if pc.any(is_too_large, min_count=0).as_py():
            raise ValueError(name)
        return numbers

    return convert


def _boolean(values: pa.Array) -> pa.Array:
    lowered = pc.utf8_lower(values)
    is_true = pc.is_in(lowered, pa.array(TRUE))
    known = pc.or_(is_true, pc.is_in(lowered, pa.array(FALSE)))
    if pc.any(pc.and_not(values.is_valid(), known), min_count=0).as_py():
        raise ValueError("boolean")
    return pc.if_else(values.is_valid(), is_true, None)


def _date(values: pa.Array) -> pa.Array:
    return _require(values, _DATE).cast(pa.date32())


def _time(values: pa.Array) -> pa.Array:
    return pa.array([_one_time(value) for value in values.to_pylist()], pa.time64("us"))


def _one_time(value: str | None) -> dt.time | None:
    if value is not None and not _TIME.fullmatch(value):
        raise ValueError(value)
    return None if value is None else dt.time.fromisoformat(value)


def _timestamptz(values: pa.Array) -> pa.Array:
    return _require(values, _HAS_ZONE).cast(pa.timestamp("us", "UTC"))


def _timestamp(values: pa.Array) -> pa.Array:
    return values.cast(pa.timestamp("us"))


def _json(values: pa.Array) -> pa.Array:
    for value in values.to_pylist():
        if value is not None:
            json.loads(value, parse_constant=_refuse_constant)
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _uuid(values: pa.Array) -> pa.Array:
    return _require(values, _UUID)


_CONVERTERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    **{name: _integer(name) for name in ("smallint", "integer", "bigint")},
    **{name: _float(name) for name in ("real", "double")},
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "json": _json,
    "uuid": _uuid,
}
_FORMS = {
    "smallint": "a whole number of 16 bits",
    "integer": "a whole number of 32 bits",
    "bigint": "a whole number of 64 bits",
    "real": "a number with a decimal point",
    "double": "a number with a decimal point",
    "boolean": f"one of {', '.join(TRUE + FALSE)}",
    "date": "a date such as 2026-11-30",
    "time": "a time such as 12:30:00",
    "timestamp": "a time without a zone, such as 2026-11-30T12:30:00,",
    "timestamptz": "a time with its zone, such as 2026-11-30T12:30:00Z,",
    "json": "a JSON value",
    "uuid": "a UUID",
}
