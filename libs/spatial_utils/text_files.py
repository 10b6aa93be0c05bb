"""Vector formats that are text: made UTF-8 in the run's own copy before GDAL opens them.

GDAL hands bytes of JSON and MapInfo on as they are, takes the UTF-8 of newer DXF for Latin-1, and
refuses GPX and KML in most encodings that XML may declare. As UTF-8 it reads all of them rightly.

A byte order mark decides, then the manifest, then what the file itself declares, then UTF-8. As in
`dbf_text`, a declaration that the bytes contradict does not decide.

What belongs here: finding the encoding of such a file, and recoding it. What does not: the words
of the answer (`libs.pipeline.kinds.text_sources`), tables of text (`libs.tabular.text`).
"""

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from libs.spatial_utils.code_pages import UTF_8, codec_named

BEGINNING_BYTES = 64 * 1024
CHUNK_BYTES = 1024 * 1024
MAX_SAMPLE_BYTES = 60

_XML = ("GPX", "KML", "LIBKML", "GML")
JSON_DRIVERS = ("GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON")
_UTF_16 = ("utf-16-le", "utf-16-be")
_BOMS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WINDOWS_INSTEAD = {"iso8859-1": "cp1252", "iso8859-9": "cp1254"}
_CONTROLS = bytes(range(0x80, 0xA0))
_XML_ENCODING = re.compile(rb"""(^\s*<\?xml[^>]*?encoding\s*=\s*)(["'])([^"']*)\2""")
_MIF_CHARSET = re.compile(rb"""(^\s*charset\s+)"([^"]*)\"""", re.I | re.M)
_DXF_VERSION = re.compile(rb"\$ACADVER\s+1\s+AC(\d+)")
_DXF_CODE_PAGE = re.compile(rb"\$DWGCODEPAGE\s+3\s+(\S+)")
_DXF_UTF_8_SINCE = 1021
_WINDOWS_CHARSETS = {
    "latin1": "cp1252", "latin2": "cp1250", "cyrillic": "cp1251", "greek": "cp1253",
    "turkish": "cp1254", "hebrew": "cp1255", "arabic": "cp1256", "balticrim": "cp1257",
    "vietnamese": "cp1258", "thai": "cp874", "japanese": "cp932", "simpchinese": "gbk",
    "tradchinese": "cp950", "korean": "cp949",
}  # fmt: skip


@dataclass(frozen=True)
class TextFile:
    """A file of text and those that belong to it: all in one encoding.

    `named` finds the encoding that its beginning declares; `as_utf_8` makes it declare UTF-8.
    """

    paths: tuple[Path, ...]
    named: Callable[[bytes], str | None]
    as_utf_8: Callable[[bytes], bytes] = lambda beginning: beginning

    @property
    def is_ascii(self) -> bool:
        """Whether it holds nothing but ASCII."""
        return all(chunk.isascii() for path in self.paths for chunk in _chunks(path))


@dataclass(frozen=True)
class WrongText:
    """The first bytes that are no text in a codec; `line` is counted from 1."""

    path: Path
    line: int
    byte: int
    sample: bytes


@dataclass(frozen=True)
class TextDecision:
    """The codec of a file's text, `bom_bytes` before it; `doubt` says why another may be meant."""

    codec: str
    named_by: str | None
    bom_bytes: int = 0
    doubt: str | None = None
    wrong: WrongText | None = None

    @property
    def is_plain(self) -> bool:
        """Whether GDAL reads the file as it is."""
        return self.codec == UTF_8 and not self.bom_bytes


def text_file(path: Path, driver: str | None) -> TextFile | None:
    """Return the text that `driver` reads at `path`; None for formats that are no text."""
    if driver in JSON_DRIVERS:
        return TextFile((path,), lambda _: None)
    if driver in _XML:
        return TextFile(
            (path,), _xml_encoding, lambda start: _XML_ENCODING.sub(rb"\1\2UTF-8\2", start)
        )
    if driver == "DXF":
        return TextFile((path,), _dxf_encoding)
    if driver == "MapInfo File" and path.suffix.lower() == ".mif":
        mid = next((m for m in path.parent.iterdir() if _is_mid(m, path)), None)
        return TextFile(
            (path, mid) if mid else (path,),
            _mif_charset,
            lambda start: _MIF_CHARSET.sub(rb'\1"Neutral"', start),
        )
    return None


def decide(text: TextFile, declared: str | None) -> TextDecision:
    """Return the codec in which a file is text; `declared` is what the manifest says.

    `wrong` of the answer tells where it is none, if it is none. What holds NULs is another format,
    which GDAL refuses by its name.
    """
    with text.paths[0].open("rb") as file:
        beginning = file.read(BEGINNING_BYTES)
    for bom, codec in _BOMS:
        if beginning.startswith(bom):
            return _checked(text, codec, "its byte order mark", len(bom))
    wide = _wide(beginning)
    if wide:
        return _checked(text, wide, "the NUL in every character")
    if b"\0" in beginning:
        return TextDecision(UTF_8, None)
    if declared:
        return _checked(text, declared, "files[].encoding")
    named = text.named(beginning)
    in_utf_8 = _checked(text, UTF_8, "the file" if named else None)
    if named is None or named == UTF_8:
        return in_utf_8
    return _as_declared(text, named, in_utf_8)


def recode(text: TextFile, decision: TextDecision) -> None:
    """Make a file UTF-8 in place, without byte order mark, and let it say so where it says."""
    for path in text.paths:
        target = path.with_name(f"{path.name}.utf-8")
        decoder = codecs.getincrementaldecoder(decision.codec)("strict")
        as_utf_8 = text.as_utf_8
        start = decision.bom_bytes if path == text.paths[0] else 0
        with target.open("wb") as recoded:
            for chunk in chain(_chunks(path, start), [b""]):
                content = decoder.decode(chunk, final=not chunk).encode()
                recoded.write(as_utf_8(content))
                as_utf_8 = bytes
        target.replace(path)


def _as_declared(text: TextFile, named: str, in_utf_8: TextDecision) -> TextDecision:
    if in_utf_8.wrong is None:
        if text.is_ascii:
            return replace(in_utf_8, codec="ascii")
        doubt = f"the file declares {named}, yet all of it is UTF-8"
        return replace(in_utf_8, doubt=doubt)
    decision = _checked(text, named, "the file")
    instead = _WINDOWS_INSTEAD.get(named)
    if instead and _has_controls(text):
        doubt = f"the file declares {named}, which has control characters for some of its bytes"
        in_windows = replace(_checked(text, instead, "the file"), doubt=doubt)
        return in_windows if in_windows.wrong is None else replace(decision, doubt=doubt)
    return decision


def _checked(text: TextFile, codec: str, named_by: str | None, bom_bytes: int = 0) -> TextDecision:
    starts = (bom_bytes, *(0 for _ in text.paths[1:]))
    wrong = map(_first_wrong, text.paths, (codec for _ in text.paths), starts)
    return TextDecision(codec, named_by, bom_bytes, wrong=next(filter(None, wrong), None))


def _first_wrong(path: Path, codec: str, start: int) -> WrongText | None:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    line = 1
    for chunk in chain(_chunks(path, start), [b""]):
        held = decoder.getstate()[0]
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as err:
            content = held + chunk if isinstance(held, bytes) else chunk
            before = content[: err.start].rpartition(b"\n")[2][-MAX_SAMPLE_BYTES // 2 :]
            after = content[err.start :].partition(b"\n")[0][: MAX_SAMPLE_BYTES // 2]
            line += content[: err.start].count(b"\n")
            return WrongText(path, line, content[err.start], before + after)
        line += chunk.count(b"\n")
    return None


def _has_controls(text: TextFile) -> bool:
    chunks = chain.from_iterable(map(_chunks, text.paths))
    return any(len(chunk.translate(None, _CONTROLS)) < len(chunk) for chunk in chunks)


def _chunks(path: Path, start: int = 0) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _is_mid(path: Path, mif: Path) -> bool:
    return path.stem == mif.stem and path.suffix.lower() == ".mid"


def _wide(beginning: bytes) -> str | None:
    """Return the UTF-16 of a text that begins with an ASCII character and has no mark."""
    if len(beginning) < 2 or 0 not in beginning[:2]:  # noqa: PLR2004 - one character
        return None
    return _UTF_16[0] if beginning[1] == 0 else _UTF_16[1]


def _xml_encoding(beginning: bytes) -> str | None:
    found = _XML_ENCODING.search(beginning)
    return codec_named(found[3].decode("ascii", "replace")) if found else None


def _mif_charset(beginning: bytes) -> str | None:
    found = _MIF_CHARSET.search(beginning)
    if found is None:
        return None
    name = found[2].decode("ascii", "replace").lower()
    return _WINDOWS_CHARSETS.get(name.removeprefix("windows")) or codec_named(name)


def _dxf_encoding(beginning: bytes) -> str | None:
    version = _DXF_VERSION.search(beginning)
    if version and int(version[1]) >= _DXF_UTF_8_SINCE:
        return UTF_8
    found = _DXF_CODE_PAGE.search(beginning)
    return codec_named(found[1].decode("ascii", "replace")) if found else None
