"""Text: language bytes, .cpg spellings, declared encodings, bytes that no marker explains."""

from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    register,
    rejected,
)
from tests.corpus.odd_files.writing import (
    edit_database,
    feature,
    geojson,
    ogr2ogr,
    points,
    sample,
    shapefile,
)

ZURICH, KYIV, TOKYO, LODZ = "Zürich", "Київ Москва", "東京都", "Łódź"

LANGUAGE_BYTES = {
    "cp1252": (0x03, "cp1252", ZURICH),
    "cp1252-weird": (0x57, "cp1252", ZURICH),
    "cp437": (0x01, "cp437", ZURICH),
    "cp850": (0x02, "cp850", ZURICH),
    "cp866": (0x65, "cp866", "Москва"),
    "cp932": (0x13, "cp932", TOKYO),
    "cp1250": (0xC8, "cp1250", LODZ),
    "cp1251": (0xC9, "cp1251", "Москва"),
    "cp936": (0x4D, "gbk", "北京市"),
}
CPG_SPELLINGS = {
    "utf8": ("UTF-8", "utf-8", TOKYO),
    "utf8-plain": ("UTF8", "utf-8", TOKYO),
    "utf8-lower-newline": ("utf-8\r\n", "utf-8", TOKYO),
    "utf8-number": ("65001", "utf-8", TOKYO),
    "1252": ("1252", "cp1252", ZURICH),
    "ansi-1252": ("ANSI 1252", "cp1252", ZURICH),
    "cp1251": ("CP1251", "cp1251", "Москва"),
    "windows-1251": ("windows-1251", "cp1251", "Москва"),
    "88591": ("88591", "latin-1", ZURICH),
    "8859-1": ("8859-1", "latin-1", ZURICH),
    "iso-8859-1": ("ISO-8859-1", "latin-1", ZURICH),
    "iso88592": ("ISO88592", "iso8859-2", LODZ),
    "big5": ("Big5", "big5", "台北"),
    "gbk": ("GBK", "gbk", "北京市"),
    "shift-jis": ("SHIFT_JIS", "shift_jis", TOKYO),
    "euc-kr": ("EUC-KR", "euc_kr", "서울"),
}


def _marked(text: str, encoding: str, **marks: object) -> object:
    def write(folder: Path) -> list[Path]:
        return shapefile(folder, "cities", [text.encode(encoding), b"plain"], **marks)

    return write


for _name, (_byte, _codec, _text) in LANGUAGE_BYTES.items():
    register(
        f"dbf-language-byte-{_name}",
        _marked(_text, _codec, language=_byte),
        Expectation(rows=2, cells={"NAME": [_text, "plain"]}),
        is_lean=_name in ("cp1251", "cp932"),
    )
for _name, (_cpg, _codec, _text) in CPG_SPELLINGS.items():
    register(
        f"cpg-{_name}",
        _marked(_text, _codec, cpg=_cpg),
        Expectation(rows=2, cells={"NAME": [_text, "plain"]}),
        is_lean=_name in ("ansi-1252", "utf8-number"),
    )


@case(published_or_rejected("source.encoding*", cells={"NAME": [KYIV, "plain"]}))
def cpg_unknown_encoding(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [KYIV.encode(), b"plain"], cpg="KLINGON-7")


@case(Expectation(cells={"NAME": ["Praha", "plain"]}, rows=2))
def cpg_unknown_encoding_of_plain_text(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"Praha", b"plain"], cpg="KLINGON-7")


@case(published_or_rejected("source.encoding*", cells={"NAME": [KYIV, "plain"]}), is_lean=True)
def dbf_unmarked_utf8(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [KYIV.encode(), b"plain"])


@case(rejected("source.encoding*"), is_lean=True)
def dbf_unmarked_latin1(folder: Path) -> list[Path]:
    """Bytes of no known encoding: whatever they become is a guess."""
    return shapefile(folder, "cities", [ZURICH.encode("latin-1"), b"plain"])


@case(
    Expectation(rows=2, cells={"NAME": [ZURICH, "plain"]}),
    file_fields={"encoding": "ISO-8859-1"},
    is_lean=True,
)
def dbf_unmarked_declared(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [ZURICH.encode("latin-1"), b"plain"])


@case(Expectation(rows=2, cells={"NAME": [LODZ, "plain"]}), file_fields={"encoding": "CP1250"})
def dbf_declared_against_language_byte(folder: Path) -> list[Path]:
    """The user knows better than a wrong marker."""
    return shapefile(folder, "cities", [LODZ.encode("cp1250"), b"plain"], language=0x57)


@case(published_or_rejected("*encoding*"), file_fields={"encoding": "KLINGON-7"})
def declared_encoding_unknown(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"Praha", b"plain"])


@case(rejected("source.encoding*"))
def cpg_utf8_over_latin1_bytes(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [ZURICH.encode("latin-1"), b"plain"], cpg="UTF-8")


@case(published_or_rejected("source.encoding*"))
def dbf_character_cut_at_the_field_width(folder: Path) -> list[Path]:
    """Many writers cut UTF-8 text in the middle of its last character."""
    return shapefile(folder, "cities", [TOKYO.encode() * 8 + b"\xe6\x9d", b"plain"], cpg="UTF-8")


@case(Expectation(rows=2, cells={"STRASSE_ß"[:9]: ["one", "two"]}))
def dbf_column_name_in_utf8(folder: Path) -> list[Path]:
    names = [b"one", b"two"]
    return shapefile(folder, "cities", names, cpg="UTF-8", field="STRASSE_ß".encode())


@case(published(rows=3), is_lean=True)
def geojson_byte_order_mark(folder: Path) -> Path:
    path = geojson(folder / "bom.geojson", points())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return path


@case(published_or_rejected("source.*"))
def geojson_utf16(folder: Path) -> Path:
    path = geojson(folder / "wide.geojson", points())
    path.write_bytes(path.read_text().encode("utf-16"))
    return path


@case(rejected("source.encoding*"), is_lean=True)
def geojson_latin1(folder: Path) -> Path:
    path = geojson(folder / "latin.geojson", points(name=[ZURICH, "a", "b"]))
    path.write_bytes(path.read_text().encode("latin-1"))
    return path


@case(published_or_rejected("source.*"))
def geojson_nul_in_text(folder: Path) -> Path:
    """PostgreSQL's text cannot hold it."""
    return geojson(folder / "nul.geojson", points(name=["a\0b", "a", "b"]))


@case(published_or_rejected("source.*"))
def geojson_lone_surrogate(folder: Path) -> Path:
    path = geojson(folder / "surrogate.geojson", points(name=["MARK", "a", "b"]))
    path.write_text(path.read_text().replace("MARK", "\\ud800"))
    return path


@case(Expectation(rows=3, cells={"name": ["👩‍👩‍👧", "נִקּוּד", "e\u0301"]}))
def geojson_emoji_and_combining_marks(folder: Path) -> Path:
    return geojson(folder / "marks.geojson", points(name=["👩‍👩‍👧", "נִקּוּד", "e\u0301"]))


@case(rejected("source.encoding*"))
def geopackage_latin1_text(folder: Path) -> Path:
    """SQLite stores whatever bytes it is given as text."""
    return edit_database(
        sample(folder / "cities.gpkg"),
        "UPDATE cities SET name = CAST(x'5ae37269ff' AS TEXT) WHERE fid = 1",
    )


@case(Expectation(rows=1, cells={"Name": [ZURICH]}), is_lean=True)
def kml_in_latin1(folder: Path) -> Path:
    path = folder / "places.kml"
    path.write_bytes(
        '<?xml version="1.0" encoding="ISO-8859-1"?><kml xmlns="http://www.opengis.net/kml/2.2">'
        f"<Document><Placemark><name>{ZURICH}</name><Point><coordinates>8.5,47.4</coordinates>"
        "</Point></Placemark></Document></kml>".encode("latin-1")
    )
    return path


@case(Expectation(rows=3, cells={"name": ["Москва", "a", "b"]}))
def tab_in_cyrillic(folder: Path) -> list[Path]:
    source = geojson(folder / "source.geojson", points(name=["Москва", "a", "b"]))
    path = ogr2ogr(folder / "cities.tab", "-lco", "ENCODING=CP1251", source, driver="MapInfo File")
    source.unlink()
    return [path, *(folder / f"cities.{suffix}" for suffix in ("dat", "map", "id"))]


@case(Expectation(rows=1, cells={"name": [ZURICH]}))
def gml_in_windows_1252(folder: Path) -> Path:
    path = folder / "places.gml"
    path.write_bytes(
        '<?xml version="1.0" encoding="windows-1252"?><c xmlns:gml="http://www.opengis.net/gml">'
        f"<gml:featureMember><place><name>{ZURICH}</name><where><gml:Point "
        'srsName="EPSG:3857"><gml:coordinates>1,2</gml:coordinates></gml:Point></where></place>'
        "</gml:featureMember></c>".encode("cp1252")
    )
    return path


@case(Expectation(rows=1, cells={"name": ["ok"]}))
def geojson_escaped_everything(folder: Path) -> Path:
    path = geojson(folder / "escaped.geojson", [feature({"name": "ok"}, None)])
    escaped = path.read_text().replace('"ok"', r'"\u006f\u006b"')
    path.write_text(escaped.replace("null", '{"type":"Point","coordinates":[1,2]}'))
    return path
