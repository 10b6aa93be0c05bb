"""Values of a FlatGeobuf that GDAL would change, and those that its stream would.

FlatGeobuf has no type for a time of day: GDAL writes it as a DateTime of the day 0000-00-00, and
reads that, and any other text that it takes for no moment, as NULL. An unsigned number of 64 bits
it reads as a double. Its stream loses bits of booleans and the offsets of times.

What belongs here: finding such columns, and their values as they are stored. What does not: where
values stand in a file (`libs.spatial_utils.flatgeobuf_scan`), the rest of a layer
(`libs.spatial_utils.describe_source`, in whose child process this runs).
"""

import datetime as dt
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.exact_values import ExactColumn
from libs.spatial_utils.flatgeobuf_scan import Scan, Values
from libs.spatial_utils.sqlite_values import is_instant
from libs.spatial_utils.stored_values import StoredColumn, StoredLayer

EXAMPLES = 3
MAX_SHOWN = 60
MAX_EXACT = 2**53
_BOOL, _U_LONG, _DATE_TIME = 2, 8, 13

_TIME = re.compile(r"0000-00-00T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?:\d{3}){1,2})?)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = (
    r"^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?P<fraction>\d{1,3}))?"
    r"(?P<zone>Z|[+-](?:0\d|1[0-4]):(?:00|15|30|45))?$"
)
"""What nearly all moments look like; Arrow reads the part before the fraction."""
_MOMENT_BYTES = 19
_FIRST_SECOND = int(dt.datetime(1, 1, 1, tzinfo=dt.UTC).timestamp())


def stored_layer(
    path: str, layer: str, fields: Sequence[Mapping[str, Any]], *, is_ours: bool = False
) -> tuple[StoredLayer, dict[int, ExactColumn]]:
    """Return what GDAL would change of the file at `path`, and what its stream would, by position.

    `fields` have `name` and `type` as OGR calls them. Of a file that we wrote, and know the types
    of, only booleans are read. Moments that are written in no common way are left to GDAL's
    features. Raises `SourceError` where a feature cannot be followed to its end.
    """
    with Path(path).open("rb") as file, _told(layer):
        scan = Scan(file)
        kinds = (_BOOL,) if is_ours else (_BOOL, _U_LONG, _DATE_TIME)
        looked_at = {n: kind for n, kind in enumerate(scan.types) if kind in kinds}
        columns = {n: _COLUMNS[kind](str(fields[n]["name"])) for n, kind in looked_at.items()}
        for chunk in scan.chunks(columns) if columns else ():
            for position, values in chunk.items():
                columns[position].add(values)
        exact = {n: column.exact for n, column in columns.items() if column.exact is not None}
        odd = {n for n, column in columns.items() if column.is_odd}
        stored: dict[int, list[Any]] = {position: [] for position in odd}
        for chunk in scan.chunks(odd) if odd else ():
            for position, values in chunk.items():
                stored[position] += _listed(values, looked_at[position])
    return _as_stored(layer, fields, stored, looked_at), exact


@contextmanager
def _told(layer: str) -> Iterator[None]:
    try:
        yield
    except (struct.error, IndexError, pa.ArrowInvalid) as err:
        raise SourceError(
            "source.unreadable",
            f"expected a FlatGeobuf whose features can be followed to the end, found: {err}.",
            remedy="Export the file anew and drop it again.",
            layer=layer,
        ) from err


def _as_stored(
    layer: str,
    fields: Sequence[Mapping[str, Any]],
    stored: Mapping[int, list[Any]],
    types: Mapping[int, int],
) -> StoredLayer:
    columns: dict[int, StoredColumn] = {}
    warnings = []
    for position, values in stored.items():
        is_moment = types[position] == _DATE_TIME
        column = _moments(values) if is_moment else _numbers(values)
        if column is not None:
            columns[position] = column
        if column is not None and column.type == "String":
            fits = _is_moment if is_moment else _is_long
            warnings.append(_other_type(layer, fields[position], values, fits))
    return StoredLayer(columns, tuple(warnings))


def _listed(values: Values, kind: int) -> list[Any]:
    if kind == _DATE_TIME:
        texts: list[Any] = values.texts().to_pylist()
        return texts
    numbers = values.numbers(8)
    return [
        None if is_missing else int(number)
        for number, is_missing in zip(numbers, values.is_missing, strict=True)
    ]


class _Booleans:
    """A column of booleans."""

    is_odd = False

    def __init__(self, name: str) -> None:
        self.exact = ExactColumn(name, "Boolean")

    def add(self, values: Values) -> None:
        """Take the values of a chunk."""
        found = values.numbers(1) != 0
        self.exact.chunks.append(pa.array(found, mask=values.is_missing))


class _UnsignedNumbers:
    """A column of unsigned numbers of 64 bits: odd where a double does not hold one."""

    exact = None

    def __init__(self, _: str) -> None:
        self.is_odd = False

    def add(self, values: Values) -> None:
        """Take the values of a chunk."""
        numbers = values.numbers(8)[~values.is_missing]
        self.is_odd = self.is_odd or bool((numbers > MAX_EXACT).any())


class _Moments:
    """A column of moments: odd where one is written in no common way."""

    def __init__(self, name: str) -> None:
        self.is_odd = False
        self._exact = ExactColumn(name, "DateTime")

    @property
    def exact(self) -> ExactColumn | None:
        """The column, unless it is odd."""
        return None if self.is_odd else self._exact

    def add(self, values: Values) -> None:
        """Take the values of a chunk."""
        if self.is_odd:
            return
        texts = values.texts()
        found = pc.extract_regex(texts, _MOMENT)
        seconds = _seconds(texts) if found.null_count == texts.null_count else None
        if seconds is None:
            self.is_odd = True
            return
        fractions, zones = found.flatten()
        fractions = pc.cast(pc.utf8_rpad(fractions, 3, "0"), pa.int64())
        moments = pc.subtract(pc.add(pc.multiply(seconds, 1000), fractions), _offsets_ms(zones))
        self._exact.chunks.append(moments.cast(pa.timestamp("ms")))
        naive = pc.sum(pc.equal(zones, "")).as_py() or 0
        self._exact.zones["naive"] += naive
        self._exact.zones["zoned"] += len(texts) - texts.null_count - naive


_COLUMNS: dict[int, Callable[[str], Any]] = {
    _BOOL: _Booleans, _U_LONG: _UnsignedNumbers, _DATE_TIME: _Moments,
}  # fmt: skip


def _seconds(texts: pa.Array) -> pa.Array | None:
    """Return the seconds since 1970 that texts begin with; None where one is no date."""
    try:
        moments = pc.utf8_slice_codeunits(texts, 0, _MOMENT_BYTES).cast(pa.timestamp("s"))
    except pa.ArrowInvalid:
        return None
    seconds = moments.cast(pa.int64())
    first = pc.min(seconds).as_py()
    return seconds if first is None or first >= _FIRST_SECOND else None


def _offsets_ms(zones: pa.Array) -> pa.Array:
    """Return how far zones are ahead of UTC, 0 where there is none."""
    encoded = zones.dictionary_encode()
    ahead = [_offset_ms(zone) for zone in encoded.dictionary.to_pylist()]
    return pa.array(ahead, pa.int64()).take(encoded.indices)


def _offset_ms(zone: str) -> int:
    if zone in ("", "Z"):
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return (-minutes if zone[0] == "-" else minutes) * 60_000


def _moments(values: Sequence[str | None]) -> StoredColumn | None:
    """Return a column of times of day, or of texts where GDAL would change some; else None."""
    texts = [value for value in values if value]
    if all(map(_is_moment, texts)):
        return None
    times = [_TIME.fullmatch(value) if value else None for value in values]
    if sum(time is not None for time in times) < len(texts):
        return StoredColumn("String", pa.chunked_array([pa.array(values, pa.string())]))
    found = [time and dt.time.fromisoformat(time[1]) for time in times]
    return StoredColumn("Time", pa.chunked_array([pa.array(found, pa.time64("us"))]))


def _numbers(values: Sequence[int | None]) -> StoredColumn | None:
    """Return a column of whole numbers, or of texts where some have 64 bits; else None."""
    largest = max((value for value in values if value is not None), default=0)
    if largest <= MAX_EXACT:
        return None
    if _is_long(largest):
        return StoredColumn("Integer64", pa.chunked_array([pa.array(values, pa.int64())]))
    texts = [None if value is None else str(value) for value in values]
    return StoredColumn("String", pa.chunked_array([pa.array(texts, pa.string())]))


def _is_moment(value: str) -> bool:
    return is_instant(value) or _DATE.fullmatch(value) is not None


def _is_long(value: int) -> bool:
    return value < 2**63


def _other_type(
    layer: str, item: Mapping[str, Any], values: Sequence[Any], fits: Callable[[Any], bool]
) -> Warn:
    odd = [(row, value) for row, value in enumerate(values, 1) if value and not fits(value)]
    shown = [f"{str(value)[:MAX_SHOWN]!r} in row {row}" for row, value in odd[:EXAMPLES]]
    return Warn(
        code="column.other_type",
        message=f"Column {item['name']!r} is read by GDAL as {from_ogr(item['type'], 'None')}, "
        f"and {len(odd)} of its values are none ({', '.join(shown)}"
        f"{', …' if len(odd) > EXAMPLES else ''}): it was read as text, with every value as it is "
        "stored.",
        layer=layer,
    )
