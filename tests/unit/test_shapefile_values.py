"""Values of shapefiles that are not of their column's type: told of, and mended in the copy."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.shapefiles import look_at_table
from libs.spatial_utils.dbf import read_dbf
from tests.dbf import DbfColumn, dbf_bytes

FILE = "s3://landing-zone/codes.dbf"
NUMBER = DbfColumn(b"n", "N", 9)
REAL = DbfColumn(b"n", "N", 19, 5)
DATE = DbfColumn(b"d", "D", 8)
TEXT = DbfColumn(b"t", "C", 9)


def look(
    folder: Path, column: DbfColumn, values: Sequence[bytes], deleted: Sequence[int] = ()
) -> tuple[list[Warn], list[str], tuple[str, ...]]:
    """Return (warnings, values of the mended table, options) of a table of one column."""
    path = folder / "codes.dbf"
    path.write_bytes(dbf_bytes([column], [(value,) for value in values], deleted=deleted))
    reading = look_at_table(path, encoding=None, file=FILE)
    mended = read_dbf(path, file=FILE)
    kept = [
        value.strip().decode()
        for batch in mended.batches()
        for _, value in batch.values(mended.fields[0])
    ]
    return list(reading.warnings), kept, reading.open_options[1:]


def codes(warnings: list[Warn]) -> list[str]:
    return [warn.code.removeprefix("source.dbf_") for warn in warnings]


@pytest.mark.parametrize(
    ("column", "value", "code", "kept"),
    [
        (NUMBER, b"12", None, "12"),
        (NUMBER, b"+5", None, "+5"),
        (NUMBER, b"", None, ""),
        (NUMBER, b"12.0", None, "12"),
        (NUMBER, b"1e3", None, "1000"),
        (NUMBER, b"abc", "unreadable_value", ""),
        (NUMBER, b"1 2", "unreadable_value", ""),
        (NUMBER, b"-", "unreadable_value", ""),
        (NUMBER, b"nan", "unreadable_value", ""),
        (NUMBER, b"*********", "overflow", ""),
        (NUMBER, b"12.5", "column_type", "12.5"),
        (REAL, b"1.5e+010", None, "1.5e+010"),
        (REAL, b"nan", None, "nan"),
        (REAL, b"-1.#IND", None, "-1.#IND"),
        (REAL, b"12,5", "decimal_comma", "12.5"),
        (REAL, b"1.2.3", "unreadable_value", ""),
        (REAL, b"1,234,5", "unreadable_value", ""),
        (REAL, b"1e400", "unreadable_value", ""),
        (DbfColumn(b"n", "F", 13), b"1.5", "column_type", "1.5"),
        (DbfColumn(b"n", "N", 20), b"9223372036854775808", "column_type", "9223372036854775808"),
        (DbfColumn(b"n", "N", 18), b"1234567890123.5", "column_type", "1234567890123.5"),
        (DATE, b"20240229", None, "20240229"),
        (DATE, b"00000000", None, "00000000"),
        (DATE, b"0", None, ""),
        (DATE, b"20230229", "unreadable_value", ""),
        (DATE, b"20231345", "unreadable_value", ""),
        (DATE, b"2023", "unreadable_value", ""),
        (DbfColumn(b"d", "D", 10), b"01/15/2023", None, "01/15/2023"),
        (TEXT, b"a  b", None, "a  b"),
        (TEXT, b"  b", "spaces_trimmed", "b"),
        (TEXT, b"a\0b", "text_after_nul", "a\0b"),
        (TEXT, b"a\0\0\0", None, "a\0\0\0"),
        (DbfColumn(b"l", "L", 1), b"?", None, "?"),
        (DbfColumn(b"m", "M", 10), b"0000000000", None, "0000000000"),
    ],
)
def test_a_value_is_kept_mended_or_told_of(
    tmp_path: Path, column: DbfColumn, value: bytes, code: str | None, kept: str
) -> None:
    warnings, values, _ = look(tmp_path, column, [b"", value])
    assert values == ["", kept]
    assert codes(warnings) == ([code] if code else [])
    if code:
        assert "row 2" in warnings[0].message


def test_the_first_places_are_named_and_all_are_counted(tmp_path: Path) -> None:
    warnings, _, _ = look(tmp_path, NUMBER, [b"x%d" % n for n in range(10)])
    (warning,) = warnings
    assert warning.message.startswith("10 values are not of their column's type")
    assert "row 1, column 'n': '       x0'" in warning.message
    assert "row 6" not in warning.message


def test_a_column_of_fractions_becomes_double_and_one_beyond_it_text(tmp_path: Path) -> None:
    look(tmp_path, NUMBER, [b"12.5"])
    assert read_dbf(tmp_path / "codes.dbf", file=FILE).fields[0].decimals == 1
    look(tmp_path, DbfColumn(b"n", "N", 20), [b"99999999999999999999"])
    assert read_dbf(tmp_path / "codes.dbf", file=FILE).fields[0].type == "C"


@pytest.mark.parametrize(
    ("value", "options"),
    [(b"9007199254740992", ()), (b"9007199254740993", ("ADJUST_TYPE=YES",))],
)
def test_wide_integers_are_read_as_such_where_doubles_would_round_them(
    tmp_path: Path, value: bytes, options: tuple[str, ...]
) -> None:
    assert look(tmp_path, DbfColumn(b"n", "N", 19), [value])[2] == options


def test_deleted_records_are_counted_and_not_looked_at(tmp_path: Path) -> None:
    warnings, values, _ = look(tmp_path, NUMBER, [b"1", b"abc", b"3"], deleted=(2,))
    assert values == ["1", "3"]
    assert codes(warnings) == ["deleted"]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (DbfColumn(b"m", "M", 10), b"        12", "source.dbf_memo"),
        (DbfColumn(b"i", "I", 4), b"A\0\0\0", "source.dbf_type"),
        (DbfColumn(b"b", "B", 8), b"", "source.dbf_type"),
        (DbfColumn(b"t", "@", 8), b"", "source.dbf_type"),
    ],
)
def test_types_that_gdal_reads_as_broken_text_are_refused(
    tmp_path: Path, column: DbfColumn, value: bytes, code: str
) -> None:
    with pytest.raises(SourceError) as refused:
        look(tmp_path, column, [value])
    assert refused.value.reason.code == code


TABLE = dbf_bytes([NUMBER, TEXT], [(b"1", b"a"), (b"2", b"b")])


@pytest.mark.parametrize(
    "content",
    [
        b"", b"roads.dbf", b"<html>" * 100, TABLE[:-12],
        TABLE[:4] + (9).to_bytes(4, "little") + TABLE[8:],
        TABLE[:8] + (33).to_bytes(2, "little") + TABLE[10:],
        TABLE[:10] + (5).to_bytes(2, "little") + TABLE[12:],
    ],
    ids=["empty", "junk", "html", "truncated", "too many rows", "no columns", "narrow records"],
)  # fmt: skip
def test_a_table_that_gdal_would_leave_out_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "codes.dbf"
    path.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        look_at_table(path, encoding=None, file=FILE)
    assert refused.value.reason.code == "source.broken_dbf"


def test_records_are_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.spatial_utils.dbf.BATCH_BYTES", 25)
    warnings, _, _ = look(tmp_path, NUMBER, [b"1", b"2", b"3", b"4", b"x"], deleted=(1, 4))
    assert codes(warnings) == ["unreadable_value", "deleted"]
    assert "row 5" in warnings[0].message
    assert warnings[1].message.startswith("2 records")
