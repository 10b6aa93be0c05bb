"""Parquet's types as ours, and what has no counterpart.

    uint8, uint16, uint32      the next larger signed type
    uint64, ns times           bigint, time stamp and time where every value fits, else text
    decimal                    text with all its digits
    duration                   bigint, counted in its own unit
    dictionary                 the type of its values
    list of a simple type      an array; other lists, struct and map: json
    time stamp without a zone  timestamp; with one: timestamptz, its instant, the zone's name
                               is not kept
    anything else              refused by name

What belongs here: that table. What does not: reading (`parquet_reader`).
"""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.arrow_types import arrow_type

_SIMPLE: dict[pa.DataType, str] = {
    pa.int8(): "smallint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "integer",
    pa.uint32(): "bigint",
    pa.float16(): "real",
    pa.float32(): "real",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.string(): "text",
    pa.large_string(): "text",
    pa.string_view(): "text",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.binary_view(): "binary",
    pa.date32(): "date",
    pa.date64(): "date",
    pa.time32("s"): "time",
    pa.time32("ms"): "time",
    pa.time64("us"): "time",
    pa.null(): "text",
}
_IN_ARRAYS = frozenset({"integer", "boolean", "smallint", "bigint", "double", "real", "text"})
_IN_JSON = (
    pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating,
    pa.types.is_string, pa.types.is_large_string, pa.types.is_temporal, pa.types.is_decimal,
)  # fmt: skip
_NS = 1000


class NotJsonError(ValueError):
    """A nested value is nothing that JSON can hold; `position` counts from 0."""

    def __init__(self, position: int, found: str) -> None:
        super().__init__(found)
        self.position = position


@dataclass(frozen=True)
class Mapping:
    """Our type of a column; `note` says what a user should know of it.

    With `fallback`, values decide: the type is `type` where all fit, else text.
    """

    type: str
    note: str = ""
    has_fallback: bool = False


def mapping_of(type_: pa.DataType) -> Mapping | None:
    """Return our type of a Parquet column; None where there is none."""
    if isinstance(type_, pa.BaseExtensionType):
        return _extension(type_)
    if pa.types.is_dictionary(type_):
        return mapping_of(type_.value_type)
    if type_ in _SIMPLE:
        return Mapping(_SIMPLE[type_])
    if pa.types.is_fixed_size_binary(type_):
        return Mapping("binary")
    if pa.types.is_nested(type_):
        return _nested(type_)
    return _number_or_time(type_)


def _extension(type_: Any) -> Mapping | None:
    if type_.extension_name == "arrow.json":
        return Mapping("json")
    if type_.extension_name == "arrow.uuid":
        return Mapping("uuid")
    return mapping_of(type_.storage_type)


def _number_or_time(type_: pa.DataType) -> Mapping | None:
    if type_ == pa.uint64():
        return Mapping("bigint", has_fallback=True)
    if type_ == pa.time64("ns"):
        return Mapping("time", has_fallback=True)
    if pa.types.is_timestamp(type_):
        note = f"time zone {type_.tz} is not kept, the instants are" if type_.tz else ""
        is_utc = type_.tz in {None, "UTC", "+00:00"}
        name = "timestamptz" if type_.tz else "timestamp"
        return Mapping(name, "" if is_utc else note, has_fallback=type_.unit == "ns")
    if pa.types.is_decimal(type_):
        return Mapping("text", f"{type_} became text with all its digits")
    if pa.types.is_duration(type_):
        return Mapping("bigint", f"{type_} became a count of its unit")
    return None


def _nested(type_: pa.DataType) -> Mapping | None:
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        member = _SIMPLE.get(type_.value_type)
        if member in _IN_ARRAYS:
            return Mapping(f"{member}[]")
    return Mapping("json", f"{type_} became json") if _fits_json(type_) else None


def _fits_json(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return all(_fits_json(field.type) for field in type_)
    if pa.types.is_map(type_):
        return pa.types.is_string(type_.key_type) and _fits_json(type_.item_type)
    if pa.types.is_nested(type_) or pa.types.is_dictionary(type_):
        return hasattr(type_, "value_type") and _fits_json(type_.value_type)
    return any(test(type_) for test in _IN_JSON)


def is_kept(values: pa.Array) -> bool:
    """Return whether values of a type with a fallback fit its first choice."""
    if values.type == pa.uint64():
        largest = pc.max(values).as_py()
        return largest is None or largest < 2**63
    numbers = values.cast(pa.int64())
    whole = pc.multiply(pc.divide(numbers, _NS), _NS)
    return bool(pc.all(pc.equal(numbers, whole), min_count=0).as_py())


def as_ours(values: pa.Array, type_: str) -> pa.Array:
    """Return a Parquet column as the Arrow array of our `type_`."""
    if isinstance(values, pa.ExtensionArray):
        is_uuid = type_ == "uuid"
        values = values.storage
        if is_uuid:
            return pa.array([None if v is None else _uuid(v) for v in values.to_pylist()])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if type_ == "json" and not pa.types.is_string(values.type):
        return _as_json(values)
    if pa.types.is_timestamp(values.type) and type_ == "text":
        zone = "UTC" if values.type.tz else None
        form = "%Y-%m-%dT%H:%M:%SZ" if zone else "%Y-%m-%dT%H:%M:%S"
        return pc.strftime(values.cast(pa.timestamp(values.type.unit, zone)), form)
    if pa.types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    if pa.types.is_duration(values.type):
        return values.cast(pa.int64())
    return values.cast(arrow_type(type_))


def _uuid(value: bytes) -> str:
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _as_json(values: pa.Array) -> pa.Array:
    has_maps = _has_maps(values.type)
    texts = []
    for position, value in enumerate(values.to_pylist()):
        try:
            nested = _with_objects(value, values.type) if has_maps else value
            texts.append(None if value is None else _one_json(nested))
        except ValueError as err:
            raise NotJsonError(position, str(err)) from err
    return pa.array(texts, pa.string())


def _one_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError as err:
        raise ValueError("NaN or infinity") from err


def _has_maps(type_: pa.DataType) -> bool:
    """Return whether a map is in a type: Arrow gives those as lists of pairs."""
    if pa.types.is_map(type_):
        return True
    if pa.types.is_struct(type_):
        return any(_has_maps(field.type) for field in type_)
    return pa.types.is_nested(type_) and _has_maps(type_.value_type)


def _with_objects(value: Any, type_: pa.DataType) -> Any:
    """Return a value with an object in place of each map; raises `ValueError` where it is none."""
    if value is None or not pa.types.is_nested(type_):
        return value
    if pa.types.is_map(type_):
        result = {key: _with_objects(item, type_.item_type) for key, item in value}
        if len(result) != len(value):
            raise ValueError("a map with one key twice")
        return result
    if pa.types.is_struct(type_):
        return {field.name: _with_objects(value[field.name], field.type) for field in type_}
    return [_with_objects(item, type_.value_type) for item in value]
