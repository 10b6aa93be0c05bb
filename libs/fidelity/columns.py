"""The checksum of a column: how the values of each type are hashed, in Arrow and in SQL.

What belongs here: a type's hash, both ways. What does not: the hash itself
(`libs.fidelity.hashing`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from libs.fidelity.buffers import values_and_offsets
from libs.fidelity.hashing import MODULUS, hash_bytes, hash_doubles, hash_integers, total

Hashes = npt.NDArray[np.uint64]

_POSTGRES_EPOCH = 946_684_800_000_000
"""PostgreSQL counts the microseconds of a timestamp, and hashes them, from 2000 on."""
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_NULL_ELEMENT = 1
_INTEGER = "hashint8extended({}::bigint, 0)"
_DOUBLE = "hashfloat8extended({}::double precision, 0)"
_TEXT = 'hashtextextended({}::text COLLATE "C", 0)'

_SQL = {
    "smallint": _INTEGER,
    "integer": _INTEGER,
    "bigint": _INTEGER,
    "boolean": "hashint8extended({}::int::bigint, 0)",
    "real": _DOUBLE,
    "double": _DOUBLE,
    "text": _TEXT,
    "json": _TEXT,
    "uuid": 'hashtextextended({}::uuid::text COLLATE "C", 0)',
    "binary": "hashtextextended(encode({}, 'hex') COLLATE \"C\", 0)",
    "date": "hashint8extended(({} - date '1970-01-01')::bigint, 0)",
    "time": "time_hash_extended({}, 0)",
    "timestamp": "timestamp_hash_extended({}, 0)",
    "timestamptz": "timestamp_hash_extended({} AT TIME ZONE 'UTC', 0)",
}
_LIST = (
    "(SELECT sum(coalesce({hash}::numeric, {null}) * place) "
    "FROM unnest({column}) WITH ORDINALITY AS elements (element, place))"
)


def checksum_sql(type_name: str) -> str:
    """Return a template, its `{0}` the column, whose sum modulo 2^64 is the column's checksum."""
    if type_name.endswith("[]"):
        element = _SQL[type_name.removesuffix("[]")].format("element")
        return _LIST.format(hash=element, null=_NULL_ELEMENT, column="{0}")
    return _SQL[type_name].replace("{}", "{0}")


def checksum(values: pa.Array, type_name: str) -> int:
    """Return the checksum of an array of our type `type_name`; NULLs do not count.

    The array may have any Arrow type that holds such values: what GDAL makes of a date in a format
    without dates is a timestamp.
    """
    if type_name.endswith("[]"):
        return _list_checksum(values, type_name.removesuffix("[]"))
    return total(_hashes(values.drop_null(), type_name))


def _hashes(values: pa.Array, type_name: str) -> Hashes:
    return _HASHES[type_name](values)


def _list_checksum(values: pa.Array, element_type: str) -> int:
    lists = values.drop_null()
    elements = lists.flatten()
    lengths = np.asarray(pc.list_value_length(lists))
    begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = (np.arange(len(elements)) - begins + 1).astype(np.uint64)
    is_null = np.asarray(elements.is_null())
    hashes = np.full(len(elements), _NULL_ELEMENT, np.uint64)
    hashes[~is_null] = _hashes(elements.drop_null(), element_type)
    return total(hashes * places) % MODULUS


def _integers(values: pa.Array) -> Hashes:
    return hash_integers(np.asarray(values.cast(pa.int64())))


def _doubles(values: pa.Array) -> Hashes:
    return hash_doubles(np.asarray(values.cast(pa.float64())))


def _texts(values: pa.Array) -> Hashes:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return hash_bytes(*values_and_offsets(values))


def _uuids(values: pa.Array) -> Hashes:
    return _texts(pc.utf8_lower(values))


def _binaries(values: pa.Array) -> Hashes:
    data, offsets = values_and_offsets(values)
    digits = np.empty(2 * len(data), np.uint8)
    digits[0::2] = _HEX_DIGITS[data >> 4]
    digits[1::2] = _HEX_DIGITS[data & 15]
    return hash_bytes(digits, offsets * 2)


def _days(values: pa.Array) -> Hashes:
    return hash_integers(np.asarray(values.cast(pa.date32()).cast(pa.int32())).astype(np.int64))


def _times(values: pa.Array) -> Hashes:
    return hash_integers(np.asarray(values.cast(pa.time64("us")).cast(pa.int64())))


def _instants(values: pa.Array) -> Hashes:
    zone = getattr(values.type, "tz", None)
    microseconds = np.asarray(values.cast(pa.timestamp("us", zone)).cast(pa.int64()))
    return hash_integers(microseconds - _POSTGRES_EPOCH)


_HASHES: dict[str, Callable[[pa.Array], Hashes]] = {
    "smallint": _integers,
    "integer": _integers,
    "bigint": _integers,
    "boolean": _integers,
    "real": _doubles,
    "double": _doubles,
    "text": _texts,
    "json": _texts,
    "uuid": _uuids,
    "binary": _binaries,
    "date": _days,
    "time": _times,
    "timestamp": _instants,
    "timestamptz": _instants,
}
