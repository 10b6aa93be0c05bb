"""Text formats made UTF-8 before GDAL opens them."""

from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SourceError
from libs.pipeline.kinds.text_sources import make_utf_8

FILE = "s3://landing-zone/places"
JSON = '{"type":"FeatureCollection","name":"%s"}'
XML = '<?xml version="1.0" encoding="%s"?>\n<gpx><name>%s</name></gpx>'
MIF = 'Version 300\nCharset "%s"\nColumns 1\n  %s Char(10)\nData\n'
DXF = "  9\n$ACADVER\n  1\nAC%s\n  9\n$DWGCODEPAGE\n  3\n%s\n  1\n%s\n"


def prepared(
    folder: Path, driver: str, content: bytes, suffix: str = ".txt", encoding: str | None = None
) -> tuple[str, list[str]]:
    """Return (what GDAL will read, codes of the warnings)."""
    path = folder / f"places{suffix}"
    path.write_bytes(content)
    warnings = make_utf_8(path, driver, encoding=encoding, file=FILE)
    return path.read_bytes().decode(), [warn.code for warn in warnings]


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("driver", ["GeoJSON", "GeoJSONSeq", "GPX"])
def test_unicode_in_any_form_becomes_plain_utf_8(tmp_path: Path, driver: str, codec: str) -> None:
    text = XML % ("UTF-8", "Łódź") if driver == "GPX" else JSON % "Łódź 東京"
    assert prepared(tmp_path, driver, text.encode(codec)) == (text, [])


@pytest.mark.parametrize(
    ("said", "codec", "text"),
    [
        ("windows-1251", "cp1251", "Киев"),
        ("ISO-8859-2", "iso8859-2", "Łódź"),
        ("KOI8-R", "koi8-r", "Киев"),
        ("Shift_JIS", "cp932", "東京"),
        ("GB18030", "gb18030", "北京"),
        ("ISO-8859-1", "latin-1", "Zürich"),
        ("windows-1251", "ascii", "plain"),
    ],
)
@pytest.mark.parametrize("driver", ["GPX", "KML", "LIBKML", "GML"])
def test_xml_in_a_declared_encoding_becomes_utf_8_and_says_so(
    tmp_path: Path, driver: str, said: str, codec: str, text: str
) -> None:
    content = (XML % (said, text)).encode(codec)
    assert prepared(tmp_path, driver, content) == (XML % ("UTF-8", text), [])


@pytest.mark.parametrize(
    ("said", "codec"),
    [("windows-1251", "utf-8"), ("ISO-8859-1", "utf-8"), ("ISO-8859-1", "cp1252")],
)
def test_a_declaration_that_the_bytes_contradict_is_overruled_with_a_doubt(
    tmp_path: Path, said: str, codec: str
) -> None:
    content = (XML % (said, "Zürich \u2013 €")).encode(codec)
    assert prepared(tmp_path, "GPX", content) == (
        XML % ("UTF-8", "Zürich \u2013 €"), ["source.encoding_doubtful"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "codec", "text"),
    [
        ("WindowsLatin1", "cp1252", "Zürich"),
        ("WindowsCyrillic", "cp1251", "Киев"),
        ("WindowsJapanese", "cp932", "東京"),
        ("CodePage866", "cp866", "Киев"),
        ("ISO8859_2", "iso8859-2", "Łódź"),
        ("MacRoman", "mac-roman", "Zürich"),
        ("UTF-8", "utf-8", "Zürich"),
        ("Neutral", "utf-8", "Zürich"),
    ],
)
def test_both_files_of_a_mif_become_utf_8(tmp_path: Path, said: str, codec: str, text: str) -> None:
    (tmp_path / "places.MID").write_bytes(f'"{text}"\n'.encode(codec))
    content, codes = prepared(tmp_path, "MapInfo File", (MIF % (said, "n")).encode(), ".mif")
    assert (tmp_path / "places.MID").read_text() == f'"{text}"\n'
    assert content == MIF % ("UTF-8" if said == "UTF-8" else "Neutral", "n")
    assert codes == []


@pytest.mark.parametrize(
    ("version", "said", "codec", "text"),
    [
        ("1015", "ANSI_1251", "cp1251", "Киев"),
        ("1009", "dos866", "cp866", "Киев"),
        ("1015", "ANSI_936", "gbk", "北京"),
        ("1021", "ANSI_1252", "utf-8", "Zürich"),
    ],
)
def test_a_dxf_is_read_in_its_code_page_and_in_utf_8_since_2007(
    tmp_path: Path, version: str, said: str, codec: str, text: str
) -> None:
    content = DXF % (version, said, text)
    assert prepared(tmp_path, "DXF", content.encode(codec)) == (content, [])


@pytest.mark.parametrize(
    ("driver", "content", "encoding"),
    [
        ("GeoJSON", JSON, None),
        ("GeoJSON", JSON, "UTF-8"),
        ("GPX", XML.replace("%s", "UTF-8", 1), None),
        ("MapInfo File", MIF.replace("%s", "Neutral", 1), None),
        ("DXF", DXF.replace("%s", "1021", 1).replace("%s", "ANSI_1252", 1), None),
    ],
)
def test_text_in_an_encoding_that_nothing_names_is_refused_with_how_it_reads(
    tmp_path: Path, driver: str, content: str, encoding: str | None
) -> None:
    wrong = ("\n\n" + content % "Киев").encode("cp1251")
    with pytest.raises(SourceError) as refused:
        prepared(tmp_path, driver, wrong, ".mif", encoding)
    reason = refused.value.reason
    assert (reason.code, reason.file) == ("source.encoding", FILE)
    line = wrong[: wrong.index("Киев".encode("cp1251"))].count(b"\n") + 1
    assert f"found the byte 0xca in line {line} of places.mif" in reason.message
    assert "Киев" in reason.message
    assert '"encoding": "cp1251"' in reason.remedy


def test_the_manifest_decides_over_what_the_file_declares(tmp_path: Path) -> None:
    content = (XML % ("ISO-8859-1", "Киев")).encode("cp1251")
    assert prepared(tmp_path, "GPX", content, encoding="windows-1251") == (
        XML % ("UTF-8", "Киев"), [],
    )  # fmt: skip


def test_a_wrong_byte_is_found_across_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.spatial_utils.text_files.CHUNK_BYTES", 5)
    text = JSON % ("東京\n" * 20)
    assert prepared(tmp_path, "GeoJSON", text.encode()) == (text, [])
    with pytest.raises(SourceError, match="in line 21"):
        prepared(tmp_path, "GeoJSON", (text + "é").encode("utf-8")[:-1])


@pytest.mark.parametrize(
    ("encoding", "codes"),
    [(None, []), ("UTF-8", []), ("cp1252", ["source.encoding_ignored"])],
)
def test_a_format_that_is_no_text_keeps_its_bytes(
    tmp_path: Path, encoding: str | None, codes: list[Any]
) -> None:
    assert prepared(tmp_path, "GPKG", b"SQLite format 3\0", encoding=encoding) == (
        "SQLite format 3\0", codes,
    )  # fmt: skip


def test_what_is_no_text_at_all_is_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "places.geojson"
    path.write_bytes(b"PK\3\4\0\xff\xfe")
    assert make_utf_8(path, "GeoJSON", encoding=None, file=FILE) == []
