"""The way from one CRS to another: what it is called, how exact it is, whether it was taken."""

import math

import pytest
from pyproj import Transformer

from libs.models.errors import CrsError
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.operations import Move, Point, describe_transformation, describe_way

WGS84 = parse_crs("EPSG:4326")
ENGINEERING = (
    'ENGCRS["Undefined Cartesian SRS with unknown unit",EDATUM["Unknown engineering datum"],'
    'CS[Cartesian,2],AXIS["X",unspecified,ORDER[1],LENGTHUNIT["unknown",0]],'
    'AXIS["Y",unspecified,ORDER[2],LENGTHUNIT["unknown",0]]]'
)


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


def moves(source: str, *points: Point, shift: float = 0.0) -> list[Move]:
    transformer = Transformer.from_crs(source, "EPSG:4326", always_xy=True)
    found = [transformer.transform(*point) for point in points]
    return [
        Move(before, (x + shift, y, *z)) for before, (x, y, *z) in zip(points, found, strict=True)
    ]


def test_points_take_the_operations_of_the_areas_in_which_they_lie() -> None:
    spain, norway = (-3.0, 40.0), (10.0, 62.0)
    found = describe_way(parse_crs("EPSG:4230"), WGS84, moves("EPSG:4230", spain, norway, spain))
    assert len({item.name for item in found.transformations}) == 2
    assert [item.is_confirmed for item in found.transformations] == [True, True]
    assert (found.points, found.outside) == (3, {})


def test_points_that_lie_elsewhere_than_the_operation_puts_them_are_told() -> None:
    moved = moves("EPSG:25832", (500_000.0, 5_500_000.0), shift=1e-5)
    found = describe_way(parse_crs("EPSG:25832"), WGS84, moved)
    assert found.transformations[0].is_confirmed is False
    assert found.difference_m == pytest.approx(1.11, rel=0.01)


def test_points_outside_the_area_of_a_crs_are_counted() -> None:
    moved = moves("EPSG:25832", (500_000.0, 5_500_000.0), (500_000.0, -5_500_000.0))
    assert describe_way(parse_crs("EPSG:25832"), WGS84, moved).outside == {"EPSG:25832": 1}


def test_an_operation_that_lacks_its_grid_names_it() -> None:
    moved = moves("EPSG:27700", (530_000.0, 180_000.0))
    (found,) = describe_way(parse_crs("EPSG:27700"), WGS84, moved).transformations
    assert found.accuracy_m == 2.0
    assert any("OSTN15" in grid for grid in found.missing_grids)


def test_an_unknown_datum_is_a_ballpark_without_accuracy() -> None:
    (found,) = describe_way(parse_crs("+proj=longlat +ellps=bessel"), WGS84, []).transformations
    assert (found.is_ballpark, found.accuracy_m, found.is_confirmed) == (True, None, None)


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
