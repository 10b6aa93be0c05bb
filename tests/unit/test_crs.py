"""The door to CRSs: reading, naming, comparing, and the way from one to another."""

import math

import pytest
from pyproj import CRS

from libs.models.errors import CrsError
from libs.spatial_utils.crs import Crs, describe_transformation, parse_crs

ESRI_UTM = (
    'PROJCS["ETRS_1989_UTM_Zone_32N",GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",'
    'SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",9.0],PARAMETER["Scale_Factor",0.9996],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
CUSTOM = "+proj=tmerc +lat_0=49 +lon_0=9.5 +k=0.9999 +x_0=1000 +ellps=GRS80 +units=m +type=crs"
ENGINEERING = (
    'ENGCRS["Undefined Cartesian SRS with unknown unit",EDATUM["Unknown engineering datum"],'
    'CS[Cartesian,2],AXIS["X",unspecified,ORDER[1],LENGTHUNIT["unknown",0]],'
    'AXIS["Y",unspecified,ORDER[2],LENGTHUNIT["unknown",0]]]'
)


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


def way(source: str, target: str = "EPSG:4326", bbox: tuple | None = None):
    return describe_transformation(parse_crs(source), parse_crs(target), bbox)


def test_a_transformation_tells_its_name_and_accuracy() -> None:
    found = way("EPSG:25832")
    assert (found.source_crs, found.target_crs) == ("EPSG:25832", "EPSG:4326")
    assert "ETRS89 to WGS 84" in found.name
    assert found.accuracy_m == 1.0
    assert not found.is_ballpark


def test_a_change_of_projection_alone_is_exact() -> None:
    found = way("EPSG:32632")
    assert found.accuracy_m == 0.0
    assert not found.is_ballpark


def test_a_ballpark_transformation_says_so_and_claims_no_accuracy() -> None:
    found = way("EPSG:4258", bbox=(-150.0, -60.0, -140.0, -50.0))
    assert found.is_ballpark
    assert found.accuracy_m is None


def test_the_area_of_the_data_chooses_the_transformation() -> None:
    spain, norway = (-8.0, 37.0, 0.0, 43.0), (5.0, 58.0, 10.0, 62.0)
    assert way("EPSG:4230", bbox=spain).name != way("EPSG:4230", bbox=norway).name


def test_a_transformation_that_lacks_its_grid_is_described_without_a_warning() -> None:
    assert way("EPSG:31467").accuracy_m == pytest.approx(3.0)


def test_another_body_has_no_way_to_earth() -> None:
    with pytest.raises(CrsError) as caught:
        way("IAU_2015:30100")
    assert caught.value.reason.code == "crs.no_transformation"


def test_an_engineering_crs_has_no_way_to_earth() -> None:
    with pytest.raises(CrsError) as caught:
        way(ENGINEERING)
    assert "'Undefined Cartesian SRS with unknown unit'" in caught.value.reason.message


@pytest.mark.parametrize(
    "bbox",
    [(math.nan,) * 4, (-math.inf, -math.inf, math.inf, math.inf), (500_000.0, 0.0, 600_000.0, 1.0)],
    ids=["NaN", "infinite", "no degrees"],
)
def test_an_extent_that_is_no_area_is_not_used(bbox: tuple[float, float, float, float]) -> None:
    assert way("EPSG:4258", bbox=bbox).source_crs == "EPSG:4258"


def test_a_crs_is_a_value() -> None:
    assert parse_crs("EPSG:4326") == Crs(parse_crs("EPSG:4326").wkt)
