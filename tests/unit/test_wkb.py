"""Geometries counted from their WKB, and WKB that is none."""

import pyarrow as pa
import pytest
import shapely

from libs.fidelity.wkb import GeometryTally, WkbError

LINE = shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)]))


def tally(*values: bytes | None) -> GeometryTally:
    counted = GeometryTally()
    counted.add(pa.array(values, pa.binary()))
    return counted


@pytest.mark.parametrize("times", [1, 100], ids=["one by one", "all together"])
@pytest.mark.parametrize(
    "wkb",
    [LINE[:-1], LINE[:3], b"", b"\x07" + LINE[1:], LINE[:1] + b"\x63\x00\x00\x00" + LINE[5:]],
    ids=["too short", "no header", "nothing", "another byte order", "unknown type"],
)
def test_what_is_not_wkb_is_refused_by_its_position(wkb: bytes, times: int) -> None:
    with pytest.raises(WkbError) as caught:
        tally(*[LINE] * times, wkb, *[LINE] * times)
    assert caught.value.position == times


def test_a_slice_of_an_array_is_counted_alone() -> None:
    whole = pa.array([LINE, None, shapely.to_wkb(shapely.Point(7, 8)), LINE], pa.binary())
    counted = GeometryTally()
    counted.add(whole.slice(1, 2))
    assert (counted.nulls, counted.vertices, counted.bbox) == (1, 1, (7, 8, 7, 8))


@pytest.mark.parametrize("times", [1, 100], ids=["one by one", "all together"])
def test_a_hole_outside_its_shell_counts_for_vertices_only(times: int) -> None:
    shells = [shapely.box(0, 0, 10, 10).exterior, shapely.box(20, 0, 30, 10).exterior]
    hole = shapely.box(50, 50, 60, 60).exterior
    parts = shapely.MultiPolygon([shapely.Polygon(shell, [hole]) for shell in shells])
    counted = tally(*[shapely.to_wkb(parts)] * times)
    assert counted.vertices == 20 * times
    assert counted.bbox == (0, 0, 30, 10)


def test_a_multipolygon_of_many_parts_is_counted() -> None:
    parts = shapely.multipolygons(shapely.box(range(5000), 0, range(1, 5001), 1))
    counted = tally(shapely.to_wkb(parts), LINE)
    assert counted.vertices == 25_002
    assert counted.bbox == (0, 0, 5000, 1)
