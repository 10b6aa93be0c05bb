"""Encodings and odd values through the seven phases, and what stands in the lake then."""

import io
import json
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pytest

from libs.models.errors import SourceError
from libs.models.version import Version
from tests.dbf import DbfColumn, shapefile_parts
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point


def run_shapefile(
    line: Line, name: str, parts: dict[str, bytes], **fields: Any
) -> tuple[Version, list[dict[str, Any]]]:
    """Drop a shapefile and return its version and its published rows, by their x."""
    paths = [
        line.user.put(f"uploads/{name}/roads{suffix}", content) for suffix, content in parts.items()
    ]
    manifest = make_manifest(name, paths)
    for file in manifest["files"]:
        file.update(fields)
    version = line.run(name, manifest)
    rows = pq.read_table(io.BytesIO(lake_bytes(line, version.tables[0], "geoparquet"))).to_pylist()
    rows.sort(key=lambda row: row["bbox"]["xmin"])
    return version, [{k: v for k, v in r.items() if k not in {"geometry", "bbox"}} for r in rows]


def run_file(
    line: Line, name: str, file: str, content: bytes, **fields: Any
) -> tuple[Version, list[str]]:
    """Drop a file and return its version and the names published."""
    manifest = make_manifest(name, [line.user.put(f"uploads/{name}/{file}", content)])
    manifest["files"][0].update(fields)
    version = line.run(name, manifest)
    table = next(table for table in version.tables if table.rows)
    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).to_pylist()
    return version, [row["name"] for row in rows]


CITIES = ["Zürich", "Málaga", "plain"]
CAPITALS = ["Киев", "Минск", "plain"]
WARDS = ["東京都港区", "札幌市", "plain"]


@pytest.mark.parametrize(
    ("texts", "codec", "marks", "warned"),
    [
        (CITIES, "cp1252", {"language": 0x57}, []),
        (CAPITALS, "cp1251", {"cpg": b"ANSI 1251"}, []),
        (CAPITALS, "cp866", {"language": 0x65}, []),
        (WARDS, "cp932", {"cpg": b"SJIS"}, []),
        (WARDS, "utf-8", {}, []),
        (WARDS, "utf-8", {"cpg": b"\xef\xbb\xbf65001\r\n"}, []),
        (CITIES, "utf-8", {"language": 0x57}, ["source.encoding_doubtful"]),
        (CITIES, "mac-roman", {"cpg": b"10000", "language": 0x57}, []),
        (CITIES, "cp437", {"cpg": b"OEM 437"}, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_text_and_names_of_a_shapefile_are_published_as_they_were_meant(
    line: Line, name: str, texts: list[str], codec: str, marks: dict[str, Any], warned: list[str]
) -> None:
    title = texts[0][:3]
    columns = [DbfColumn(title.encode(codec))]
    parts = shapefile_parts(columns, [(text.encode(codec),) for text in texts], **marks)

    version, rows = run_shapefile(line, name, parts)

    assert rows == [{title: text} for text in texts]
    assert [warn.code for warn in version.warnings] == warned


def test_a_declared_encoding_reads_what_nothing_marks(line: Line, name: str) -> None:
    parts = shapefile_parts([DbfColumn(b"name")], [(t.encode("cp1251"),) for t in CAPITALS])

    with pytest.raises(SourceError) as refused:
        run_shapefile(line, name, parts)
    assert refused.value.reason.code == "source.encoding"
    assert '"encoding": "cp1251"' in refused.value.reason.remedy

    _, rows = run_shapefile(line, f"{name}-2", parts, encoding="cp1251")
    assert [row["name"] for row in rows] == CAPITALS


def test_odd_values_of_a_shapefile_are_published_rightly_or_told_of(line: Line, name: str) -> None:
    columns = [
        DbfColumn(b"cut", "C", 8), DbfColumn(b"int", "N", 9), DbfColumn(b"frac", "N", 9),
        DbfColumn(b"real", "N", 12, 3), DbfColumn(b"day", "D", 8), DbfColumn(b"big", "N", 19),
        DbfColumn(b"huge", "N", 20),
    ]  # fmt: skip
    rows = [
        ("東京都".encode()[:8], b"abc", b"12.5", b"12,5", b"20231345", b"9007199254740993",
         b"99999999999999999999"),
        (b"deleted", b"1", b"1", b"1", b"20230101", b"1", b"1"),
        ("東京".encode(), b"*********", b"3", b"1.5", b"00000000", b"-1", b"1"),
    ]  # fmt: skip
    parts = shapefile_parts(columns, rows, cpg=b"UTF-8", deleted=(2,))

    version, published = run_shapefile(line, name, parts)

    assert published == [
        {"cut": "東京", "int": None, "frac": 12.5, "real": 12.5, "day": None,
         "big": 9007199254740993, "huge": "99999999999999999999"},
        {"cut": "東京", "int": None, "frac": 3.0, "real": 1.5, "day": None, "big": -1,
         "huge": "1"},
    ]  # fmt: skip
    said = sorted(warn.code for warn in version.warnings if warn.code.startswith("source."))
    assert said == [
        "source.dbf_column_type", "source.dbf_column_type", "source.dbf_decimal_comma",
        "source.dbf_deleted", "source.dbf_overflow", "source.dbf_unreadable_value",
        "source.text_cut",
    ]  # fmt: skip
    frame = geopandas.read_file(io.BytesIO(lake_bytes(line, version.tables[0], "flatgeobuf")))
    assert sorted(frame["big"]) == [-1, 9007199254740993]


JSON = json.dumps(
    {"type": "Feature", "properties": {"name": "Zürich"}, "geometry": point(1, 2)},
    ensure_ascii=False,
)
GPX = (
    '<?xml version="1.0" encoding="%s"?><gpx version="1.1" creator="x" '
    'xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="1" lon="2"><name>Zürich</name></wpt></gpx>'
)


@pytest.mark.parametrize(
    ("file", "text", "codec", "fields", "warned"),
    [
        ("a.geojson", JSON, "utf-16", {}, []),
        ("a.geojsonl", f"{JSON}\n" * 2, "utf-8-sig", {}, []),
        ("a.geojson", JSON, "cp1252", {"encoding": "cp1252"}, []),
        ("a.gpx", GPX % "windows-1252", "cp1252", {}, []),
        ("a.gpx", GPX % "UTF-16", "utf-16", {}, []),
        ("a.gpx", GPX % "ISO-8859-1", "utf-8", {}, ["source.encoding_doubtful"]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_text_formats_are_read_in_their_own_encoding(
    line: Line, name: str, file: str, text: str, codec: str, fields: dict[str, Any],
    warned: list[str],
) -> None:  # fmt: skip
    version, names = run_file(line, name, file, text.encode(codec), **fields)
    assert set(names) == {"Zürich"}
    assert [warn.code for warn in version.warnings if "encoding" in warn.code] == warned


def test_text_that_was_damaged_before_is_kept_and_told_of(line: Line, name: str) -> None:
    texts = ["Z\ufffdrich", "ZÃ¼rich", "Zürich", "Ðž", "Ã la carte"]
    content = geojson(*[({"name": text}, point(1, 2)) for text in texts])
    version, names = run_file(line, name, "a.geojson", content)
    assert sorted(names) == sorted(texts)
    (doubt,) = [warn for warn in version.warnings if warn.code == "source.text_doubtful"]
    assert "Column 'name': 3 texts" in doubt.message


def test_a_name_that_is_no_utf_8_inside_a_binary_format_is_refused(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.gpkg"
    geopandas.GeoDataFrame(
        {"aXX": ["x"]}, geometry=geopandas.points_from_xy([1], [2]), crs=4326
    ).to_file(path)
    with pytest.raises(SourceError) as refused:
        run_file(line, name, "a.gpkg", path.read_bytes().replace(b"aXX", b"a\xfc\xfc"))
    assert refused.value.reason.code in {"source.encoding", "source.unreadable"}


@pytest.mark.parametrize(
    ("columns", "value", "code"),
    [(1700, 1, "source.too_many_columns"), (1000, "12345678", "source.row_too_wide")],
)
def test_what_no_table_can_hold_is_refused(
    line: Line, name: str, columns: int, value: Any, code: str
) -> None:
    content = geojson(({f"c{number}": value for number in range(columns)}, point(1, 2)))
    with pytest.raises(SourceError) as refused:
        run_file(line, name, "a.geojson", content)
    assert refused.value.reason.code == code
    assert refused.value.reason.layer == "a"


def test_a_thousand_columns_are_published(line: Line, name: str) -> None:
    values = {f"c{number}": number for number in range(1000)} | {"name": "a"}
    version, names = run_file(line, name, "a.geojson", geojson((values, point(1, 2))))
    assert names == ["a"]
    assert len(version.tables[0].columns) == 1001
