"""The encoding of a DBF's text: what names it, whether the bytes bear it out, what is cut.

The manifest decides, then the .cpg, then the language byte, then UTF-8 where all bytes are UTF-8. A
name that the bytes contradict does not decide: text that is no text in an encoding is refused, and
text that is UTF-8 beyond chance is read so, with a doubt that a user is told.

What belongs here: that decision. What does not: spellings (`code_pages`), the words of the answer
(`dbf_answers`).
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.spatial_utils.code_pages import UTF_8, codec_of_language_byte
from libs.spatial_utils.dbf import NAME_BYTES, TEXT_TYPES, Batch, Dbf, DbfField
from libs.spatial_utils.dbf_places import Place, Places
from libs.spatial_utils.likely_encodings import is_unlikely

MAX_SAMPLES = 50
CHANCE_BYTES = 12
"""So many bytes beyond ASCII, all of them UTF-8, are no chance even in a double-byte encoding."""

_ASCII = bytes(range(128))
_CONTROLS = bytes(range(0x80, 0xA0))
_WINDOWS_INSTEAD = {"iso8859-1": "cp1252", "iso8859-9": "cp1254"}
_DOUBLE_BYTE = frozenset(
    {"cp932", "cp949", "cp950", "gbk", "gb18030", "big5hkscs", "euc_jp", "johab"}
)


@dataclass
class TextCheck:
    """How a table's text reads in one codec; nothing is counted that is ASCII."""

    codec: str
    bytes_beyond_ascii: int = 0
    has_controls: bool = False
    is_readable: bool = False
    wrong: Places = field(default_factory=Places)
    cut: Places = field(default_factory=Places)
    samples: list[bytes] = field(default_factory=list)

    @property
    def is_text(self) -> bool:
        """Whether all of it is text in the codec, a cut at a column's width allowed for."""
        return not self.wrong.count and (self.is_readable or not self.cut.count)

    def see_column(self, batch: Batch, column: DbfField) -> None:
        """Count the values of a column in a batch."""
        content = batch.lines(column)
        self.bytes_beyond_ascii += len(content.translate(None, _ASCII))
        self.has_controls |= len(content.translate(None, _CONTROLS)) < len(content)
        is_sound = _decodes(content, self.codec)
        self.is_readable |= is_sound
        if is_sound and len(self.samples) == MAX_SAMPLES:
            return
        for row, value in batch.values(column):
            text = value.partition(b"\0")[0]
            if not text.isascii():
                place = Place(row, column.shown, text.strip(b" "))
                self.see(place, is_full=len(text) == column.width)

    def see(self, place: Place, *, is_full: bool) -> None:
        """Count one value that is not ASCII; `is_full` where it leaves no room in its column."""
        if len(self.samples) < MAX_SAMPLES:
            self.samples.append(place.value)
        left_over = cut_bytes(place.value, self.codec)
        if left_over == 0:
            self.is_readable = True
        elif left_over is None or not is_full:
            self.wrong.add(place)
        else:
            before = place.value[: len(place.value) - left_over]
            self.is_readable |= left_over > 1 or not before.isascii()
            self.cut.add(place)


@dataclass(frozen=True)
class TextReading:
    """The codec of a table's text; `doubt` says why another may be meant."""

    codec: str
    check: TextCheck
    doubt: str | None = None


@dataclass(frozen=True)
class Contradiction:
    """Text that is none in the codec that is named, or none in UTF-8 where none is named."""

    check: TextCheck
    named_by: str | None


def cut_bytes(value: bytes, codec: str) -> int | None:
    """Return how many bytes at the end begin a character that is cut; None where bytes are wrong.

    Both are told apart by the decoder: what it still waits for, and what it refuses.
    """
    decoder = codecs.getincrementaldecoder(codec)("strict")
    try:
        decoder.decode(value)
    except UnicodeDecodeError:
        return None
    held = decoder.getstate()[0]
    return len(held)


def check_text(dbf: Dbf, codec: str) -> TextCheck:
    """Read names and texts of a table in `codec`, until some are wrong."""
    check = TextCheck(codec)
    for column in dbf.fields:
        if not column.raw_name.isascii():
            check.bytes_beyond_ascii += len(column.raw_name.translate(None, _ASCII))
            is_full = len(column.raw_name) >= NAME_BYTES - 1
            check.see(Place(0, column.shown, column.raw_name), is_full=is_full)
    for batch in dbf.batches():
        if check.wrong.count:
            break
        if not batch.content.isascii():
            for column in dbf.fields:
                if column.type in TEXT_TYPES and not batch.is_ascii(column):
                    check.see_column(batch, column)
    return check


def read_text(dbf: Dbf, *, declared: str | None, cpg: str | None) -> TextReading | Contradiction:
    """Decide in which codec a table's text is read; `declared` and `cpg` are codecs."""
    in_utf_8 = check_text(dbf, UTF_8)
    if not in_utf_8.bytes_beyond_ascii:
        return TextReading(UTF_8, in_utf_8)
    named, named_by = _named(dbf, declared, cpg)
    if named is None or named == UTF_8:
        is_accepted = in_utf_8.is_text or (declared is not None and not in_utf_8.wrong.count)
        return TextReading(UTF_8, in_utf_8) if is_accepted else Contradiction(in_utf_8, named_by)
    is_beyond_chance = in_utf_8.bytes_beyond_ascii >= CHANCE_BYTES or named not in _DOUBLE_BYTE
    if in_utf_8.is_text and is_beyond_chance and declared is None:
        return TextReading(UTF_8, in_utf_8, f"{named_by} says {named}, yet all of it is UTF-8")
    check = check_text(dbf, named)
    if not check.is_text:
        return Contradiction(check, named_by)
    if declared is None and check.has_controls and named in _WINDOWS_INSTEAD:
        return _in_windows_code_page(dbf, check, named_by)
    return TextReading(named, check, _doubt(check, in_utf_8, named_by, is_declared=bool(declared)))


def cut_places(dbf: Dbf, codec: str) -> Iterator[tuple[int, bytes]]:
    """Yield (offset in the file, blanks) over the bytes of each character that is cut."""
    for column in dbf.fields:
        left_over = cut_bytes(column.raw_name, codec)
        if left_over:
            place = column.header_offset + len(column.raw_name) - left_over
            yield place, b"\0" * left_over
    for batch in dbf.batches():
        for column in dbf.fields:
            if column.type in TEXT_TYPES and not batch.is_ascii(column):
                for row, value in batch.values(column):
                    left_over = None if b"\0" in value else cut_bytes(value, codec)
                    if left_over:
                        place = dbf.place(row, column) + column.width - left_over
                        yield place, b" " * left_over


def _named(dbf: Dbf, declared: str | None, cpg: str | None) -> tuple[str | None, str | None]:
    language = codec_of_language_byte(dbf.language)
    for codec, named_by in (
        (declared, "files[].encoding"),
        (cpg, "the .cpg"),
        (language, f"the language byte 0x{dbf.language:02x} of the .dbf"),
    ):
        if codec:
            return codec, named_by
    return None, None


def _in_windows_code_page(dbf: Dbf, check: TextCheck, named_by: str | None) -> TextReading:
    """Return the reading of what is called ISO-8859 but has letters where that has controls."""
    instead = check_text(dbf, _WINDOWS_INSTEAD[check.codec])
    said = f"{named_by} says {check.codec}, which has control characters for some of its bytes"
    return (
        TextReading(instead.codec, instead, said)
        if instead.is_text
        else TextReading(check.codec, check, said)
    )


def _doubt(
    check: TextCheck, in_utf_8: TextCheck, named_by: str | None, *, is_declared: bool
) -> str | None:
    if in_utf_8.is_text:
        return f"{named_by} says {check.codec}, yet all of it is UTF-8 as well"
    if not is_declared and is_unlikely(check.codec, check.samples):
        return f"{named_by} says {check.codec}, yet so read it looks like no language"
    return None


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
