r"""Text in files: its encoding, and bytes that are none of it.

A byte order mark decides; then what the manifest declares; then UTF-8. A byte that cannot be
decoded becomes a mark, a lone surrogate U+DC00 + byte that no decoder makes, so that a reader can
count it in its row and refuse it, or show it as `\xe9`.

What belongs here: bytes to text. What does not: the form of the text (the readers).
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TextIO, cast

from libs.tabular.reader import ReadOrder

MARK_ERRORS = "spatial_etl.mark"
FIRST_MARK = 0xDC00
CHUNK_BYTES = 1024 * 1024
SAMPLE_BYTES = 64 * 1024
_MARKED = re.compile("[\udc00-\udcff\x00]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_OF_FILES = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"}
)


def _mark(err: UnicodeError) -> tuple[str, int]:
    if not isinstance(err, UnicodeDecodeError):
        raise err
    wrong = err.object[err.start : err.end]
    return "".join(chr(FIRST_MARK + byte) for byte in wrong), err.end


codecs.register_error(MARK_ERRORS, _mark)


@dataclass(frozen=True)
class Encoding:
    """An encoding, as Python names it, and the length of what stands before the text.

    That is a byte order mark, and lines that are no part of a table (`lines_before`).
    """

    name: str
    bom_bytes: int = 0
    is_declared: bool = False
    lines_before: int = 0


def encoding_of(order: ReadOrder) -> Encoding:
    """Return the encoding of a file; raises `SourceError` where the declared one cannot be."""
    declared = _declared(order)
    with order.path.open("rb") as file:
        beginning = file.read(4)
    for bom, name in _BOMS:
        if beginning.startswith(bom):
            if declared and not name.startswith(declared.removesuffix("-sig")):
                raise order.refusal(
                    "encoding",
                    f"expected {declared} as files[].encoding declares, found the byte order mark "
                    f"of {name}.",
                    remedy="Correct files[].encoding, or leave it out: a byte order mark decides.",
                )
            return Encoding(name, len(bom), declared is not None)
    return Encoding(declared or "utf-8", 0, declared is not None)


def _declared(order: ReadOrder) -> str | None:
    if order.encoding is None:
        return None
    try:
        found = codecs.lookup(order.encoding)
    except LookupError:
        found = None
    if found is None or not found._is_text_encoding or found.name in _NOT_OF_FILES:
        raise order.refusal(
            "unknown_encoding",
            f"expected an encoding such as UTF-8, cp1252 or shift_jis, found {order.encoding!r}.",
            remedy="Correct files[].encoding; Python's list of standard encodings names them all.",
        )
    return found.name


def open_text(path: Path, encoding: Encoding) -> TextIO:
    """Open a file as text with marks for undecodable bytes; line ends are kept."""
    file = path.open("rb")
    file.seek(encoding.bom_bytes)
    return io.TextIOWrapper(file, encoding.name, errors=MARK_ERRORS, newline="")


def limited_lines(order: ReadOrder, file: TextIO) -> Iterator[str]:
    """Yield lines with their ends; raises `SourceError` where one is longer than a record may be.

    The limit counts characters.
    """
    for number, line in enumerate(iter(partial(file.readline, order.max_record_bytes + 1), ""), 1):
        if len(line) > order.max_record_bytes:
            raise too_long(order, f"line {number}")
        yield line


def too_long(order: ReadOrder, place: str) -> Exception:
    """Return the refusal of a record that is longer than the service may hold in memory."""
    return order.refusal(
        "record_too_long",
        f"expected records of at most {order.max_record_bytes} characters, found a longer one in "
        f"{place}.",
        remedy="Check the line ends and quotes there, or raise SPATIAL_ETL_MAX_RECORD_BYTES.",
    )


def is_marked(text: str) -> bool:
    """Return whether `text` holds an undecodable byte or a NUL, which PostgreSQL cannot hold."""
    if text.isascii():
        return "\x00" in text
    return _MARKED.search(text) is not None


def shown(text: str) -> str:
    """Return `text` with each undecodable byte and each NUL as a visible escape."""
    return _MARKED.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)


class Utf8Stream(io.RawIOBase):
    """The bytes of a file as UTF-8, undecodable ones and NULs as visible escapes."""

    def __init__(self, path: Path, encoding: Encoding) -> None:
        super().__init__()
        self._file: IO[bytes] = path.open("rb")
        self._file.seek(encoding.bom_bytes)
        self._decoder = codecs.getincrementaldecoder(encoding.name)(MARK_ERRORS)
        self._held = b""
        self._is_done = False

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all where it is negative."""
        pieces, found = [self._held], len(self._held)
        while not self._is_done and (size < 0 or found < size):
            chunk = self._file.read(CHUNK_BYTES)
            self._is_done = not chunk
            pieces.append(shown(self._decoder.decode(chunk, final=self._is_done)).encode())
            found += len(pieces[-1])
        content = b"".join(pieces)
        end = len(content) if size < 0 else size
        self._held = content[end:]
        return content[:end]

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


def open_utf8(path: Path, encoding: Encoding, *, is_clean: bool) -> IO[bytes]:
    """Open a file as UTF-8 without byte order mark; `is_clean` where nothing in it is marked."""
    if encoding.name != "utf-8" or not is_clean:
        return cast(IO[bytes], Utf8Stream(path, encoding))
    file = path.open("rb")
    file.seek(encoding.bom_bytes)
    return file


def first_undecodable(path: Path, encoding: Encoding) -> tuple[int, bytes] | None:
    """Return (offset in the file, bytes) of the first place that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    with path.open("rb") as file:
        file.seek(encoding.bom_bytes)
        while True:
            offset = file.tell() - len(_pending(decoder))
            chunk = file.read(CHUNK_BYTES)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as err:
                return offset + err.start, bytes(err.object[err.start : err.end])
            if not chunk:
                return None


def _pending(decoder: codecs.IncrementalDecoder) -> bytes:
    held = decoder.getstate()[0]
    return held if isinstance(held, bytes) else b""


def likely_encoding(path: Path, offset: int) -> str:
    """Return the encoding that the bytes around `offset` look like."""
    with path.open("rb") as file:
        file.seek(max(0, offset - SAMPLE_BYTES // 2))
        sample = file.read(SAMPLE_BYTES)
    if sample.count(0) > len(sample) // 4:
        return "utf-16-le" if sample[1::2].count(0) >= sample[0::2].count(0) else "utf-16-be"
    high = [byte for byte in sample if byte > 0x7F]  # noqa: PLR2004 - the end of ASCII
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)  # noqa: PLR2004
    if len(high) > letters:
        return "cp1251" if _decodes(sample, "cp1251") else "gb18030"
    dos = sum(byte in b"\x80\x81\x82\x83\x84\x85\x87\x88\x89\x8a\x94\x99\x9a\xa4" for byte in high)
    if dos > len(high) // 2:
        return "cp850"
    return "cp1252" if _decodes(sample, "cp1252") else "iso-8859-1"


def _decodes(sample: bytes, name: str) -> bool:
    try:
        sample.decode(name)
    except UnicodeDecodeError:
        return False
    return True
