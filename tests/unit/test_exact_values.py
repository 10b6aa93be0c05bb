"""Columns that a stream would change, read from features: a layer made by hand."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from libs.spatial_utils.exact_values import CHUNK_ROWS, exact_columns, mended

UTC, KATHMANDU, NAIVE = 100, 123, 0
DATE = {"name": "day", "type": "Date", "subtype": "None"}
TIME = {"name": "at", "type": "DateTime", "subtype": "None"}
FLAG = {"name": "ok", "type": "Integer", "subtype": "Boolean"}
TEXT = {"name": "note", "type": "String", "subtype": "None"}


@dataclass
class Feature:
    """A feature as GDAL's bindings give it, of one value."""

    value: Any

    def IsFieldSetAndNotNull(self, _position: int) -> bool:  # noqa: N802 - GDAL's name
        return self.value is not None

    def GetFieldAsDateTime(self, _position: int) -> Any:  # noqa: N802
        return self.value

    def GetFieldAsInteger(self, _position: int) -> Any:  # noqa: N802
        return self.value

    def GetFieldAsString(self, _position: int) -> str:  # noqa: N802
        return "/".join(map(str, self.value[:3]))


@dataclass
class Layer:
    """A layer of such features."""

    values: list[Any]
    ignored: list[list[str]] = field(default_factory=list)

    def SetIgnoredFields(self, names: list[str]) -> None:  # noqa: N802
        self.ignored.append(names)

    def ResetReading(self) -> None:  # noqa: N802
        """Begin anew."""

    def __iter__(self) -> Any:
        return map(Feature, self.values)


def read(item: dict[str, str], driver: str, values: list[Any]) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    columns = exact_columns(Layer(values), [item], driver, said.append, with_zones=True)
    (array,) = mended([pa.nulls(len(values))], columns, 0)
    return array.to_pylist(), said


@pytest.mark.parametrize(
    ("driver", "item", "is_changed"),
    [
        ("GPKG", FLAG, True),
        ("FlatGeobuf", FLAG, True),
        ("GeoJSON", FLAG, False),
        ("GPKG", DATE, False),
        ("GeoJSON", DATE, True),
        ("GPKG", TIME, True),
        ("GeoJSON", TEXT, False),
    ],
)
def test_only_columns_that_a_stream_changes_are_read_from_features(
    driver: str, item: dict[str, str], is_changed: bool
) -> None:
    layer = Layer([])
    assert (
        bool(exact_columns(layer, [TEXT, item], driver, pytest.fail, with_zones=True)) == is_changed
    )
    assert layer.ignored == ([["note", "OGR_GEOMETRY"], []] if is_changed else [])


def test_times_keep_their_instant() -> None:
    values = [
        (2024, 2, 29, 12, 0, 0.0, KATHMANDU),
        (1582, 10, 10, 1, 2, 3.123, NAIVE),
        (1, 1, 1, 0, 0, 0.0, UTC),
        None,
    ]
    found, _ = read(TIME, "GPKG", values)
    assert found == [
        dt.datetime(2024, 2, 29, 6, 15),
        dt.datetime(1582, 10, 10, 1, 2, 3, 123000),
        dt.datetime(1, 1, 1),
        None,
    ]
    (column,) = exact_columns(Layer(values), [TIME], "GPKG", pytest.fail, with_zones=True).values()
    assert column.zones == {"naive": 1, "zoned": 2}


def test_dates_before_1970_keep_their_day_and_others_are_told_of() -> None:
    values = [(1969, 12, 31, 0, 0, 0.0, 0), (2024, 2, 30, 0, 0, 0.0, 0)]
    found, said = read(DATE, "GeoJSON", values)
    assert found == [dt.date(1969, 12, 31), None]
    assert said == ["expected a date in 'day', found '2024/2/30' in row 2"]


def test_batches_take_their_own_rows_across_chunks() -> None:
    values = [number % 3 == 0 for number in range(CHUNK_ROWS + 10)]
    columns = exact_columns(Layer(values), [FLAG], "GPKG", pytest.fail, with_zones=True)
    begin = CHUNK_ROWS - 10
    (array,) = mended([pa.nulls(20)], columns, begin)
    assert array.to_pylist() == values[begin:]
