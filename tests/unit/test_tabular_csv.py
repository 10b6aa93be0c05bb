"""CSV: what is read, what is refused and what is kept."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.tabular.csv_reader import CsvReader
from libs.tabular.problems import Tally
from libs.tabular.reader import ReadOrder, Survey
from libs.tabular.types import resolve


def read(path: Path, content: bytes, **changes: Any) -> tuple[Survey, list[str], list[tuple]]:
    """Return the survey, the types and the rows of a CSV."""
    path.write_bytes(content)
    reader = CsvReader(ReadOrder(path, "s3://landing-zone/t.csv", "t", **changes))
    survey = reader.survey()
    types = [column.type or resolve(column.kinds, column.mixed) for column in survey.columns]
    rows = [tuple(row.values()) for b in reader.batches(types) for row in b.to_pylist()]
    assert len(rows) == survey.rows
    return survey, types, rows


def refused(path: Path, content: bytes, **changes: Any) -> Any:
    with pytest.raises(SourceError) as caught:
        read(path, content, **changes)
    reason = caught.value.reason
    assert reason.file == "s3://landing-zone/t.csv"
    assert reason.remedy
    return reason


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n01001,x\n", [("01001", "x")]),
        (b'a,b\n1,\n2,""\n', [("1", None), ("2", "")]),
        (b'a,b\r\n1,"x\r\ny"\r\n2,z', [("1", "x\r\ny"), ("2", "z")]),
        (b'a,b\n1,"say ""hi"", ok"\n', [("1", 'say "hi", ok')]),
        (b'a,b\n1,5" pipe\n', [("1", '5" pipe')]),
        (b"a,b\n NULL ,NaN\n", [(" NULL ", "NaN")]),
        (b"a,b\n1,2\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        (b'a\n1\n\n""\n', [("1",), (None,), ("",)]),
        (b"a;b\n1,5;2\n", [("1,5", "2")]),
        (b"a\tb\n1,5\t2\n", [("1,5", "2")]),
        (b"a|b\n1|2\n", [("1", "2")]),
        (b"a\n1\n", [("1",)]),
        (b"a,b", []),
        (b"a,b\r1,2\r", [("1", "2")]),
        ("a,b\n1,é\n".encode("utf-8-sig"), [("1", "é")]),
        ("a,b\n1,é\n".encode("utf-16"), [("1", "é")]),
        ("a,b\n1,é😀\n".encode("utf-32"), [("1", "é😀")]),
    ],
)
def test_fields_are_text_as_they_stand(path: Path, content: bytes, expected: list[tuple]) -> None:
    survey, types, rows = read(path, content)

    assert rows == expected
    assert set(types) == {"text"}
    assert survey.columns[0].name == "a", "no byte order mark in the first name"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "shift_jis", "cp1251"])
def test_a_declared_encoding_is_used(path: Path, encoding: str) -> None:
    text = {"cp1252": "café €", "shift_jis": "日本", "cp1251": "Москва"}.get(encoding, "é")

    _, _, rows = read(path, f"a,b\n1,{text}\n".encode(encoding), encoding=encoding)

    assert rows == [("1", text)]


@pytest.mark.parametrize(
    ("content", "changes", "code", "row", "said"),
    [
        (b"", {}, "empty", None, ""),
        (b"\xef\xbb\xbf", {}, "empty", None, ""),
        (b'a,b\n1,"x\n2,3\n', {}, "unclosed_quote", 1, "line 2"),
        (b'a,b\n0,0\n1,"x"y\n', {}, "misplaced_quote", 2, "line 3"),
        (b'a,b\n1,"x\ny"\n3\n4,5,6\n', {}, "ragged_rows", 2, "2 rows (2, 3); the first has 1"),
        (b"a,b\n1,2\n3,caf\xe9\n", {}, "encoding", 2, "0xe9 at byte 13"),
        (b"a,caf\xe9\n1,2\n", {}, "encoding", None, "(header)"),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, "encoding", 1, "0x81"),
        ("a,b\n1,é\n".encode("utf-16"), {"encoding": "cp1252"}, "encoding", None, "utf-16-le"),
        (b"a,b\n1,2\n", {"encoding": "klingon"}, "unknown_encoding", None, "'klingon'"),
        (b"a,b\n1,2\n", {"encoding": "base64"}, "unknown_encoding", None, "'base64'"),
        (b"a,b\n1,x\0y\n", {}, "nul_character", 1, "NUL"),
        (b"PK\x03\x04....", {}, "unreadable", None, "XLSX"),
        (b"PAR1....", {}, "unreadable", None, "Parquet"),
        (b"a,b\n1," + b"x" * 200 + b"\n", {"max_record_bytes": 100}, "record_too_long", None, ""),
        (b'a,b\n1,"' + b"x\n" * 99, {"max_record_bytes": 100}, "record_too_long", None, ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    path: Path, content: bytes, changes: dict[str, Any], code: str, row: int | None, said: str
) -> None:
    reason = refused(path, content, **changes)

    assert (reason.code, reason.row) == (f"source.{code}", row)
    assert said in reason.message


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Zürich café naïve ", "cp1252"), ("Москва Санкт-Петербург", "cp1251"), ("Zürich", "cp850")],
)
def test_the_remedy_suggests_an_encoding(path: Path, text: str, encoding: str) -> None:
    reason = refused(path, f"a,b\n1,{text}\n".encode(encoding))

    assert encoding in reason.remedy


def test_a_file_in_utf_16_without_mark_is_recognised(path: Path) -> None:
    assert "utf-16-le" in refused(path, "a,b\n1,2\n".encode("utf-16-le")).remedy


def test_ragged_rows_are_kept_where_asked(path: Path) -> None:
    content = b'a,b\n1\n1,2,3,"",\n4,"x\n""y"""\n"",5\n'

    survey, _, rows = read(path, content, keep_bad_rows=True)

    assert [column.name for column in survey.columns] == ["a", "b", "surplus_fields"]
    assert rows == [
        ("1", None, None),
        ("1", "2", '["3", "", null]'),
        ("4", 'x\n"y"', None),
        ("", "5", None),
    ]
    (warning,) = survey.warnings
    assert warning.code == "source.ragged_kept"
    assert "2 rows (1, 2)" in warning.message


def test_the_column_of_surplus_fields_takes_no_other_name(path: Path) -> None:
    survey, _, _ = read(path, b"surplus_fields\n1,2\n", keep_bad_rows=True)

    assert [column.name for column in survey.columns] == ["surplus_fields", "surplus_fields_2"]


def test_short_rows_alone_need_no_other_column(path: Path) -> None:
    survey, _, rows = read(path, b"a,b\n1\n", keep_bad_rows=True)

    assert [column.name for column in survey.columns] == ["a", "b"]
    assert rows == [("1", None)]


@pytest.mark.parametrize("line", [b"1,caf\xe9 \x00\n", b"1,caf\xe9 \x00\n2\n"], ids=["fast", "cut"])
def test_undecodable_bytes_are_kept_visible_where_asked(path: Path, line: bytes) -> None:
    survey, _, rows = read(path, b"a,b\n" + line, keep_bad_rows=True)

    assert rows[0] == ("1", r"caf\xe9 \x00")
    assert survey.warnings[0].code == "source.undecodable_kept"
    assert "1 row (1)" in survey.warnings[0].message


def test_only_the_first_rows_are_named(path: Path) -> None:
    reason = refused(path, b"a,b\n" + b"1\n" * 7)

    assert "7 rows (1, 2, 3, 4, 5, …)" in reason.message


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"a,a,a_2", ["a", "a_2", "a_2_2"]),
        (b"a,,  ", ["a", "column_2", "column_3"]),
        (b'"a\nb",c,"\t"', ["a b", "c", "column_3"]),
        (b"a,A,b ", ["a", "A", "b "]),
    ],
)
def test_names_change_only_where_they_must(path: Path, header: bytes, names: list[str]) -> None:
    survey, _, _ = read(path, header + b"\n1,2,3\n")

    assert [column.name for column in survey.columns] == names
    changed = [name for name in names if name.encode() not in header.split(b",")]
    assert [w.code for w in survey.warnings] == ["column.renamed"] * bool(changed)
    for name in changed:
        assert repr(name) in survey.warnings[0].message


def test_an_ambiguous_delimiter_is_said(path: Path) -> None:
    survey, _, rows = read(path, b"a;b,c;d\n1;2,3;4\n")

    assert rows == [("1", "2,3", "4")]
    assert [w.code for w in survey.warnings] == ["source.delimiter_ambiguous"]
    assert read(path, b"a;b,c;d\n1;2,3;4\n", delimiter=",")[2] == [("1;2", "3;4")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20", "0"], "integer"),
        (["1", "3000000000"], "bigint"),
        (["9223372036854775807", "1"], "bigint"),
        (["9223372036854775808", "1"], "text"),
        (["01001", "1"], "text"),
        (["+5"], "text"),
        (["-0"], "text"),
        (["1.5", "70", "-0.25", "1e+22", "1e-7"], "double"),
        (["1.0", "2.5"], "double"),
        (["1.0", "2"], "text"),
        (["1.50"], "text"),
        (["9007199254740993", "1.5"], "text"),
        (["0.12345678901234567890"], "text"),
        (["1e5"], "text"),
        (["NaN"], "text"),
        (["inf"], "text"),
        (["0x1f"], "text"),
        (["1 000"], "text"),
        (["true", "false"], "boolean"),
        (["TRUE"], "text"),
        (["true", "1"], "text"),
        (["2024-02-29", "0001-01-01"], "date"),
        (["2023-02-29"], "text"),
        (["2024-2-9"], "text"),
        (["2024-02-29T10:00:00Z"], "timestamptz"),
        (["2024-02-29T10:00:00"], "timestamp"),
        (["2024-02-29T10:00:00", "2024-02-29T10:00:00Z"], "text"),
        (["2024-02-29T10:00:00+01:00"], "text"),
        (["2024-02-29", "2024-02-29T10:00:00Z"], "text"),
        (["1", '""'], "text"),
        (["1", "x"], "text"),
        (["", ""], "text"),
        (["1", ""], "integer"),
    ],
)
def test_types_are_guessed_only_without_loss(path: Path, values: list[str], expected: str) -> None:
    lines = "".join(f"{value},x\n" for value in values).encode()

    assert read(path, b"a,b\n" + lines)[1][0] == "text", "types are guessed only where asked"
    assert read(path, b"a,b\n" + lines, guess_types=True)[1] == [expected, "text"]


@pytest.mark.parametrize(
    ("type_", "good", "wrong"),
    [
        ("smallint", ["-32768", "007", "+5", ""], ["32768", "1.0", " 1", "x", "0x1f"]),
        ("integer", ["2147483647"], ["2147483648", "1e3", "1_000"]),
        ("bigint", ["9223372036854775807"], ["9223372036854775808"]),
        ("double", ["1.50", "1e5", ".5", "5.", "+1", "NaN", "-inf"], ["1,5", "1e400", "0x1p3"]),
        ("real", ["1.5"], ["one", "1e40"]),
        ("boolean", ["true", "F", "YES", "no", "1", "0", ""], ["2", "wahr"]),
        ("date", ["2024-02-29"], ["2023-02-29", "29.02.2024", "2024-02-29T00:00:00"]),
        ("time", ["12:30", "12:30:15.25"], ["25:00", "12:30:00Z"]),
        (
            "timestamptz",
            ["2024-01-31T12:00:00Z", "2024-01-31 12:00:00+02:00", ""],
            ["31.01.2024", "2024-01-31T12:00:00.1234567Z", "2024-01-31T12:00:00", "2024-01-31"],
        ),
        (
            "timestamp",
            ["2024-01-31T12:00:00", "2024-01-31 12:00:00.123456", "2024-01-31", ""],
            ["31.01.2024", "2024-01-31T12:00:00Z", "2024-13-01"],
        ),
        ("json", ['"{""a"": [1]}"', "1"], ["{a}", "NaN"]),
        ("uuid", ["0B5a0000-0000-4000-8000-000000000000"], ["0b5a"]),
    ],
)
def test_declared_types(path: Path, type_: str, good: list[str], wrong: list[str]) -> None:
    content = "a,b\n" + "".join(f"{value},x\n" for value in good)
    assert read(path, content.encode(), declared={"a": type_})[1] == [type_, "text"]
    for value in wrong:
        field = f'"{value}"' if "," in value else value
        reason = refused(path, f"{content}{field},y\n".encode(), declared={"a": type_})
        assert reason.code == "source.value_type"
        assert reason.row == len(good) + 1
        assert "'a'" in reason.message
        assert repr(value) in reason.message


def test_an_empty_quoted_field_is_null_in_a_declared_type(path: Path) -> None:
    assert read(path, b'a,b\n"",""\n', declared={"a": "integer"})[2] == [(None, "")]


def test_both_ways_of_reading_find_the_same(path: Path) -> None:
    """Random files, read by pyarrow and, made ragged by one more row, cut record by record."""
    chance = random.Random(20261130)
    pieces = ["", "a", "é", "😀", '"', "\n", "\r\n", ",", " ", "0", "\\", "'", "\t"]
    for _ in range(150):
        rows = [
            ["".join(chance.choices(pieces, k=chance.randrange(4))) for _ in range(3)]
            for _ in range(chance.randrange(1, 30))
        ]
        text = io.StringIO()
        csv.writer(text, quoting=chance.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
            [["a", "b", "c"], *rows]
        )
        content = text.getvalue().encode()
        fast = read(path, content, delimiter=",")[2]
        cut = read(path, content + b"1,2\n", delimiter=",", keep_bad_rows=True)[2]
        assert fast == cut[:-1]
        assert [tuple(value or "" for value in row) for row in fast] == [tuple(r) for r in rows]


@pytest.mark.parametrize("mark", ["sep=;", '"sep=;"', "SEP=;", "sep=;;"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_that_tells_excel_the_delimiter_is_no_header(
    path: Path, mark: str, encoding: str
) -> None:
    content = f"{mark}\r\na;b\r\n1,2;ä\r\n".encode(encoding)
    survey, _, rows = read(path, content)
    assert [column.name for column in survey.columns] == ["a", "b"]
    assert rows == [("1,2", "ä")]
    assert [warning.code for warning in survey.warnings] == ["source.separator_line"]


def test_lines_are_counted_from_the_files_first(path: Path) -> None:
    reason = refused(path, b"sep=;\na;b\n1;2;3\n")
    assert (reason.row, "in line 3" in reason.message) == (1, True)


def test_a_row_is_counted_once_whatever_is_wrong_with_it() -> None:
    tally = Tally()
    for row in (1, 2, 3, 4, 5, 6, 6, 7, 7):
        tally.add(row)
    assert tally.shown == "7 rows (1, 2, 3, 4, 5, …)"
