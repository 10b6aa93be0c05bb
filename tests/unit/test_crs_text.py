"""What .prj files and GeoJSON's crs members say where GDAL keeps silent."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.spatial_utils.crs_text import MAX_TEXT_BYTES, read_crs_text, set_aside_broken_prj

UTM = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
URN = "urn:ogc:def:crs:EPSG::25832"
WKT = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


def collection(rows: int, *, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    feature = {
        "type": "Feature",
        "properties": properties or {},
        "geometry": {"type": "Point", "coordinates": [1, 2]},
    }
    return {"type": "FeatureCollection", "features": [feature] * rows}


@pytest.mark.parametrize("rows", [1, MAX_TEXT_BYTES // 50], ids=["small", "large"])
@pytest.mark.parametrize(
    ("document", "text", "is_null"),
    [
        ({"crs": UTM} | collection(0), URN, False),
        (collection(0) | {"crs": UTM}, URN, False),
        ({"crs": {"type": "EPSG", "properties": {"code": 25832}}}, "EPSG:25832", False),
        ({"crs": None}, "", True),
        ({"crs": "my grid"}, '"my grid"', False),
        ({"metadata": {"crs": UTM}}, "", False),
        ({}, "", False),
    ],
    ids=["before", "after", "old EPSG", "null", "no object", "not at the top", "none"],
)
def test_the_crs_member_is_found_at_the_top_level(
    tmp_path: Path, document: dict[str, Any], text: str, is_null: bool, rows: int
) -> None:
    path = tmp_path / "a.geojson"
    features = collection(rows, properties={"crs": "EPSG:3857"})
    path.write_text(json.dumps({**document, **features, **document}))
    found = read_crs_text(path, "GeoJSON")
    assert (found.text, found.is_null) == (text, is_null)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 50_000, b'{"crs":' + b"[" * 50_000])
def test_a_file_that_is_no_geojson_names_no_crs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    assert read_crs_text(path, "GeoJSON").text == ""


@pytest.mark.parametrize(
    ("text", "is_aside"),
    [(WKT, False), (WKT[:60], True), ('PROJCS["x"]', True), ("no WKT", False), ("", False)],
    ids=["sound", "cut off", "incomplete", "other text", "empty"],
)
def test_a_broken_prj_is_set_aside_and_still_read(
    tmp_path: Path, text: str, is_aside: bool
) -> None:
    shapefile, prj = tmp_path / "roads.shp", tmp_path / "roads.PRJ"
    prj.write_text(text)
    set_aside_broken_prj(shapefile)
    assert prj.exists() is not is_aside
    assert read_crs_text(shapefile, "ESRI Shapefile").text == text
