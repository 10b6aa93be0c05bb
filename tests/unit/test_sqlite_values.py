"""Values of SQLite that do not fit their column: found, and kept as they are stored."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.sqlite_values import stored_layer, tables_of_modules, unread_geometry
from libs.spatial_utils.stored_values import StoredLayer

FITTING: dict[str, list[Any]] = {
    "Integer": [2**31 - 1, -(2**31), None],
    "Integer Boolean": [0, 1],
    "Integer Int16": [32767, -32768],
    "Integer64": [2**63 - 1, -(2**63)],
    "Real": [0.1, math.inf, 2**53],
    "Real Float32": [0.5, 3],
    "String": ["", "text", 1001],
    "String JSON": ['{"a": null}', "[]", "1"],
    "Date": ["2024-02-29", "0001-01-01"],
    "DateTime": [
        "2024-02-29T12:00:00.000Z", "2024-02-29 12:00:00", "1969-12-31T23:59:59.999+05:45",
    ],
    "Time": ["23:59:59.999", "00:00"],
    "Binary": [b"", b"\x00"],
}  # fmt: skip
MISFITS = [
    ("Integer", 3_000_000_000, "Integer64"),
    ("Integer", "abc", "String"),
    ("Integer Boolean", 2, "Integer64"),
    ("Integer Int16", 70_000, "Integer64"),
    ("Integer64", 1.5, "Real"),
    ("Real", "text", "String"),
    ("Real", 2**53 + 1, "Integer64"),
    ("Real Float32", 0.1, "Real"),
    ("String", 1 / 3, "Real"),
    ("String", b"bytes", "Binary"),
    ("String JSON", '{"a": NaN}', "String"),
    ("Date", "2024-02-30", "String"),
    ("Date", "2024-02-29T12:00:00", "String"),
    ("Date", 1545234831, "Integer64"),
    ("DateTime", "2024-02-30T12:00:00.000Z", "String"),
    ("DateTime", "2016-12-31T23:59:60Z", "String"),
    ("DateTime", "2024-02-29T12:00:00.123456Z", "String"),
    ("DateTime", "2024-02-29T12:00:00+05:20", "String"),
    ("DateTime", "2024-02-29", "String"),
    ("DateTime", 2460000.5, "Real"),
    ("Time", "24:00:00", "String"),
    ("Binary", "text", "String"),
    ("IntegerList", "1, 2", "String"),
]


def compared(tmp_path: Path, values: list[Any], ogr_type: str = "String") -> StoredLayer:
    """Return what is stored of a table whose column `c` OGR takes for `ogr_type`."""
    path = tmp_path / "d.sqlite"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, c)")
    rows = [(len(values) - place, value) for place, value in enumerate(values)]
    base.executemany("INSERT INTO t VALUES (?, ?)", rows)
    base.execute("CREATE VIEW v AS SELECT c FROM t")
    base.execute("CREATE VIEW broken AS SELECT ST_AsText(c) AS c FROM t")
    base.commit()
    base.close()
    return of_layer(path, "t", ogr_type)


def of_layer(path: Path, layer: str, ogr_type: str) -> StoredLayer:
    """Return what is stored of a layer that has the one column `c`."""
    name, _, subtype = ogr_type.partition(" ")
    field = {"name": "c", "type": name, "subtype": subtype or "None"}
    return stored_layer(str(path), layer, [field], key="k", geometry="")


@pytest.mark.parametrize("ogr_type", FITTING)
def test_values_that_fit_are_left_to_gdal(tmp_path: Path, ogr_type: str) -> None:
    assert compared(tmp_path, FITTING[ogr_type], ogr_type) == StoredLayer()


@pytest.mark.parametrize(("ogr_type", "value", "kept_as"), MISFITS)
def test_a_column_with_another_value_gets_a_type_that_holds_it(
    tmp_path: Path, ogr_type: str, value: Any, kept_as: str
) -> None:
    found = compared(tmp_path, [None, value], ogr_type)

    (column,) = found.columns.values()
    assert (column.type, column.rows(0, 2).to_pylist()) == (kept_as, [value, None])
    (warning,) = found.warnings
    assert (warning.code, warning.layer) == ("column.other_type", "t")
    assert f"({value!r} in row 1)" in warning.message


def test_what_no_number_holds_becomes_text_without_losing_a_digit(tmp_path: Path) -> None:
    found = compared(tmp_path, ["abc", 0.1 + 0.2, 2**63 - 1], "Integer")

    kept = found.columns[0].rows(0, 3).to_pylist()
    assert kept == ["9223372036854775807", "0.30000000000000004", "abc"], "by key, as GDAL reads"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([b"\x00", "text", 1], r"row 3.*found bytes among others: b'\\x00'"),
        (["a\0b", "text"], "row 2.*found a text with the character NUL"),
    ],
)
def test_what_no_column_holds_is_refused_with_its_row(
    tmp_path: Path, values: list[Any], message: str
) -> None:
    with pytest.raises(SourceError, match=rf"source.value_misfit.*layer t, {message}"):
        compared(tmp_path, values)


def test_a_view_is_compared_as_far_as_it_can_be(tmp_path: Path) -> None:
    compared(tmp_path, [1])
    path = tmp_path / "d.sqlite"

    assert of_layer(path, "v", "Integer") == StoredLayer()
    with pytest.raises(SourceError, match="of the type date in column 'c', found others in a view"):
        of_layer(path, "v", "Date")
    (warning,) = of_layer(path, "broken", "String").warnings
    assert warning.code == "source.values_unchecked"
    assert "no such function: ST_AsText" in warning.message


def test_a_geometry_that_is_not_read_is_named_by_its_row(tmp_path: Path) -> None:
    compared(tmp_path, [b"1", None, b"3", b"4"])

    refusal = unread_geometry(
        str(tmp_path / "d.sqlite"), "t", [True, False, False, True], key="k", geometry="c"
    )

    assert (refusal.reason.code, refusal.reason.row) == ("source.broken_geometry", 2)


def test_a_name_with_its_geometry_column_means_the_table(tmp_path: Path) -> None:
    compared(tmp_path, [1])

    assert of_layer(tmp_path / "d.sqlite", "t(geom)", "String JSON").columns[0].type == "Integer64"


def test_a_database_that_is_damaged_inside_is_refused(tmp_path: Path) -> None:
    compared(tmp_path, ["text"] * 2000)
    path = tmp_path / "d.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xde\xad" * 2000 + whole[4100:])

    with pytest.raises(SourceError) as caught:
        tables_of_modules(str(path))

    assert caught.value.reason.code == "source.unreadable"
    assert caught.value.reason.remedy
