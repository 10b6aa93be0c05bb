"""The corpus sees what it must see: which files are one drop, and every difference."""

from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from pyproj import CRS

from tests.corpus.comparison import cell_differences, differences, unexplained
from tests.corpus.content import Content, instant
from tests.corpus.drops import find_drops
from tests.corpus.odd_files.case import Outcome, published, published_or_rejected, rejected

POINTS = [shapely.to_wkb(shapely.Point(n, 50)) for n in range(3)]
TABLE = Content(("n", "name"), ([1, 2, 3], ["a", "b", None]), POINTS, CRS("EPSG:4326"), 3)


def columns(*values: list[object]) -> Content:
    return replace(TABLE, columns=values)


def test_parts_of_a_set_are_one_drop(tmp_path: Path) -> None:
    names = (
        "a.shp", "a.shx", "a.DBF", "a.shp.xml", "b.tab", "b.dat", "b.map", "c.tif", "c.tfw",
        "c.geojson", "lone.dbf", "deep/a.shp", "d.gdb/a0.gdbtable",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    drops = {drop.label: drop for drop in find_drops(tmp_path, tmp_path.parent / "scratch")}

    assert {label: len(drop.files) for label, drop in drops.items()} == {
        "a.shp": 4, "b.tab": 3, "c.tif": 2, "c.geojson": 1, "lone.dbf": 1, "deep/a.shp": 1,
        "d.gdb": 1,
    }  # fmt: skip
    assert drops["d.gdb"].files[0].name == "d.gdb.zip"
    assert drops["c.tif"].kind == "raster"


def test_the_same_rows_in_another_order_are_no_difference() -> None:
    other = replace(columns([3, 1, 2], [None, "a", "b"]), geometry=[POINTS[n] for n in (2, 0, 1)])
    assert differences([TABLE], other, None) == []


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (replace(TABLE, rows=2), "rows"),
        (replace(TABLE, names=("n", "nom")), "names"),
        (columns([1, 2, 4], ["a", "b", None]), "values"),
        (columns([1, 2, 3], ["a", "b", ""]), "values"),
        (columns([2, 1, 3], ["a", "b", None]), "rows"),
        (replace(TABLE, geometry=[*POINTS[:2], None]), "nulls"),
        (
            replace(TABLE, geometry=[*POINTS[:2], shapely.to_wkb(shapely.Point(2, 51))]),
            "coordinates",
        ),
        (replace(TABLE, geometry=[*POINTS[:2], shapely.to_wkb(shapely.Point(2, 50, 1))]), "z"),
    ],
)
def test_a_difference_is_seen(changed: Content, what: str) -> None:
    assert what in {difference.what for difference in differences([TABLE], changed, None)}


def test_a_reprojected_table_is_compared_by_its_extent() -> None:
    mercator = [shapely.to_wkb(shapely.Point(0, 0)), None, None]
    there = replace(TABLE, geometry=mercator, crs=CRS("EPSG:3857"))
    assert differences([there], replace(there, crs=CRS("EPSG:4326")), None) == []
    moved = replace(there, crs=CRS("EPSG:4326"), geometry=[POINTS[0], None, None])
    assert [item.what for item in differences([there], moved, None)] == ["extent"]


def test_a_warning_excuses_what_it_explains_and_nothing_else() -> None:
    found = differences([TABLE], replace(TABLE, names=("n", "nom"), rows=2), None)
    assert [item.what for item in unexplained(found, ["output.column_renamed"])] == ["rows"]


def test_cells_are_held_against_what_their_author_knows() -> None:
    assert cell_differences(TABLE, {"n": [3, 2, 1]}) == []
    (difference,) = cell_differences(TABLE, {"name": ["a", "ä", None]})
    assert "'ä'" in difference.detail


def test_a_time_without_zone_is_no_instant() -> None:
    assert instant("2026-03-29T02:30:00") != instant("2026-03-29T02:30:00Z")
    assert instant("2026-03-29T02:30:00+02:00") == instant("2026-03-29T00:30:00Z")


@pytest.mark.parametrize(
    ("expectation", "status", "code", "is_met"),
    [
        (published(rows=3), "published", "", True),
        (published(rows=4), "published", "", False),
        (published("geometry.invalid"), "published", "", True),
        (published("geometry.other"), "published", "", False),
        (published(), "rejected", "crs.missing", False),
        (rejected("crs.*"), "rejected", "crs.missing", True),
        (rejected("crs.*"), "failed", "crs.missing", False),
        (rejected("crs.*"), "published", "", False),
        (published_or_rejected("crs.*"), "published", "", True),
        (published_or_rejected("crs.*"), "rejected", "source.junk", False),
    ],
)
def test_an_expectation_is_met_or_not(
    expectation: object, status: str, code: str, is_met: bool
) -> None:
    outcome = Outcome(status, code, ("geometry.invalid",), 3, None)
    assert (expectation.judge(outcome) == "met") == is_met
