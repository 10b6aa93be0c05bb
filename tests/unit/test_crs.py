"""The door to CRSs: reading, naming, comparing."""

import pytest
from pyproj import CRS

from libs.models.errors import CrsError
from libs.spatial_utils.crs import Crs, parse_crs

ESRI_UTM = (
    'PROJCS["ETRS_1989_UTM_Zone_32N",GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",'
    'SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",9.0],PARAMETER["Scale_Factor",0.9996],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
CUSTOM = "+proj=tmerc +lat_0=49 +lon_0=9.5 +k=0.9999 +x_0=1000 +ellps=GRS80 +units=m +type=crs"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EPSG:25832", "EPSG:25832"),
        ("epsg:4326", "EPSG:4326"),
        ("urn:ogc:def:crs:EPSG::25832", "EPSG:25832"),
        ("OGC:CRS84", "OGC:CRS84"),
        (ESRI_UTM, "EPSG:25832"),
        (CRS.from_epsg(3035).to_wkt("WKT1_GDAL"), "EPSG:3035"),
        (CRS.from_epsg(3035).to_json(), "EPSG:3035"),
    ],
    ids=["code", "lower case", "urn", "CRS84", "WKT without authority", "WKT1", "PROJJSON"],
)
def test_a_crs_is_named_by_its_authority(text: str, name: str) -> None:
    crs = parse_crs(text)
    assert crs.name == name
    assert crs.short_name == name
    assert parse_crs(crs.name).equals(crs)


def test_a_custom_crs_is_named_by_its_definition() -> None:
    crs = parse_crs(CUSTOM)
    assert crs.authority is None
    assert crs.name == crs.wkt
    assert crs.short_name == "'unknown'"
    assert parse_crs(crs.name).equals(crs)


@pytest.mark.parametrize(
    "text",
    ["", " ", "source", "EPSG:0", "EPSG:999999", "EPSG:9122", "+proj=nonsense", "PROJCS[", "{",
     "{}", '{"a": 1}', "[1]", "null", "a\x00b", "urn:ogc:def:ellipsoid:EPSG::7030"],
)  # fmt: skip
def test_an_unreadable_crs_names_the_file_and_the_text(text: str) -> None:
    with pytest.raises(CrsError) as caught:
        parse_crs(text, file="s3://landing-zone/a.shp", layer="a")
    reason = caught.value.reason
    assert (reason.code, reason.file, reason.layer) == (
        "crs.unreadable", "s3://landing-zone/a.shp", "a",
    )  # fmt: skip
    assert repr(text) in reason.message


def test_a_long_text_is_shown_shortened() -> None:
    with pytest.raises(CrsError) as caught:
        parse_crs("x" * 5000)
    assert len(caught.value.reason.message) < 300


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("EPSG:4326", "OGC:CRS84", True),
        ("EPSG:25832", ESRI_UTM, True),
        ("EPSG:25832", "EPSG:25833", False),
        ("EPSG:4326", "EPSG:4258", False),
        ("EPSG:25832", CUSTOM, False),
        (CUSTOM, CUSTOM.replace("k=0.9999", "k=0.9998"), False),
        (CUSTOM, parse_crs(CUSTOM).wkt, True),
    ],
    ids=["axis order", "no authority", "zone", "datum", "custom", "a parameter", "itself"],
)
def test_crss_are_equal_where_they_mean_the_same_coordinates(
    first: str, second: str, expected: bool
) -> None:
    assert parse_crs(first).equals(parse_crs(second)) is expected
    assert parse_crs(second).equals(parse_crs(first)) is expected


def test_projjson_is_that_of_the_crs() -> None:
    assert parse_crs("EPSG:25832").projjson["id"] == {"authority": "EPSG", "code": 25832}
    assert "id" not in parse_crs(CUSTOM).projjson


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("EPSG:25832+7837", "EPSG:25832", True),
        ("EPSG:4979", "EPSG:4326", True),
        ("EPSG:31467", "EPSG:5677", True),
        (f"{CUSTOM.replace('+type=crs', '')}+towgs84=1,2,3", CUSTOM, True),
        ("EPSG:4230", "EPSG:4265", False),
        ("EPSG:4258", "EPSG:4326", False),
        ("EPSG:4647", "EPSG:25832", False),
    ],
    ids=["heights", "3D", "order of axes", "TOWGS84", "datum", "ensembles", "zone prefix"],
)
def test_crss_agree_where_x_and_y_mean_the_same(first: str, second: str, expected: bool) -> None:
    assert parse_crs(first).agrees_with(parse_crs(second)) is expected
    assert parse_crs(second).agrees_with(parse_crs(first)) is expected


@pytest.mark.parametrize("name", ["EPSG:900913", "EPSG:3785", "ESRI:102100", "ESRI:102113"])
def test_web_mercator_has_one_name(name: str) -> None:
    assert parse_crs(name).name == "EPSG:3857"


def test_a_code_that_the_definition_does_not_keep_is_dropped() -> None:
    utm = CRS.from_epsg(25832).to_wkt("WKT1_GDAL")
    assert parse_crs(utm).name == "EPSG:25832"
    other = parse_crs(utm.replace("0.9996", "0.9997"))
    assert other.authority is None
    assert "id" not in other.projjson


@pytest.mark.parametrize(
    ("text", "heights"),
    [
        ("EPSG:25832", None),
        ("EPSG:25832+7837", "DHHN2016 height (metre)"),
        ("EPSG:8767", "NAVD88 height (ftUS) (US survey foot)"),
        ("EPSG:4979", "height above the ellipsoid (metre)"),
    ],
)
def test_a_crs_says_what_its_heights_are(text: str, heights: str | None) -> None:
    assert parse_crs(text).height_name == heights


def test_a_crs_is_a_value() -> None:
    assert parse_crs("EPSG:4326") == Crs(parse_crs("EPSG:4326").wkt)
