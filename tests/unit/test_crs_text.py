"""What .prj files and GeoJSON's crs members say where GDAL keeps silent."""

from pathlib import Path

import pytest

from libs.spatial_utils.crs_text import crs_of_member, read_crs_text, set_aside_broken_prj

URN = "urn:ogc:def:crs:EPSG::25832"
WKT = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


@pytest.mark.parametrize(
    ("member", "text", "is_null"),
    [
        (b'{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}', URN, False),
        (b'{"type": "EPSG", "properties": {"code": 25832}}', "EPSG:25832", False),
        (b"null", "", True),
        (b'"my grid"', '"my grid"', False),
        (b"NaM", "NaM", False),
        (None, "", False),
    ],
    ids=["name", "old EPSG", "null", "no object", "no JSON", "none"],
)
def test_a_crs_member_says_its_name(member: bytes | None, text: str, is_null: bool) -> None:
    found = crs_of_member(member)
    assert (found.text, found.is_null) == (text, is_null)


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
