"""TopoJSON and ESRI JSON, which become GeoJSON: every digit, id and date, and what is told of."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models.errors import SourceError
from libs.spatial_utils.json_tables import json_tables
from libs.spatial_utils.table_request import TableRequest

SQUARE = [[0, 0], [0, 9], [9, 9], [9, 0], [0, 0]]
HOLE = [[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]
ISLAND = [[1.2, 1.2], [1.2, 1.8], [1.8, 1.8], [1.2, 1.2]]
FAR = [[20, 0], [20, 1], [21, 1], [20, 0]]


@dataclass(frozen=True)
class Found:
    columns: dict[str, str]
    rows: list[list[Any]]
    shapes: list[str | None]
    warnings: dict[str, str]
    crs: str


def read(folder: Path, driver: str, text: str, layers: tuple[str, ...] = ()) -> dict[str, Found]:
    """Return what the tables of a text hold, by name; geometries as WKT."""
    path = folder / "a.json"
    path.write_text(text)
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    request = TableRequest(
        driver=driver, path=path, file="a.json", layer="a", spool=spool, layers=layers
    )
    found = {}
    for table in json_tables(request)[0]:
        columns = {column.name: column.type or "" for column in table.survey.columns}
        rows = [
            list(row.values()) for b in table.batches([*columns.values()]) for row in b.to_pylist()
        ]
        shapes = [row.pop() for row in rows] if table.has_geometry else []
        wkts = [shape and shapely.from_wkb(shape).wkt for shape in shapes]
        said = {warning.code: warning.message for warning in table.warnings()}
        found[table.layer] = Found(columns, rows, wkts, said, table.crs_text.text)
    return found


def topology(geometries: str, more: str = "") -> str:
    return (
        '{"type":"Topology","arcs":[[[0,0],[1,0]],[[1,0],[1,1],[0,0]],[[5,5],[5,5]]],"objects":'
        f'{{"a":{{"type":"GeometryCollection","geometries":[{geometries}]}},"b":{{"type":null}}}}{more}}}'
    )


def test_topojson_keeps_digits_ids_and_members(tmp_path: Path) -> None:
    text = topology(
        '{"type":"Polygon","arcs":[[0,1]],"id":"01","properties":{"n":18446744073709551615,'
        '"d":0.1234567890123456789,"k":{"a":[1.10]}},"note":"x"},'
        '{"type":null,"properties":{"n":1}},'
        '{"type":"MultiLineString","arcs":[[-2],[0]],"id":"02"}',
        ',"bbox":[0,0,1,1],"license":"CC0"',
    )
    found = read(tmp_path, "TopoJSON", text)["a"]
    assert found.columns == {"id": "text", "note": "text", "n": "text", "d": "text", "k": "json"}
    assert found.rows == [
        ["01", "x", "18446744073709551615", "0.1234567890123456789", '{"a": [1.10]}'],
        [None, None, "1", None, None],
        ["02", None, None, None, None],
    ]
    assert found.shapes == [
        "POLYGON ((0 0, 1 0, 1 1, 0 0))", None, "MULTILINESTRING ((0 0, 1 1, 1 0), (0 0, 1 0))",
    ]  # fmt: skip
    assert "'license'" in found.warnings["source.members_left_out"]


def test_each_object_is_a_table_and_only_those_asked_for_are_read(tmp_path: Path) -> None:
    text = topology('{"type":"Polygon","arcs":[[2]],"properties":{}}')
    assert [*read(tmp_path, "TopoJSON", text)] == ["a", "b"]
    found = read(tmp_path, "TopoJSON", text, ("a",))
    assert [*found] == ["a"]
    assert found["a"].shapes == ["POLYGON ((5 5, 5 5, 5 5, 5 5))"]
    assert "geometry.positions_repeated" in found["a"].warnings


def test_quantized_positions_are_where_they_belong(tmp_path: Path) -> None:
    text = (
        '{"type":"Topology","transform":{"scale":[0.5,2],"translate":[10,20]},'
        '"arcs":[[[1,1,7],[1,0,8],[0,-1,9]]],"objects":{"a":{"type":"GeometryCollection",'
        '"geometries":[{"type":"LineString","arcs":[0]},{"type":"MultiPoint","coordinates":'
        '[[1,1],[2,2]]},{"type":"GeometryCollection","geometries":[{"type":"Point",'
        '"coordinates":[0,0],"properties":{"lost":1}}]}]}}}'
    )
    found = read(tmp_path, "TopoJSON", text)["a"]
    assert found.shapes == [
        "LINESTRING Z (10.5 22 7, 11 22 8, 11 20 9)",
        "MULTIPOINT ((10.5 22), (11 24))",
        "GEOMETRYCOLLECTION (POINT (10 20))",
    ]
    assert "'properties'" in found.warnings["source.members_left_out"]


def esri(features: list[dict[str, Any]], **more: Any) -> str:
    return json.dumps({"geometryType": "esriGeometryPolygon", "features": features, **more})


def test_esri_json_has_the_types_of_its_fields(tmp_path: Path) -> None:
    names = {"s": "String", "d": "Date", "n": "Double", "i": "BigInteger", "u": "Date"}
    fields = [{"name": name, "type": f"esriFieldType{kind}"} for name, kind in names.items()]
    fields[0] |= {"alias": "Street", "domain": {"type": "codedValue", "name": "roads"}}
    values = {"s": "2020-01-01", "d": -86400001, "n": 5, "i": 9007199254740993, "extra": "x"}
    text = esri(
        [{"attributes": values, "geometry": {"x": 1, "y": 2}}],
        fields=fields, exceededTransferLimit=True, serviceItemId="7",
        spatialReference={"wkid": 102100, "latestWkid": 3857, "vcsWkid": 5773},
    )  # fmt: skip
    found = read(tmp_path, "ESRIJSON", text)["a"]
    assert found.columns == {
        "s": "text", "d": "timestamptz", "n": "double", "i": "bigint", "u": "timestamptz",
        "extra": "text",
    }  # fmt: skip
    (row,) = found.rows
    assert row[1].isoformat() == "1969-12-30T23:59:59.999000+00:00"
    assert [row[0], *row[2:]] == ["2020-01-01", 5.0, 9007199254740993, None, "x"]
    assert (found.shapes, found.crs) == (["POINT (1 2)"], "EPSG:3857")
    assert [*found.warnings] == [
        "source.incomplete", "source.members_left_out", "source.aliases_left_out",
        "source.domains_left_out", "source.vertical_crs_left_out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"x": 1, "y": 2, "z": 3, "m": 4}, "POINT ZM (1 2 3 4)"),
        ({"x": 1, "y": 2, "z": None}, "POINT (1 2)"),
        ({"x": "NaN", "y": "NaN"}, "POINT EMPTY"),
        ({"points": [[1, 2], [3, 4]]}, "MULTIPOINT ((1 2), (3 4))"),
        ({"paths": [[[1, 2], [3, 4]]]}, "LINESTRING (1 2, 3 4)"),
        ({"paths": [[[1, 2, 5]] * 2] * 2}, "MULTILINESTRING Z ((1 2 5, 1 2 5), (1 2 5, 1 2 5))"),
        ({"hasM": True, "paths": [[[1, 2, 5], [3, 4, None]]]}, "LINESTRING M (1 2 5, 3 4 NaN)"),
        ({"rings": []}, "POLYGON EMPTY"),
        ({"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 2}, "POLYGON ((0 0, 0 2, 1 2, 1 0, 0 0))"),
        (None, None),
    ],
)  # fmt: skip
def test_every_geometry_of_esri_is_read(
    tmp_path: Path, geometry: dict[str, Any] | None, expected: str | None
) -> None:
    text = esri([{"attributes": {"n": 1}, "geometry": geometry}])
    assert read(tmp_path, "ESRIJSON", text)["a"].shapes == [expected]


@pytest.mark.parametrize("turn", [1, -1], ids=["as ESRI has them", "the other way round"])
def test_rings_are_sorted_into_polygons(tmp_path: Path, turn: int) -> None:
    rings = [ring[::turn] for ring in (HOLE, SQUARE, FAR, ISLAND)]
    text = esri([{"attributes": {}, "geometry": {"rings": rings}}])
    (found,) = read(tmp_path, "ESRIJSON", text)["a"].shapes
    expected = shapely.MultiPolygon([(SQUARE, [HOLE]), (FAR, []), (ISLAND, [])])
    assert shapely.from_wkt(found).normalize() == expected.normalize()


def test_a_feature_set_without_geometries_is_a_table(tmp_path: Path) -> None:
    fields = [{"name": "n", "type": "esriFieldTypeInteger"}]
    text = json.dumps({"fields": fields, "features": [{"attributes": {"n": 1}}]})
    found = read(tmp_path, "ESRIJSON", text)["a"]
    assert (found.columns, found.rows, found.shapes) == ({"n": "integer"}, [[1]], [])


UTM = {"spatialReference": {"wkid": 25832}}


@pytest.mark.parametrize(
    ("driver", "text", "code", "found"),
    [
        ("TopoJSON", topology('{"type":"LineString","arcs":[7]}'), "unreadable", "the arc 7"),
        ("TopoJSON", topology('{"type":"Circle"}'), "unreadable", "geometry 1 of object 'a'"),
        ("TopoJSON", '{"type":"Topology","objects":[]}', "unreadable", "instead of '{'"),
        ("TopoJSON", '{"type":"Other","objects":{}}', "unknown_format", "'objects'"),
        ("ESRIJSON", "{}", "unknown_format", "an empty JSON object"),
        ("ESRIJSON", esri([{"geometry": {"curveRings": [[]]}}]), "broken_geometry", "true curves"),
        ("ESRIJSON", esri([{"geometry": {"w": 1}}]), "broken_geometry", "instead of a geometry"),
        ("ESRIJSON", esri([], transform={"scale": [1, 1]}), "quantized", "steps on a grid"),
        ("ESRIJSON", esri([{"geometry": {"x": 1, "y": 2, **UTM}}],
         spatialReference={"wkid": 4326}), "mixed_crs", "25832"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, driver: str, text: str, code: str, found: str
) -> None:
    with pytest.raises(SourceError, match=found) as caught:
        read(tmp_path, driver, text)
    assert caught.value.reason.code == f"source.{code}"
