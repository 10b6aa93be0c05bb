"""Values that have a type of their own (JSON's, a spreadsheet's): their kind, their text.

What belongs here: one value at a time, and columns of them. What does not: where they come from
(`json_reader`, `xlsx_reader`).
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from libs.compute.arrow_types import arrow_type
from libs.tabular.reader import ReadOrder
from libs.tabular.types import converted, integer_kind


class ExactFloat(float):
    """A number together with the digits it was written with."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> "ExactFloat":
        """Return the nearest double, with its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def kind_of(value: Any) -> str:
    """Return the kind of a value that is not None."""
    kind = _KINDS.get(type(value))
    if kind is None:
        return "json"
    return kind if isinstance(kind, str) else kind(value)


def _float_kind(value: float) -> str:
    text = value.text if isinstance(value, ExactFloat) else float.__repr__(value)
    shortest = float.__repr__(value)
    is_kept = text == shortest or (value - value == 0 and Decimal(text) == Decimal(shortest))
    return "double" if is_kept else "big"


_KINDS: dict[type, str | Callable[[Any], str]] = {
    str: "text",
    bool: "boolean",
    int: integer_kind,
    float: _float_kind,
    ExactFloat: _float_kind,
    dict: "json",
    list: "json",
    dt.datetime: "timestamp",
    dt.date: "date",
    dt.time: "time",
}


def as_text(value: Any) -> str | None:
    """Return a value as text: strings as they are, numbers with their digits, ISO times."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return as_json(value)


def as_json(value: Any) -> str:
    """Return a value as JSON, numbers with the digits they were written with."""
    if isinstance(value, dict):
        members = (f"{json.dumps(k, ensure_ascii=False)}: {as_json(v)}" for k, v in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    if isinstance(value, ExactFloat):
        return value.text
    return json.dumps(value, ensure_ascii=False)


def _texts(values: Sequence[Any], text_of: Callable[[Any], str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([text_of(value) for value in values], pa.string())


def column_array(
    order: ReadOrder,
    name: str,
    values: Sequence[Any],
    type_: str,
    first_row: int,
    text_of: Callable[[Any], str | None] = as_text,
) -> pa.Array:
    """Return values as a column of `type_`, which holds them all, or which the manifest declares.

    `text_of` gives the text of a value where the column is, or comes from, text.
    Raises `SourceError` naming row, column and value where a declared type does not fit.
    """
    if type_ == "json" and name not in order.declared:
        return pa.array([None if v is None else as_json(v) for v in values], pa.string())
    if type_ == "text" or name in order.declared:
        texts = _texts(values, text_of)
        return converted(order, name, texts, type_, first_row)
    if type_ == "double":
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, arrow_type(type_))
