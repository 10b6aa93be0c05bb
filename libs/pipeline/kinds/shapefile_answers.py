"""The words for what is wrong with a shapefile's table: its refusals and its warnings.

What belongs here: codes, messages and remedies. What does not: finding what is wrong
(`libs.spatial_utils.dbf_text`, `libs.spatial_utils.dbf_values`).
"""

from collections.abc import Sequence

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.code_pages import UTF_8
from libs.spatial_utils.dbf import Dbf, DbfField
from libs.spatial_utils.dbf_places import Place, Places
from libs.spatial_utils.dbf_text import Contradiction, TextReading, check_text
from libs.spatial_utils.dbf_values import ValueSurvey
from libs.spatial_utils.likely_encodings import likely_encodings, shown_readings

MAX_CPG_SHOWN = 40


def unknown_encoding(encoding: str, file: str) -> SourceError:
    """Return the refusal of a declared encoding that names nothing."""
    return SourceError(
        "source.unknown_encoding",
        f"expected an encoding such as UTF-8, cp1252 or gbk in files[].encoding, found "
        f"{encoding!r}.",
        remedy="Correct files[].encoding, or leave it out where the file names its own.",
        file=file,
    )


def unread_columns(columns: Sequence[DbfField], file: str) -> SourceError:
    """Return the refusal of columns of a type that GDAL reads as broken text."""
    found = ", ".join(f"{column.shown!r} of type {column.type!r}" for column in columns[:5])
    return SourceError(
        "source.dbf_type",
        f"expected columns of the types C, N, F, D, L or M, found {found}.",
        remedy="Export the table with dBASE III or IV types and drop it again.",
        file=file,
    )


def unread_memos(memos: Places, file: str) -> SourceError:
    """Return the refusal of memo texts, which lie in another file that GDAL does not read."""
    return SourceError(
        "source.dbf_memo",
        f"expected no memo texts (type M), which GDAL does not read, found {memos.count} "
        f"({memos}).",
        remedy="Export the table as GeoPackage, or with text columns in place of memos.",
        file=file,
        row=memos.first[0].row,
    )


def not_in_encoding(dbf: Dbf, found: Contradiction, cpg: str | None, file: str) -> SourceError:
    """Return the refusal of text that is none in the encoding it should be in."""
    check = found.check
    place = (check.wrong.first or check.cut.first)[0]
    expected = f"text in {check.codec}, as {found.named_by} says"
    if found.named_by is None:
        unclear = f" (the .cpg says {cpg[:MAX_CPG_SHOWN]!r}, no known encoding)" if cpg else ""
        expected = f"a .cpg, a language byte or UTF-8{unclear}"
    return SourceError(
        "source.encoding",
        f"expected {expected}; found other bytes, first in {place}"
        f"{_wrong_byte(place, check.codec)}. {_readings(place, _suggestions(dbf, check.samples))}",
        remedy="Choose the encoding that reads rightly and add it to the file in the manifest, "
        f'e.g. "encoding": "{_first_suggestion(dbf, check.samples)}".',
        file=file,
        row=place.row or None,
    )


def text_warnings(reading: TextReading, file: str) -> list[Warn]:
    """Return what a user should know of how the text was read."""
    warnings = []
    if reading.doubt:
        sample = _telling_sample(reading.check.samples)
        others = [UTF_8] if _is_utf_8(sample) else []
        others += [codec for codec, _ in likely_encodings([sample])]
        readings = shown_readings(sample, [other for other in others if other != reading.codec])
        own = sample.decode(reading.codec, "replace")
        warnings.append(
            Warn(
                code="source.encoding_doubtful",
                message=f"The text was read as {reading.codec}: {reading.doubt}. It reads "
                f"{own!r}; it would read {readings or 'no other way'}. files[].encoding decides.",
                file=file,
            )
        )
    cut = reading.check.cut
    if cut.count:
        warnings.append(
            Warn(
                code="source.text_cut",
                message=f"{cut.count} texts end in the middle of a {reading.codec} character, cut "
                f"at their column's width; that character was left out: {cut}.",
                file=file,
            )
        )
    return warnings


def value_warnings(survey: ValueSurvey, file: str) -> list[Warn]:
    """Return what a user should know of values that were not read as they stand."""
    said = [
        ("unreadable_value", survey.unreadable, "values are not of their column's type and became "
         "NULL"),
        ("overflow", survey.overflowed, "numbers did not fit their column when it was written "
         "(****) and are NULL"),
        ("decimal_comma", survey.decimal_commas, "numbers are written with a decimal comma and "
         "were read so"),
        ("spaces_trimmed", survey.spaces_before, "texts begin with spaces, which were not kept"),
        ("text_after_nul", survey.after_nul, "texts go on after a NUL, where reading ends"),
    ]  # fmt: skip
    warnings = [
        Warn(code=f"source.dbf_{code}", message=f"{places.count} {what}: {places}.", file=file)
        for code, places, what in said
        if places.count
    ]
    for columns, kind in ((survey.fractions, "double"), (survey.as_text, "text")):
        warnings += [
            Warn(
                code="source.dbf_column_type",
                message=f"Column {column.shown!r} was read as {kind}: {places.count} of its "
                f"numbers are no integers of 64 bits, though it has no decimals: {places}.",
                file=file,
            )
            for column, places in columns.items()
        ]
    if survey.deleted:
        message = f"{survey.deleted} records are marked as deleted and were not read."
        warnings.append(Warn(code="source.dbf_deleted", message=message, file=file))
    return warnings


def _wrong_byte(place: Place, codec: str) -> str:
    try:
        place.value.decode(codec)
    except UnicodeDecodeError as err:
        return f" (byte 0x{place.value[err.start]:02x} at {err.start + 1})"
    return ""


def _suggestions(dbf: Dbf, samples: Sequence[bytes]) -> list[str]:
    """Return encodings, the likeliest first, in which all text of the table can be read."""
    codecs = [codec for codec, _ in likely_encodings(samples)]
    if all(map(_is_utf_8, samples)):
        codecs.insert(0, UTF_8)
    return [codec for codec in codecs if check_text(dbf, codec).is_text]


def _first_suggestion(dbf: Dbf, samples: Sequence[bytes]) -> str:
    return next(iter(_suggestions(dbf, samples)), "cp1252")


def _readings(place: Place, codecs: Sequence[str]) -> str:
    if not codecs:
        return "No usual encoding reads all of the text."
    return f"It reads {shown_readings(place.value, codecs)}."


def _is_utf_8(sample: bytes) -> bool:
    try:
        sample.decode()
    except UnicodeDecodeError:
        return False
    return True


def _telling_sample(samples: Sequence[bytes]) -> bytes:
    """Return the sample with the most bytes beyond ASCII."""
    return max(samples, key=lambda sample: sum(byte > 0x7F for byte in sample))  # noqa: PLR2004
