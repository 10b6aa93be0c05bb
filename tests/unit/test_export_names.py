"""Names of columns and layers in a format that cannot hold all names."""

import pytest

from libs.compute.export_names import distinct_names, layer_name, ogr_name, ogr_select

LONG = "x" * 70


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "name"], ["id", "name"]),
        (["a", "A", "a"], ["a", "A_2", "a_3"]),
        (["STRASSE", "straße"], ["STRASSE", "straße_2"]),
        (["a", "a", "a_2"], ["a", "a_2", "a_2_2"]),
        (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
        (["fid", "FID", "Geom"], ["fid_2", "FID_3", "Geom_2"]),
        ([LONG, LONG], [LONG, f"{LONG}_2"]),
        ([], []),
    ],
)
def test_names_are_numbered_where_they_are_not_distinct(
    names: list[str], expected: list[str]
) -> None:
    assert distinct_names(names, reserved=("fid", "geom"), fold_case=True) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["n"] * 1200,
        ["é" * 40 + str(number) for number in range(120)],
        [f"{'aA'[number % 2]}_{number // 2}" for number in range(40)] + ["a", "A"] * 30,
    ],
    ids=["equal", "multi-byte", "numbered already"],
)
def test_names_are_distinct_whatever_they_were(names: list[str]) -> None:
    chosen = distinct_names(names, fold_case=True)
    assert len({name.casefold() for name in chosen}) == len(names)


def test_names_that_differ_by_case_stay_where_case_counts() -> None:
    names = ["a", "A", LONG]
    assert distinct_names(names, fold_case=False) == names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roads", "roads"),
        ("gpkg_roads", "layer_gpkg_roads"),
        ("GPKG", "layer_GPKG"),
        ("sqlite_roads", "layer_sqlite_roads"),
        ("[roads]", "layer_[roads]"),
        ("a.b", "a.b"),
    ],
)
def test_a_layer_that_the_geopackage_driver_refuses_gets_a_prefix(name: str, expected: str) -> None:
    assert layer_name(name, "gpkg") == expected
    assert layer_name(name, "flatgeobuf") == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b", "a b"), ("", "column"), ("a\\", "a_"), ("a\\b", "a\\b"), ("a\nb", "a\nb")],
)
def test_a_name_fits_ogr_sql(name: str, expected: str) -> None:
    assert ogr_name(name) == expected


def test_line_breaks_are_given_up_only_on_demand() -> None:
    assert ogr_name("a\r\nb", without_lines=True) == "a b"


def test_ogr_sql_quotes_names() -> None:
    assert ogr_select(['say "x"', "b"], "s.t") == 'SELECT c0 AS "say \\"x\\"", c1 AS "b" FROM "s.t"'
    assert ogr_select([], "s.t") == 'SELECT * FROM "s.t"'
