"""GeoJSON read exactly: what is kept, what is told, what is refused and where."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.geojson import documents
from libs.geojson.geometries import GeometryNotes, geometries, geometry
from libs.geojson.reader import GeoJsonReader
from libs.models.errors import SourceError
from libs.tabular.reader import ReadOrder

POINT = '{"type":"Point","coordinates":[1,2]}'
UTC = dt.UTC
SHAPES = [
    "POINT (1 2)",
    "POINT Z (1 2 3)",
    "LINESTRING (1 2, 3 4)",
    "POLYGON ((0 0, 9 0, 9 9, 0 0), (2 1, 3 1, 3 2, 2 1))",
    "MULTIPOINT (1 2, 3 4)",
    "MULTILINESTRING Z ((1 2 3, 4 5 6), (1 2 3, 4 5 6, 7 8 9))",
    "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 9 5, 9 9, 5 5), (7 6, 8 6, 8 7, 7 6)))",
]


def feature(properties: str = "{}", geometry: str = "null", more: str = "") -> str:
    return f'{{"type":"Feature","properties":{properties},"geometry":{geometry}{more}}}'


def collection(*features: str, more: str = "") -> str:
    return f'{{"type":"FeatureCollection","features":[{",".join(features)}]{more}}}'


def read(folder: Path, text: str) -> tuple[dict[str, str], list[dict[str, Any]], dict[str, str]]:
    """Return (column -> type, rows, code -> message) of a text; geometries as WKT."""
    path = folder / "a.geojson"
    path.write_text(text)
    reader = GeoJsonReader(ReadOrder(path=path, file="a.geojson", layer="a"), folder)
    columns = {column.name: column.type or "" for column in reader.survey.columns}
    rows: list[dict[str, Any]] = []
    for batch in reader.batches(list(columns.values())):
        rows += batch.rename_columns([*columns, "geometry"]).to_pylist()
    for row in rows:
        row["geometry"] = row["geometry"] and shapely.from_wkb(row["geometry"]).wkt
    return columns, rows, {warning.code: warning.message for warning in reader.warnings()}


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        (["1", "2.5"], "double", [1.0, 2.5]),
        (["1", "4294967296", "null"], "bigint", [1, 2**32, None]),
        (["1.50", '"x"'], "text", ["1.50", "x"]),
        (["18446744073709551615", "1"], "text", ["18446744073709551615", "1"]),
        (["1e400"], "text", ["1e400"]),
        (["0.10000000000000001", "1e5"], "double", [0.1, 1e5]),
        (["1.2345678901234567890123"], "text", ["1.2345678901234567890123"]),
        (["Infinity", "-Infinity"], "double", [float("inf"), -float("inf")]),
        (["true", "1"], "text", ["true", "1"]),
        (["[1,2]", "[]"], "integer[]", [[1, 2], []]),
        (['["a"]', "null"], "text[]", [["a"], None]),
        (["[1,null]", '{"k":1.10}'], "json", ["[1, null]", '{"k": 1.10}']),
        (['"2024-02-29"', '"1969/12/31"'], "date", [dt.date(2024, 2, 29), dt.date(1969, 12, 31)]),
        (['"2024-02-30"'], "text", ["2024-02-30"]),
        (['"2024-02-29"', '""'], "text", ["2024-02-29", ""]),
        (
            ['"2024-02-29T12:00:00.123456+05:50"', '"2024-02-29 12:00Z"'],
            "timestamptz",
            [
                dt.datetime(2024, 2, 29, 6, 10, 0, 123456, UTC),
                dt.datetime(2024, 2, 29, 12, tzinfo=UTC),
            ],
        ),
        (['"2024-02-29T12:00:00"'], "timestamp", [dt.datetime(2024, 2, 29, 12)]),
        (['"2016-12-31T23:59:60Z"'], "text", ["2016-12-31T23:59:60Z"]),
        (['"2016-12-31T23:59:59.9999999Z"'], "text", ["2016-12-31T23:59:59.9999999Z"]),
        (
            ['"2024-02-29T12:00:00"', '"2024-02-29T12:00:00Z"'],
            "text",
            ["2024-02-29T12:00:00", "2024-02-29T12:00:00Z"],
        ),
        (['"12:30"', '"23:59:59.5"'], "time", [dt.time(12, 30), dt.time(23, 59, 59, 500_000)]),
        (['"12:30+02"'], "text", ["12:30+02"]),
        (['"a\tb"', '"\\ud83d\\ude00"'], "text", ["a\tb", "😀"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_keeps_every_value(
    tmp_path: Path, values: list[str], type_: str, expected: list[Any]
) -> None:
    columns, rows, _ = read(tmp_path, collection(*(feature(f'{{"v":{v}}}') for v in values)))
    assert columns == {"v": type_}
    assert [row["v"] for row in rows] == expected


@pytest.mark.parametrize(
    ("text", "row", "code", "found"),
    [
        (collection(feature(), feature("{}", '{"type":"Circle"}')), 2, "broken_geometry", "Circle"),
        (
            collection(feature("{}", '{"type":"Point","coordinates":[null,null]}')),
            1, "broken_geometry", "[None, None]",
        ),
        (
            collection(feature("{}", '{"type":"Point","coordinates":["1",2]}')),
            1, "broken_geometry", "['1', 2]",
        ),
        (
            collection(feature("{}", '{"type":"Polygon","coordinates":[1,2]}')),
            1, "broken_geometry", "1 in the coordinates",
        ),
        (collection(feature(), feature('{"a":1,"a":1}')), 2, "unreadable", "the key 'a' twice"),
        (collection(feature(more=',"geometry":null')), 1, "unreadable", "'geometry' twice"),
        (collection(feature(), "null"), 2, "unreadable", "null"),
        (collection(feature(), collection()), 2, "unreadable", "FeatureCollection"),
        (collection(feature("[1]")), 1, "unreadable", "[1]"),
        (collection(feature()) + "x", 2, "unreadable", "'x'"),
        (collection(feature())[:-8], 1, "unreadable", "whole"),
        (f"{feature()}\n{feature()}\n{feature()[:20]}", 3, "unreadable", "key"),
        ('{"type":}', 1, "unreadable", "'}'"),
        ('{"type":"FeatureCollection"}', 1, "unreadable", "without an array \"features\""),
        ("[1]", None, "unknown_format", "a JSON array"),
        ('{"a":1}', None, "unknown_format", "JSON with the members 'a'"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_with_its_feature(
    tmp_path: Path, text: str, row: int | None, code: str, found: str
) -> None:
    with pytest.raises(SourceError) as refused:
        read(tmp_path, text)
    assert (refused.value.reason.code, refused.value.reason.row) == (f"source.{code}", row)
    assert found in refused.value.reason.message


def test_members_of_features_are_columns_and_those_of_the_collection_are_told_of(
    tmp_path: Path,
) -> None:
    text = collection(
        feature('{"id":1}', more=',"id":"a","style":{"k":1}'),
        more=',"name":"n","metadata":{"count":1}',
    )
    columns, rows, said = read(tmp_path, text)
    assert columns == {"feature_id": "text", "style": "json", "id": "integer"}
    assert rows[0] == {"feature_id": "a", "style": '{"k": 1}', "id": 1, "geometry": None}
    assert "'metadata'" in said["source.members_left_out"]
    assert "column.from_member" in said


@pytest.mark.parametrize(
    ("ids", "properties", "expected"),
    [
        ((0, 1), ("{}", "{}"), {}),
        ((1, 2), ("{}", "{}"), {}),
        ((7, 9), ("{}", "{}"), {"id": "integer"}),
        (('"a"', '"b"'), ('{"id":"a"}', '{"id":"b"}'), {"id": "text"}),
    ],
    ids=["from 0", "from 1", "numbers", "as the property"],
)
def test_an_id_is_a_column_where_it_tells_something(
    tmp_path: Path, ids: tuple[Any, Any], properties: tuple[str, str], expected: dict[str, str]
) -> None:
    features = [feature(p, more=f',"id":{i}') for i, p in zip(ids, properties, strict=True)]
    columns, _, said = read(tmp_path, collection(*features))
    assert columns == expected
    assert set(said) == ({"column.from_member"} if expected == {"id": "integer"} else set())


def test_what_changes_in_a_geometry_is_counted(tmp_path: Path) -> None:
    shapes = [
        '{"type":"Point","coordinates":[1,2,3,4]}',
        '{"type":"LineString","coordinates":[[1,2,3],[3,4]]}',
        '{"type":"Polygon","coordinates":[]}',
    ]
    _, rows, said = read(tmp_path, collection(*(feature("{}", shape) for shape in shapes)))
    assert [row["geometry"] for row in rows] == [
        "POINT Z (1 2 3)",
        "LINESTRING Z (1 2 3, 3 4 0)",
        "POLYGON EMPTY",
    ]
    assert said["source.ordinates_dropped"].startswith("1 row (1)")
    assert said["source.heights_added"].startswith("1 row (2)")


def test_many_geometries_and_one_give_the_same_bytes() -> None:
    values: list[Any] = [json.loads(shapely.to_geojson(shapely.from_wkt(w))) for w in SHAPES]
    by_kind = [values[:1] * 2, values[1:2], *([value, None, value] for value in values[2:])]
    for group in [*by_kind, [None, *values[2:], values[0]]]:
        made = geometries(group)
        assert made is not None
        assert made.to_pylist() == [geometry(value, 1, GeometryNotes()) for value in group]


@pytest.mark.parametrize("separator", [",", " ,\n", "\n", "\n\x1e"])
def test_features_are_the_same_wherever_the_text_is_cut(
    tmp_path: Path, separator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = '{"n":%d,"t":"}, {","o":[{"a":"}\\n,{"},{"b":"é"}]}'
    features = [feature(properties % n, POINT) for n in range(50)]
    is_collection = "," in separator
    text = separator.join(features)
    text = f'{{"features":[{text}],"type":"FeatureCollection"}}' if is_collection else text
    expected = [json.loads(properties % n, strict=False) for n in range(50)]
    for size in (1, 50, 211, 4096):
        monkeypatch.setattr(documents, "BLOCK_BYTES", size)
        columns, rows, _ = read(tmp_path, text)
        assert columns == {"n": "integer", "t": "text", "o": "json"}
        assert [{**row, "o": json.loads(row["o"])} for row in rows] == [
            {**value, "geometry": "POINT (1 2)"} for value in expected
        ]


def test_text_that_postgresql_cannot_hold_is_kept_as_escapes(tmp_path: Path) -> None:
    _, rows, said = read(tmp_path, collection(feature('{"a":"x\\u0000y\\ud800"}')))
    assert rows[0]["a"] == "x\\u0000y\\ud800"
    assert "source.undecodable_kept" in said


OF_GEOMETRY = (
    '{"type":"Point","coordinates":[1,2],"crs":{"type":"name","properties":{"name":"%s"}}}'
)
UTM_32, UTM_33 = OF_GEOMETRY % "EPSG:25832", OF_GEOMETRY % "EPSG:25833"


OF_FEATURE = f',"crs":{json.dumps(json.loads(UTM_32)["crs"])}'


@pytest.mark.parametrize(
    "features",
    [
        [feature(geometry=UTM_32), feature(), feature(geometry=UTM_32)],
        [feature(geometry=POINT, more=OF_FEATURE), feature(more=OF_FEATURE)],
    ],
    ids=["geometries", "features"],
)
def test_a_crs_that_all_geometries_name_is_that_of_the_file(
    tmp_path: Path, features: list[str]
) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(collection(*features))
    reader = GeoJsonReader(ReadOrder(path=path, file="a.geojson", layer="a"), tmp_path)
    assert json.loads(reader.crs_member or b"") == json.loads(UTM_32)["crs"]
    assert reader.warnings() == []


@pytest.mark.parametrize(
    ("matched", "codes"), [("2", []), ("7", ["source.incomplete"]), ('"unknown"', [])]
)
def test_features_that_a_service_kept_back_are_told_of(
    tmp_path: Path, matched: str, codes: list[str]
) -> None:
    _, _, warnings = read(
        tmp_path, collection(feature(), feature(), more=f',"numberMatched":{matched}')
    )
    assert [code for code in warnings if code == "source.incomplete"] == codes


@pytest.mark.parametrize(
    "text",
    [
        collection(feature(geometry=UTM_32), feature(geometry=POINT)),
        collection(feature(geometry=UTM_32), feature(geometry=UTM_33)),
        collection(
            feature(geometry=UTM_32), more=f',"crs":{json.dumps(json.loads(UTM_33)["crs"])}'
        ),
        collection(feature(geometry=POINT, more=OF_FEATURE), feature(geometry=POINT)),
    ],
    ids=["in some", "two", "another than the collection's", "of some features"],
)
def test_geometries_of_several_crs_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="not all geometries have") as caught:
        read(tmp_path, text)
    assert (caught.value.reason.code, caught.value.reason.row) == ("source.mixed_crs", 1)
