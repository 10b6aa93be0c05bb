"""Values that GDAL's Arrow streams change, read feature by feature instead.

In GDAL 3.6.2 the streams of GeoPackage and FlatGeobuf lose bits of booleans, those of all other
drivers put dates before 1970 a day late, and every stream drops the offset of a time.

What belongs here: which columns these are, and their values. What does not: the stream
(`libs.spatial_utils.describe_source`, in whose child process this runs).
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

CHUNK_ROWS = 65_536
GEOMETRY = "OGR_GEOMETRY"
OWN_STREAMS = ("GPKG", "FlatGeobuf")
"""Drivers whose stream is not the generic one."""
UTC_FLAG = 100
UTC_FLAG_OR_OFFSET = 2
"""From this flag on a DateTime has a zone, in quarters of an hour from `UTC_FLAG`; 0 is unknown and
1 is local time."""
_EPOCH = dt.date(1970, 1, 1).toordinal()
_QUARTER_MS = 15 * 60 * 1000

Complain = Callable[[str], None]


@dataclass
class ExactColumn:
    """A column read from features; `zones` counts the times with and without a zone."""

    name: str
    kind: str
    chunks: list[pa.Array] = field(default_factory=list)
    zones: dict[str, int] = field(default_factory=lambda: {"naive": 0, "zoned": 0})
    pending: list[int | bool | None] = field(default_factory=list)

    def add(self, feature: Any, position: int) -> None:
        """Take the value of a feature; raises `ValueError` where it is no date."""
        value = None
        if feature.IsFieldSetAndNotNull(position):
            value = self._value(feature, position)
        self.pending.append(value)
        if len(self.pending) == CHUNK_ROWS:
            self.close()

    def close(self) -> None:
        """Make a chunk of the values that were taken last."""
        self.chunks.append(pa.array(self.pending, _ARROW_TYPES[self.kind]))
        self.pending = []

    def rows(self, begin: int, count: int) -> pa.Array:
        """Return the values of `count` features, the first numbered `begin` from 0."""
        return pa.chunked_array(self.chunks).slice(begin, count).combine_chunks()

    def _value(self, feature: Any, position: int) -> int | bool:
        if self.kind == "Boolean":
            return bool(feature.GetFieldAsInteger(position))
        year, month, day, hour, minute, second, flag = feature.GetFieldAsDateTime(position)
        days = dt.date(year, month, day).toordinal() - _EPOCH
        if self.kind == "Date":
            return days
        has_zone = flag >= UTC_FLAG_OR_OFFSET
        self.zones["zoned" if has_zone else "naive"] += 1
        offset_ms = (flag - UTC_FLAG) * _QUARTER_MS if has_zone else 0
        minutes = (days * 24 + int(hour)) * 60 + int(minute)
        return minutes * 60_000 + int(round(second * 1000) - offset_ms)


_ARROW_TYPES = {"Boolean": pa.bool_(), "Date": pa.date32(), "DateTime": pa.timestamp("ms")}


def exact_columns(
    layer: Any,
    fields: Sequence[Mapping[str, Any]],
    driver: str,
    complain: Complain,
    *,
    with_zones: bool,
    known: Collection[int] = (),
) -> dict[int, ExactColumn]:
    """Return the columns of a layer that its stream would change, by position.

    Those of the positions that are `known` are left out.

    `fields` have `name`, `type` and `subtype` as OGR calls them. A date that does not exist is told
    to `complain` and becomes NULL. Without `with_zones` times are known to be naive or in UTC, as a
    stream takes them for.
    """
    columns = {
        position: ExactColumn(item["name"], kind)
        for position, item in enumerate(fields)
        for kind in [_changed(item, driver)]
        if kind and position not in known and (with_zones or kind != "DateTime")
    }
    if not columns:
        return {}
    kept = {column.name.casefold() for column in columns.values()}
    others = [item["name"] for item in fields if item["name"].casefold() not in kept]
    layer.SetIgnoredFields([*others, GEOMETRY])
    layer.ResetReading()
    for number, feature in enumerate(layer, 1):
        for position, column in columns.items():
            try:
                column.add(feature, position)
            except ValueError:
                found = feature.GetFieldAsString(position)
                complain(f"expected a date in {column.name!r}, found {found!r} in row {number}")
                column.pending.append(None)
    for column in columns.values():
        column.close()
    layer.SetIgnoredFields([])
    layer.ResetReading()
    return columns


def _changed(item: Mapping[str, Any], driver: str) -> str | None:
    """Return the kind of a column that a stream of `driver` changes; None for another one."""
    if item["type"] == "DateTime":
        return "DateTime"
    if driver not in OWN_STREAMS:
        return "Date" if item["type"] == "Date" else None
    return "Boolean" if (item["type"], item["subtype"]) == ("Integer", "Boolean") else None


def mended(
    arrays: Sequence[pa.Array], columns: Mapping[int, ExactColumn], begin: int
) -> list[pa.Array]:
    """Return the arrays of a stream's batch with the exact columns in place."""
    found = list(arrays)
    for position, column in columns.items():
        found[position] = column.rows(begin, len(arrays[position]))
    return found
