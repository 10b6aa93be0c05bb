"""Names of text encodings: what a .cpg, a DBF's language byte or a manifest says, as a codec.

A codec is named as Python names it; `gdal_name` gives the name by which GDAL converts the same
bytes to the same characters. Where two encodings share a name in practice, the one that holds more
is taken: Windows' code pages for SJIS, Big5, EUC-KR and GB2312. ISO-8859-1 stays itself.

What belongs here: spellings and numbers. What does not: judging whether bytes are text in an
encoding (`libs.spatial_utils.dbf_text`), how they read in likely ones (`likely_encodings`).
"""

import re

UTF_8 = "utf-8"

_SAME_NUMBER = (
    437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 874,
    932, 949, 950, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258,
)  # fmt: skip
_ISO_PARTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)

_GDAL_NAMES = {
    UTF_8: "UTF-8",
    "ascii": "US-ASCII",
    "gbk": "GBK",
    "gb18030": "GB18030",
    "big5hkscs": "BIG5-HKSCS",
    "euc_jp": "EUC-JP",
    "johab": "JOHAB",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "mac-roman": "MACINTOSH",
    "mac-cyrillic": "MAC-CYRILLIC",
    "mac-latin2": "MAC-CENTRALEUROPE",
}
_GDAL_NAMES |= {f"cp{number}": f"CP{number}" for number in _SAME_NUMBER}
_GDAL_NAMES |= {f"iso8859-{part}": f"ISO-8859-{part}" for part in _ISO_PARTS}

_BY_NUMBER = {number: f"cp{number}" for number in _SAME_NUMBER} | {
    936: "gbk",
    1361: "johab",
    10000: "mac-roman",
    10007: "mac-cyrillic",
    10029: "mac-latin2",
    20127: "ascii",
    20866: "koi8-r",
    20936: "gbk",
    20932: "euc_jp",
    21866: "koi8-u",
    51932: "euc_jp",
    51936: "gbk",
    51949: "cp949",
    54936: "gb18030",
    65001: UTF_8,
}
_BY_NUMBER |= {28590 + part: f"iso8859-{part}" for part in _ISO_PARTS}
_BY_NUMBER |= {int(f"8859{part}"): f"iso8859-{part}" for part in _ISO_PARTS}

_BY_NAME = {
    "utf8": UTF_8, "cputf8": UTF_8, "utf8bom": UTF_8, "utf8sig": UTF_8, "u8": UTF_8,
    "ascii": "ascii", "usascii": "ascii", "ansix341968": "ascii", "iso646us": "ascii",
    "latin1": "iso8859-1", "latin2": "iso8859-2", "latin3": "iso8859-3", "latin4": "iso8859-4",
    "latin5": "iso8859-9", "latin6": "iso8859-10", "latin7": "iso8859-13",
    "latin8": "iso8859-14", "latin9": "iso8859-15", "latin10": "iso8859-16",
    "l1": "iso8859-1", "l2": "iso8859-2", "cyrillic": "iso8859-5", "arabic": "iso8859-6",
    "greek": "iso8859-7", "hebrew": "iso8859-8", "tis620": "cp874", "iso885911": "cp874",
    "sjis": "cp932", "shiftjis": "cp932", "mskanji": "cp932", "windows31j": "cp932",
    "eucjp": "euc_jp", "ujis": "euc_jp",
    "gbk": "gbk", "gb2312": "gbk", "gb231280": "gbk", "euccn": "gbk", "gb18030": "gb18030",
    "big5": "cp950", "big5hkscs": "big5hkscs",
    "euckr": "cp949", "ksc5601": "cp949", "ksc56011987": "cp949", "uhc": "cp949",
    "johab": "johab", "koi8r": "koi8-r", "koi8": "koi8-r", "koi8u": "koi8-u",
    "macroman": "mac-roman", "macintosh": "mac-roman", "mac": "mac-roman",
    "maccyrillic": "mac-cyrillic", "maclatin2": "mac-latin2", "maccentraleurope": "mac-latin2",
}  # fmt: skip

_BY_LANGUAGE_BYTE = {
    **dict.fromkeys((0x01, 0x0B, 0x0D, 0x0F, 0x11, 0x15, 0x18, 0x19, 0x1B), "cp437"),
    **dict.fromkeys(
        (0x02, 0x0A, 0x0E, 0x10, 0x12, 0x14, 0x16, 0x1A, 0x1D, 0x25, 0x37), "cp850"
    ),
    **dict.fromkeys((0x03, 0x57, 0x58, 0x59), "cp1252"),
    **dict.fromkeys((0x08, 0x17, 0x66), "cp865"),
    **dict.fromkeys((0x13, 0x7B), "cp932"),
    **dict.fromkeys((0x1C, 0x6C), "cp863"),
    **dict.fromkeys((0x1F, 0x22, 0x23, 0x40, 0x64, 0x87), "cp852"),
    **dict.fromkeys((0x26, 0x65), "cp866"),
    **dict.fromkeys((0x4D, 0x7A), "gbk"),
    **dict.fromkeys((0x4E, 0x79), "cp949"),
    **dict.fromkeys((0x4F, 0x78), "cp950"),
    **dict.fromkeys((0x50, 0x7C), "cp874"),
    **dict.fromkeys((0x6A, 0x86), "cp737"),
    **dict.fromkeys((0x6B, 0x88), "cp857"),
    0x04: "mac-roman",
    0x24: "cp860",
    0x67: "cp861",
    0x7D: "cp1255",
    0x7E: "cp1256",
    0x96: "mac-cyrillic",
    0x97: "mac-latin2",
    0xC8: "cp1250",
    0xC9: "cp1251",
    0xCA: "cp1254",
    0xCB: "cp1253",
    0xCC: "cp1257",
}  # fmt: skip
"""What dBASE, FoxPro and ESRI write; 0x68, 0x69 and 0x98 name code pages that GDAL cannot convert.

0x57 is "ANSI of the machine": here Windows' Western code page, of which GDAL makes ISO-8859-1.
"""

_NUMBERED = re.compile(
    r"(?:windows|win|ansi|oem|cp|ibm|ms|msdos|dos|pc|codepage|isoiec|iso|xwin|x)*(\d+)"
)
_LANGUAGE_BYTE = re.compile(r"ldid/?\s*(0x[0-9a-f]+|\d+)")


def codec_named(text: str) -> str | None:
    """Return the codec that a .cpg or a manifest names in any usual spelling; None for no name."""
    plain = text.strip("\ufeff\x00 \t\r\n\"'").lower()
    language = _LANGUAGE_BYTE.fullmatch(plain)
    if language:
        return codec_of_language_byte(int(language[1], 0))
    key = re.sub(r"[^a-z0-9]", "", plain)
    if key in _BY_NAME:
        return _BY_NAME[key]
    number = _NUMBERED.fullmatch(key)
    return _BY_NUMBER.get(int(number[1])) if number and len(number[1]) < 8 else None  # noqa: PLR2004


def codec_of_language_byte(value: int) -> str | None:
    """Return the codec that byte 29 of a DBF names; None where it names none that we read."""
    return _BY_LANGUAGE_BYTE.get(value)


def gdal_name(codec: str) -> str:
    """Return GDAL's name for one of our codecs."""
    return _GDAL_NAMES[codec]
