"""Values of a DBF that are not of their column's type, told of and mended in the run's own copy.

GDAL makes 0 of letters, 12 of "12,5" and of "12.5" in a column of integers, a wrong date of any
digits, and a rounded number of an integer beyond 2^53. Here such a value becomes what it says where
that is plain, else NULL; either way it is counted.

What belongs here: what a value of a type may look like. What does not: text (`dbf_text`), the words
of the answer (`dbf_answers`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.dbf import (
    NUMBER_TYPES,
    TEXT_TYPES,
    Batch,
    Dbf,
    DbfField,
    as_decimal,
    as_text,
)
from libs.spatial_utils.dbf_places import Place, Places

MEMO_TYPE = "M"
DATE_TYPE = "D"
READ_TYPES = f"{TEXT_TYPES}{NUMBER_TYPES}{DATE_TYPE}{MEMO_TYPE}"
EXACT_DOUBLE = 2**53
MAX_BIGINT = 2**63 - 1
REAL_WIDTH = 19
"""From this width on GDAL takes a column without decimals for double precision."""
EXACT_WIDTH = 15
"""Up to this width all that a column without decimals may hold is exact in double precision."""

_BLANKS = " \0\t\r\n"
_BLANK_BYTES = _BLANKS.encode()
_INTEGER = re.compile(rb"[+-]?\d+")
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity|1\.#(?:inf|ind|qnan|snan)0*)", re.I)
_DECIMAL_COMMA = re.compile(rb"[+-]?\d*,\d+")
_NO_DATE = re.compile(rb"0*")
_US_DATE = re.compile(rb"(\d\d)/(\d\d)/(\d{4})")


@dataclass
class ValueSurvey:
    """What was found in a table's values, deleted records left out."""

    unreadable: Places = field(default_factory=Places)
    overflowed: Places = field(default_factory=Places)
    decimal_commas: Places = field(default_factory=Places)
    spaces_before: Places = field(default_factory=Places)
    after_nul: Places = field(default_factory=Places)
    memos: Places = field(default_factory=Places)
    fractions: dict[DbfField, Places] = field(default_factory=dict)
    as_text: dict[DbfField, Places] = field(default_factory=dict)
    has_big_integers: bool = False
    deleted: int = 0


Change = Callable[[int, DbfField, bytes], None]


def survey_values(dbf: Dbf) -> ValueSurvey:
    """Read all values of a table and mend those that GDAL would misread, in the file itself."""
    survey = ValueSurvey()
    with dbf.path.open("r+b") as file:
        change = _changing(dbf, file)
        for batch in dbf.batches():
            survey.deleted += batch.deleted
            for column in dbf.fields:
                _survey_column(batch, column, survey, change)
        for column in survey.fractions:
            _write(file, *as_decimal(column))
        for column in survey.as_text:
            _write(file, *as_text(column))
    return survey


def unread_types(dbf: Dbf) -> list[DbfField]:
    """Return the columns of a type whose values GDAL would publish as broken text."""
    return [column for column in dbf.fields if column.type not in READ_TYPES]


def _changing(dbf: Dbf, file: IO[bytes]) -> Change:
    def change(row: int, column: DbfField, value: bytes) -> None:
        _write(file, dbf.place(row, column), value.ljust(column.width))

    return change


def _write(file: IO[bytes], offset: int, content: bytes) -> None:
    file.seek(offset)
    file.write(content)


def _survey_column(batch: Batch, column: DbfField, survey: ValueSurvey, change: Change) -> None:
    if column.type in NUMBER_TYPES:
        if not _are_numbers(batch, column, survey):
            _survey_numbers(batch, column, survey, change)
    elif column.type == DATE_TYPE:
        _survey_dates(batch, column, survey, change)
    elif column.type == MEMO_TYPE:
        for row, value in batch.values(column):
            if value.strip(_BLANK_BYTES + b"0"):
                survey.memos.add(Place(row, column.shown, value))
    elif column.type in TEXT_TYPES:
        _survey_text(batch, column, survey)


def _are_numbers(batch: Batch, column: DbfField, survey: ValueSurvey) -> bool:
    """Return whether all values of a batch are numbers that the column's type holds."""
    try:
        text = pc.ascii_trim(batch.column(column).cast(pa.binary()).cast(pa.string()), _BLANKS)
        text = pc.if_else(pc.equal(text, ""), None, text)
        if not column.decimals:
            ends = pc.min_max(text.cast(pa.int64()))
            if column.width >= REAL_WIDTH:
                survey.has_big_integers |= any(
                    abs(end.as_py() or 0) > EXACT_DOUBLE for end in (ends["min"], ends["max"])
                )
            return True
        return bool(pc.all(pc.is_finite(text.cast(pa.float64()))).as_py() is not False)
    except pa.ArrowInvalid:
        return False


def _survey_numbers(batch: Batch, column: DbfField, survey: ValueSurvey, change: Change) -> None:
    for row, value in batch.values(column):
        text = value.partition(b"\0")[0].strip(_BLANK_BYTES)
        place = Place(row, column.shown, value)
        if _DECIMAL_COMMA.fullmatch(text):
            survey.decimal_commas.add(place)
            text = text.replace(b",", b".")
            change(row, column, text)
        if text.startswith(b"*"):
            survey.overflowed.add(place)
            change(row, column, b"")
        elif text and not _is_number(text, column):
            survey.unreadable.add(place)
            change(row, column, b"")
        elif text:
            _see_number(text, column, place, survey, change)


def _is_number(text: bytes, column: DbfField) -> bool:
    is_real = column.decimals > 0 or column.width >= REAL_WIDTH
    if is_real and _NOT_FINITE.fullmatch(text):
        return True
    return bool(_NUMBER.fullmatch(text)) and abs(float(text)) != float("inf")


def _see_number(
    text: bytes, column: DbfField, place: Place, survey: ValueSurvey, change: Change
) -> None:
    """Note a number that a column without decimals does not hold as it is."""
    if column.decimals:
        return
    if _INTEGER.fullmatch(text):
        if abs(int(text)) > MAX_BIGINT:
            survey.as_text.setdefault(column, Places()).add(place)
        survey.has_big_integers |= column.width >= REAL_WIDTH and abs(int(text)) > EXACT_DOUBLE
        return
    whole = b"%d" % float(text) if _is_whole(text) else b""
    if 0 < len(whole) <= column.width:
        change(place.row, column, whole)
    elif column.width < REAL_WIDTH:
        columns = survey.fractions if column.width <= EXACT_WIDTH else survey.as_text
        columns.setdefault(column, Places()).add(place)


def _is_whole(text: bytes) -> bool:
    is_finite = _NUMBER.fullmatch(text) is not None
    return is_finite and float(text).is_integer() and abs(float(text)) <= EXACT_DOUBLE


def _survey_dates(batch: Batch, column: DbfField, survey: ValueSurvey, change: Change) -> None:
    found = pc.unique(batch.column(column).cast(pa.binary())).to_pylist()
    wrong = {value for value in found if not _is_date(value)}
    if not wrong:
        return
    for row, value in batch.values(column):
        if value in wrong:
            change(row, column, b"")
            if not _NO_DATE.fullmatch(value.strip(_BLANK_BYTES)):
                survey.unreadable.add(Place(row, column.shown, value))


def _is_date(value: bytes) -> bool:
    """Return whether GDAL reads a value rightly: a date, or no date as it knows it."""
    text = value.strip(_BLANK_BYTES)
    if text in (b"", b"00000000"):
        return True
    us_date = _US_DATE.fullmatch(text)
    if us_date:
        month, day, year = us_date.groups()
        text = year + month + day
    if len(text) != len("yyyymmdd") or not text.isdigit():
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _survey_text(batch: Batch, column: DbfField, survey: ValueSurvey) -> None:
    first_bytes = batch.content[column.offset :: batch.dbf.record_bytes]
    for mark, pattern, places in (
        (b" " in first_bytes, rb"^ +[^ \x00]", survey.spaces_before),
        (b"\0" in batch.content, rb"\x00[^\x00]*[^\x00 ]", survey.after_nul),
    ):
        values = batch.column(column).cast(pa.binary())
        if mark and pc.any(pc.match_substring_regex(values, pattern)).as_py():
            for row, value in batch.values(column):
                if re.search(pattern, value, re.S):
                    places.add(Place(row, column.shown, value))
