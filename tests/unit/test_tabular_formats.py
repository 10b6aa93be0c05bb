"""XLSX, JSON and Parquet: what is read and what is refused."""

import datetime as dt
import decimal
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.models.errors import SourceError
from libs.tabular import formats, json_reader
from libs.tabular.points import PointMaker
from libs.tabular.reader import ReadOrder, Survey
from libs.tabular.types import resolve

UTC = dt.UTC
Read = tuple[Survey, dict[str, str], list[list[Any]]]


def tables(format_name: str, path: Path, **changes: Any) -> dict[str, Read]:
    """Return survey, types and rows of each table of a file."""
    order = ReadOrder(path, "s3://landing-zone/t", "t", **changes)
    found = {}
    for reader in formats.open_tables(format_name, order, max_unpacked_bytes=2**30):
        survey = reader.survey()
        types = [column.type or resolve(column.kinds, column.mixed) for column in survey.columns]
        rows = [list(row.values()) for b in reader.batches(types) for row in b.to_pylist()]
        names = [column.name for column in survey.columns]
        assert len(rows) == survey.rows
        found[reader.order.layer] = survey, dict(zip(names, types, strict=True)), rows
    return found


def read_json(path: Path, content: bytes, **changes: Any) -> Read:
    path.write_bytes(content)
    return tables("JSON", path, **changes)["t"]


def refusal(format_name: str, path: Path, **changes: Any) -> Any:
    with pytest.raises(SourceError) as caught:
        tables(format_name, path, **changes)
    return caught.value.reason


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t"


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        (["1", "null", "-3"], "integer", [1, None, -3]),
        (["1", "9007199254740993"], "bigint", [1, 9007199254740993]),
        (["1", "12345678901234567890"], "text", ["1", "12345678901234567890"]),
        (["1", "1.5", "1.10"], "double", [1.0, 1.5, 1.1]),
        (["9007199254740993", "1.5"], "text", ["9007199254740993", "1.5"]),
        (["0.12345678901234567890"], "text", ["0.12345678901234567890"]),
        (["1e400", "1.50"], "text", ["1e400", "1.50"]),
        (["true", "false"], "boolean", [True, False]),
        (['"01001"', '"é\\ud83d\\ude00"', '""'], "text", ["01001", "é😀", ""]),
        (['"a"', "1.50"], "json", ['"a"', "1.50"]),
        (["true", "1"], "json", ["true", "1"]),
        (['{"x": [1.10, null]}', "[]"], "json", ['{"x": [1.10, null]}', "[]"]),
        (["null"], "text", [None]),
    ],
)
def test_json_values_stay_exact(path: Path, values: list[str], type_: str, expected: list) -> None:
    objects = [f'{{"a": {value}, "b": "x"}}' for value in values]
    for content in (f"[{', '.join(objects)}]", "\n".join(objects), "\n\n".join(objects) + "\n"):
        _, types, rows = read_json(path, content.encode())
        assert types == {"a": type_, "b": "text"}
        assert [row[0] for row in rows] == expected


def test_missing_keys_are_null_and_columns_come_as_they_appear(path: Path) -> None:
    _, types, rows = read_json(path, b'[{"b": 1}, {"a": "x"}, {}]')

    assert list(types) == ["b", "a"]
    assert rows == [[1, None], [None, "x"], [None, None]]


def test_json_is_read_across_the_borders_of_chunks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_reader, "CHUNK_CHARS", 1000)
    monkeypatch.setattr(json_reader, "BATCH_ROWS", 1000)
    objects = [{"n": n, "text": 'é\\"\n' * (n % 70), "x": n / 7} for n in range(3_000)]
    path.write_text(json.dumps(objects, ensure_ascii=False), encoding="utf-8")

    _, types, rows = read_json(path, path.read_bytes())

    assert types == {"n": "integer", "text": "text", "x": "double"}
    assert rows == [list(item.values()) for item in objects]


@pytest.mark.parametrize(
    ("content", "code", "row", "said"),
    [
        (b'[{"a":1},{"a":1,"a":2}]', "invalid_json", 2, "'a' twice"),
        (b'[{"a":1},]', "invalid_json", 2, "]"),
        (b'[{"a":1} {"a":2}]', "invalid_json", 1, "instead of ','"),
        (b'[{"a":1}', "invalid_json", 1, "end of the file"),
        (b'[{"a":1}]x', "invalid_json", 1, "after the end"),
        (b'[{"a":NaN}]', "invalid_json", 1, "NaN"),
        (b"[1]", "invalid_json", 1, "'1]'"),
        (b"", "invalid_json", None, "end of the file"),
        (b'{"a":1}\n{"a":tr\n', "invalid_json", 2, "Expecting value"),
        (b'[{"a":' + b"[" * 100_000, "invalid_json", 1, "recursion"),
        (b'[{"a":' + b"1" * 5000 + b"}]", "invalid_json", 1, "digits"),
        (b'{"type":"FeatureCollection","features":[]}', "is_geojson", None, ""),
        (b'[{"a":"caf\xe9"}]', "encoding", 1, "0xe9 at byte 10"),
        (b'[{"a":"\\u0000"}]', "nul_character", 1, "NUL"),
        (b'[{"a":"\\ud800"}]', "nul_character", 1, "surrogate"),
        (b'[{"a":"' + b"x" * 200 + b'"}]', "record_too_long", None, "row 1"),
    ],
)
def test_broken_json_is_refused_with_its_row(
    path: Path, content: bytes, code: str, row: int | None, said: str
) -> None:
    path.write_bytes(content)
    limit = {"max_record_bytes": 100} if code == "record_too_long" else {}

    reason = refusal("JSON", path, **limit)

    assert (reason.code, reason.row) == (f"source.{code}", row)
    assert said in reason.message


def test_unstorable_text_of_json_is_kept_visible_where_asked(path: Path) -> None:
    survey, _, rows = read_json(path, b'[{"a":"\xe9\\u0000\\ud800"}]', keep_bad_rows=True)

    assert rows == [[r"\xe9\x00\ud800"]]
    assert [w.code for w in survey.warnings] == ["source.undecodable_kept"]


def test_declared_types_of_json(path: Path) -> None:
    content = b'[{"a":"5","b":1.50},{"a":7,"b":true}]'
    _, types, rows = read_json(path, content, declared={"a": "bigint", "b": "text"})
    assert types == {"a": "bigint", "b": "text"}
    assert rows == [[5, "1.50"], [7, "true"]]
    path.write_bytes(content)
    reason = refusal("JSON", path, declared={"b": "double"})
    assert (reason.code, reason.row) == ("source.value_type", 2)


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_xlsx_columns_are_typed_where_all_cells_share_a_type(path: Path) -> None:
    when = dt.datetime(2024, 1, 2, 3, 4, 5)
    rows = [
        ["n", "x", "day", "at", "is", "mixed", "code", "t", None, "n"],
        [1, 1.5, dt.date(2024, 1, 2), when, True, 1, "01001", dt.time(1, 2), "y", 2],
        [None] * 10,
        [-2, 2, dt.date(1999, 12, 31), when, False, "x", "007", dt.time(3, 4), None, 3],
        [3, 0.1, None, None, None, True, None, None, None, 4.0],
    ]

    survey, types, found = tables("XLSX", workbook(path, {"A & B": rows}))["A & B"]

    assert types == {
        "n": "integer", "x": "double", "day": "date", "at": "timestamp", "is": "boolean",
        "mixed": "text", "code": "text", "t": "time", "column_9": "text", "n_2": "integer",
    }  # fmt: skip
    assert found == [
        [1, 1.5, dt.date(2024, 1, 2), when, True, "1", "01001", dt.time(1, 2), "y", 2],
        [None] * 10,
        [-2, 2.0, dt.date(1999, 12, 31), when, False, "x", "007", dt.time(3, 4), None, 3],
        [3, 0.1, None, None, None, "TRUE", None, None, None, 4],
    ]
    assert [w.code for w in survey.warnings] == ["column.renamed"]


def test_what_a_sheet_cannot_say_is_said(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in ([], ["a", "b"], ["=1+1", "#N/A"], [1, None]):
        sheet.append(row)
    sheet.merge_cells("A5:B5")
    sheet.sheet_state = "hidden"
    sheet["A5"] = 7
    book.create_sheet("empty")
    book.save(path)

    found = tables("XLSX", path)

    survey, _, rows = found["Sheet"]
    assert {w.code for w in survey.warnings} == {
        "source.hidden_sheet", "source.merged_cells", "source.leading_rows",
        "source.error_cells", "source.formula_without_value",
    }  # fmt: skip
    assert rows == [[None, "#N/A"], [1, None], [7, None]]
    assert [w.code for w in found["empty"][0].warnings] == ["source.empty_sheet"]


def test_a_formula_gives_its_saved_value(path: Path, tmp_path: Path) -> None:
    workbook(path, {"s": [["a"], ["=20+22"]]})
    saved = tmp_path / "saved"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(saved, "w") as target:
        for name in source.namelist():
            content = source.read(name).replace(b"<f>20+22</f><v />", b"<f>20+22</f><v>42</v>")
            target.writestr(name, content.replace(b"<f>20+22</f><v></v>", b"<f>20+22</f><v>42</v>"))

    survey, types, rows = tables("XLSX", saved)["s"]

    assert (types, rows, survey.warnings) == ({"a": "integer"}, [[42]], ())


def test_a_wrong_dimension_hides_no_rows(path: Path, tmp_path: Path) -> None:
    workbook(path, {"s": [["a", "b"], [1, 2], [3, 4]]})
    wrong = tmp_path / "wrong"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(wrong, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'ref="A1:B3"', b'ref="A1:A2"'))

    assert tables("XLSX", wrong)["s"][2] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk", b"\xd0\xcf\x11\xe0"])
def test_what_is_no_workbook_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    assert refusal("XLSX", path).code in {"source.unreadable", "source.broken_archive"}


@pytest.mark.parametrize(
    ("array", "type_", "expected"),
    [
        (pa.array([1, None], pa.int8()), "smallint", [1, None]),
        (pa.array([255], pa.uint8()), "smallint", [255]),
        (pa.array([2**32 - 1], pa.uint32()), "bigint", [2**32 - 1]),
        (pa.array([2**63 - 1], pa.uint64()), "bigint", [2**63 - 1]),
        (pa.array([2**63], pa.uint64()), "text", [str(2**63)]),
        (pa.array([1.5], pa.float16()), "real", [1.5]),
        (pa.array([decimal.Decimal("1.10")]), "text", ["1.10"]),
        (pa.array(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
        (pa.array(["a"], pa.large_string()), "text", ["a"]),
        (pa.array([b"\x00x"], pa.binary(2)), "binary", [b"\x00x"]),
        (pa.array([dt.date(2024, 1, 2)], pa.date64()), "date", [dt.date(2024, 1, 2)]),
        (pa.array([1_000], pa.timestamp("ns")), "timestamp",
         [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
        (pa.array([1], pa.timestamp("ns")), "text", ["1970-01-01T00:00:00.000000001"]),
        (pa.array([1], pa.timestamp("ns", "Asia/Tokyo")), "text",
         ["1970-01-01T00:00:00.000000001Z"]),
        (pa.array([0], pa.timestamp("ms", "Asia/Tokyo")), "timestamptz",
         [dt.datetime(1970, 1, 1, tzinfo=UTC)]),
        (pa.array([3_600_000_000_000], pa.time64("ns")), "time", [dt.time(1)]),
        (pa.array([1], pa.time64("ns")), "text", ["00:00:00.000000001"]),
        (pa.array([5], pa.duration("s")), "bigint", [5]),
        (pa.array([[1, None], []]), "bigint[]", [[1, None], []]),
        (pa.array([{"a": 1, "b": [dt.date(2024, 1, 2)]}]), "json",
         ['{"a": 1, "b": ["2024-01-02"]}']),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), "json", ['{"k": 1}']),
        (pa.nulls(1), "text", [None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_parquet_types(path: Path, array: pa.Array, type_: str, expected: list[Any]) -> None:
    pq.write_table(pa.table({"a": array}), path)

    _, types, rows = tables("Parquet", path)["t"]

    assert types == {"a": type_}
    assert [row[0] for row in rows] == expected


def test_parquet_says_what_it_changed(path: Path) -> None:
    table = pa.table({"a": [decimal.Decimal("1.10")], "b": pa.array([5], pa.duration("s"))})
    pq.write_table(table, path)

    (warning,) = tables("Parquet", path)["t"][0].warnings

    assert warning.code == "column.type_changed"
    assert "'a': decimal128(3, 2)" in warning.message
    assert "'b': duration[s]" in warning.message


def test_what_parquet_cannot_give_is_refused_by_name(path: Path) -> None:
    pq.write_table(pa.table({"s": pa.array([{"b": b"1"}])}), path)
    reason = refusal("Parquet", path)
    assert reason.code == "source.unsupported_type"
    assert "struct<b: binary>" in reason.message
    pq.write_table(pa.table({"s": pa.array(["x", "a\0b"])}), path)
    reason = refusal("Parquet", path)
    assert (reason.code, reason.row) == ("source.nul_character", 2)
    path.write_bytes(b"PAR1junkPAR1")
    assert refusal("Parquet", path).code == "source.unreadable"


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("a.CSV", None, "CSV"),
        ("a.tsv", None, "TSV"),
        ("a.dat", "ndjson", "NDJSON"),
        ("a.zip", None, None),
        ("readme.txt", None, None),
    ],
)
def test_formats_are_told_by_name_or_manifest(
    name: str, declared: str | None, expected: str | None
) -> None:
    assert formats.format_of(name, declared) == expected


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match="Parquet") as caught:
        formats.format_of("a.ods", "ODS")

    assert ".ods as .xlsx" in caught.value.reason.remedy


def points(x: list[Any], y: list[Any], *, is_degrees: bool = True) -> tuple[PointMaker, list[Any]]:
    batch = pa.record_batch({"c0": pa.array(x), "c1": pa.array(y)})
    maker = PointMaker(0, 1, is_degrees)
    (made,) = maker.added(iter([batch]))
    return maker, [v and struct.unpack("<BIdd", v)[2:] for v in made.column(2).to_pylist()]


def test_points_are_made_of_text_and_of_numbers() -> None:
    assert points(["7.5", "+1e1"], [" 50.25 ", "-.5"])[1] == [(7.5, 50.25), (10.0, -0.5)]
    assert points([7, 8], [1.5, 2.5])[1] == [(7.0, 1.5), (8.0, 2.5)]
    assert points([500_000.0], [4e6], is_degrees=False)[1] == [(500_000.0, 4e6)]


def test_rows_without_usable_coordinates_are_counted() -> None:
    maker, found = points(
        ["1", None, "", "7,5", "181", "nan", None], ["1", None, " ", "50", "0", "1", "4"]
    )

    assert found == [(1.0, 1.0)] + [None] * 6
    assert maker.without.shown == "2 rows (2, 3)"
    assert maker.wrong.shown == "4 rows (4, 5, 6, 7)"
    assert maker.first_wrong == "x '7,5', y '50'"
    assert maker.null_geometries == 6
