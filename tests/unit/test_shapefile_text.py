"""The text of shapefiles: which encoding is taken, what is doubted, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.pipeline.kinds.shapefiles import ShapefileReading, look_at_table
from tests.dbf import DbfColumn, shapefile_parts, write_parts

FILE = "s3://landing-zone/roads.shp"
ZURICH = "Zürich, Bahnhofstraße"
KIEV = "Киев, Крещатик"


def look(
    folder: Path, *texts: bytes, name: bytes = b"name", width: int = 30,
    encoding: str | None = None, **parts: Any,
) -> ShapefileReading:  # fmt: skip
    rows = [(text,) for text in texts]
    path = write_parts(folder, shapefile_parts([DbfColumn(name, width=width)], rows, **parts))
    return look_at_table(path, encoding=encoding, file=FILE)


def read_as(reading: ShapefileReading) -> tuple[str, list[str]]:
    (option,) = reading.open_options
    return option, [warn.code for warn in reading.warnings]


def refusal(folder: Path, *texts: bytes, **changes: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        look(folder, *texts, **changes)
    assert caught.value.reason.file == FILE
    return caught.value


@pytest.mark.parametrize(
    ("cpg", "codec"),
    [
        *[(cpg, "utf-8") for cpg in (
            "UTF-8", "UTF8", "utf-8", "65001", "CP_UTF8", "\ufeffUTF-8", "UTF-8\r\n", " UTF-8 ",
        )],
        *[(cpg, "cp1252") for cpg in (
            "CP1252", "1252", "ANSI 1252", "windows-1252", "LDID/87", "LDID/0x57", "cp1252\0",
        )],
        *[(cpg, "iso8859-1") for cpg in (
            "ISO-8859-1", "ISO88591", "8859_1", "88591", "Latin1", "28591",
        )],
        *[(cpg, "cp437") for cpg in ("OEM 437", "437", "IBM437")],
        *[(cpg, "cp1251") for cpg in ("windows-1251", "1251", "ANSI 1251")],
        ("ISO 8859-15", "iso8859-15"), ("8859-15", "iso8859-15"), ("KOI8-R", "koi8-r"),
        ("BIG5", "cp950"), ("950", "cp950"), ("EUC-KR", "cp949"), ("949", "cp949"),
        ("SJIS", "cp932"), ("932", "cp932"), ("Shift_JIS", "cp932"), ("GBK", "gbk"),
        ("936", "gbk"), ("GB18030", "gb18030"), ("10007", "mac-cyrillic"),
    ],
)  # fmt: skip
def test_a_cpg_is_understood_in_any_spelling(tmp_path: Path, cpg: str, codec: str) -> None:
    text = {
        "cp1251": KIEV, "koi8-r": KIEV, "mac-cyrillic": KIEV, "cp950": "台北市中正區",
        "cp949": "서울특별시", "cp932": "とうきょう", "gbk": "北京市海淀区",
        "gb18030": "北京市海淀区",
    }.get(codec, ZURICH)  # fmt: skip
    reading = look(tmp_path, text.encode(codec), cpg=cpg.encode())
    expected = codec.upper().replace("ISO8859", "ISO-8859")
    assert read_as(reading) == (f"ENCODING={expected}", [])


@pytest.mark.parametrize(
    ("language", "codec"),
    [(0x57, "cp1252"), (0x03, "cp1252"), (0x01, "cp437"), (0x02, "cp850"), (0xC9, "cp1251"),
     (0x65, "cp866"), (0xC8, "cp1250"), (0x7D, "cp1255"), (0x7E, "cp1256")],
)  # fmt: skip
def test_the_language_byte_decides_without_a_cpg(tmp_path: Path, language: int, codec: str) -> None:
    words = {"cp1251": KIEV, "cp866": KIEV, "cp1255": "תל אביב יפו", "cp1256": "شارع الملك"}
    text = words.get(codec, "Málaga, Plaza Ñuñez" if codec != "cp1250" else ZURICH)
    for cpg in (None, b"", b"garbage"):
        reading = look(tmp_path, text.encode(codec, "replace"), language=language, cpg=cpg)
        assert read_as(reading) == (f"ENCODING={codec.upper()}", [])


def test_ascii_is_never_doubted(tmp_path: Path) -> None:
    for marks in ({}, {"cpg": b"UTF-16"}, {"language": 0x7B}, {"cpg": b"1252"}):
        assert read_as(look(tmp_path, b"Main Street", **marks)) == ("ENCODING=UTF-8", [])


def test_unmarked_utf_8_is_read_as_such(tmp_path: Path) -> None:
    assert read_as(look(tmp_path, KIEV.encode(), b"a")) == ("ENCODING=UTF-8", [])


def test_the_manifest_decides_over_the_cpg_and_the_cpg_over_the_language_byte(
    tmp_path: Path,
) -> None:
    text, marks = KIEV.encode("cp866"), {"cpg": b"1251", "language": 0x57}
    assert read_as(look(tmp_path, text, encoding="cp866", **marks)) == ("ENCODING=CP866", [])
    assert read_as(look(tmp_path, KIEV.encode("cp1251"), **marks)) == ("ENCODING=CP1251", [])


def test_unmarked_text_that_is_no_utf_8_is_refused_with_how_it_may_read(tmp_path: Path) -> None:
    error = refusal(tmp_path, b"plain", KIEV.encode("cp1251"), cpg=b"garbage")
    assert error.reason.code == "source.encoding"
    assert error.reason.row == 2
    assert "row 2, column 'name': '\\xca\\xe8\\xe5\\xe2," in error.reason.message
    assert f"'{KIEV}' in cp1251" in error.reason.message
    assert "the .cpg says 'garbage', no known encoding" in error.reason.message
    assert '"encoding": "cp1251"' in error.reason.remedy


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"cpg": b"UTF-8"}, "text in utf-8, as the .cpg says"),
        ({"cpg": b"EUC-KR"}, "text in cp949, as the .cpg says"),
        ({"language": 0x7B}, "text in cp932, as the language byte 0x7b of the .dbf says"),
        ({"encoding": "UTF-8"}, "text in utf-8, as files[].encoding says"),
    ],
)
def test_text_that_its_mark_cannot_decode_is_refused(
    tmp_path: Path, marks: dict[str, Any], said: str
) -> None:
    error = refusal(tmp_path, b"x" * 30, ZURICH.encode("cp1252"), **marks)
    assert error.reason.code == "source.encoding"
    assert error.reason.row == 2
    assert said in error.reason.message
    assert "(byte 0x" in error.reason.message
    assert f"{ZURICH!r} in cp1252" in error.reason.message


@pytest.mark.parametrize("marks", [{"language": 0x57}, {"cpg": b"437"}, {"cpg": b"GBK"}])
def test_utf_8_under_another_mark_is_read_as_utf_8_with_a_doubt(
    tmp_path: Path, marks: dict[str, Any]
) -> None:
    reading = look(tmp_path, "北京市 Zürich".encode(), KIEV.encode(), **marks)
    assert read_as(reading) == ("ENCODING=UTF-8", ["source.encoding_doubtful"])
    assert f"It reads {KIEV!r}" in reading.warnings[0].message


def test_a_few_bytes_that_are_utf_8_by_chance_do_not_overrule_a_double_byte_mark(
    tmp_path: Path,
) -> None:
    text = next(c for c in map(chr, range(0x4E00, 0x9FA5)) if _is_utf_8(c.encode("gbk", "ignore")))
    reading = look(tmp_path, text.encode("gbk"), cpg=b"GBK")
    assert read_as(reading) == ("ENCODING=GBK", ["source.encoding_doubtful"])


def _is_utf_8(content: bytes) -> bool:
    try:
        return bool(content) and bool(content.decode())
    except UnicodeDecodeError:
        return False


def test_what_is_called_latin_1_is_windows_code_page_where_it_has_letters_there(
    tmp_path: Path,
) -> None:
    reading = look(tmp_path, "Œuvre à 5 €".encode("cp1252"), cpg=b"ISO-8859-1")
    assert read_as(reading) == ("ENCODING=CP1252", ["source.encoding_doubtful"])


def test_a_language_byte_under_which_text_is_no_language_is_doubted(tmp_path: Path) -> None:
    reading = look(tmp_path, "Москва, Тверская улица".encode("cp1251"), language=0x57)
    assert read_as(reading) == ("ENCODING=CP1252", ["source.encoding_doubtful"])
    assert "'Москва, Тверская улица' in cp1251" in reading.warnings[0].message


def test_degree_signs_raise_no_doubt(tmp_path: Path) -> None:
    texts = ["10° 5' N", "20 m²", "Rue de l\u2019Église"]
    reading = look(tmp_path, *[text.encode("cp1252") for text in texts], language=0x57)
    assert read_as(reading) == ("ENCODING=CP1252", [])


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "gb18030"])
def test_a_character_cut_at_the_width_is_left_out_and_told_of(tmp_path: Path, codec: str) -> None:
    text = "東京都港区六本木通東京都港区".encode(codec)
    width = len("東京都".encode(codec)) + 1
    reading = look(tmp_path, text, "東京".encode(codec), cpg=codec.encode(), width=width)
    assert read_as(reading)[1] == ["source.text_cut"]
    assert "1 texts end in the middle" in reading.warnings[0].message
    content = (tmp_path / "roads.dbf").read_bytes()[65:].decode(codec)
    assert content == " 東京都  東京" + " " * (width - len("東京".encode(codec))) + "\x1a"


def test_a_lonely_accent_at_the_width_is_no_cut_utf_8(tmp_path: Path) -> None:
    assert refusal(tmp_path, "café".encode("cp1252"), width=4).reason.code == "source.encoding"


def test_names_of_columns_are_text_too(tmp_path: Path) -> None:
    assert read_as(look(tmp_path, b"a", name="Größe".encode())) == ("ENCODING=UTF-8", [])
    error = refusal(tmp_path, b"a", name="Größe".encode("cp1252"))
    assert "a column's name: 'Gr\\xf6\\xdfe'" in error.reason.message
    assert error.reason.row is None
    marked = look(tmp_path, b"a", name="Größe".encode("cp1252"), cpg=b"1252")
    assert read_as(marked) == ("ENCODING=CP1252", [])


def test_a_name_cut_at_its_ten_bytes_loses_the_half_character(tmp_path: Path) -> None:
    name = "12道路名称".encode()[:10]
    assert read_as(look(tmp_path, b"a", name=name))[1] == ["source.text_cut"]
    assert (tmp_path / "roads.dbf").read_bytes()[32:43] == "12道路".encode().ljust(11, b"\0")


def test_an_unknown_declared_encoding_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"a", encoding="klingon").reason.code == "source.unknown_encoding"


def test_deleted_records_and_bytes_after_a_nul_do_not_count_as_text(tmp_path: Path) -> None:
    reading = look(tmp_path, b"a\0\xff\xfe", b"\xff\xff", b"b", deleted=(2,))
    assert read_as(reading) == (
        "ENCODING=UTF-8", ["source.dbf_text_after_nul", "source.dbf_deleted"],
    )  # fmt: skip
