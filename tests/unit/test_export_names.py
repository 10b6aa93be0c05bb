"""Column names of a format that cannot hold all names."""

import pytest

from libs.compute.export_names import MAX_NAME_BYTES, distinct_names

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
        ([LONG], ["x" * 63]),
        ([LONG, LONG + "y"], ["x" * 63, "x" * 61 + "_2"]),
        (["ä" * 40], ["ä" * 31]),
        (["a" + "ä" * 40, "a" + "ä" * 41], ["a" + "ä" * 31, "a" + "ä" * 30 + "_2"]),
        (["日" * 21, "日" * 22], ["日" * 21, "日" * 20 + "_2"]),
        (["🚲" * 16], ["🚲" * 15]),
        ([], []),
    ],
)
def test_names_are_shortened_and_numbered(names: list[str], expected: list[str]) -> None:
    chosen = distinct_names(
        names, reserved=("fid", "geom"), fold_case=True, max_bytes=MAX_NAME_BYTES
    )
    assert chosen == expected


@pytest.mark.parametrize(
    "names",
    [
        ["n"] * 1200,
        [LONG + str(number) for number in range(120)],
        ["é" * 40 + str(number) for number in range(120)],
        [f"{'aA'[number % 2]}_{number // 2}" for number in range(40)] + ["a", "A"] * 30,
    ],
    ids=["equal", "long", "multi-byte", "numbered already"],
)
def test_names_are_distinct_and_fit_whatever_they_were(names: list[str]) -> None:
    chosen = distinct_names(names, fold_case=True, max_bytes=MAX_NAME_BYTES)
    assert len({name.casefold() for name in chosen}) == len(names)
    assert max(len(name.encode()) for name in chosen) <= MAX_NAME_BYTES


def test_names_that_differ_by_case_stay_where_case_counts() -> None:
    names = ["a", "A", LONG]
    assert distinct_names(names, fold_case=False, max_bytes=None) == names


def test_a_name_is_never_empty_where_it_becomes_an_identifier() -> None:
    chosen = distinct_names(["", "", "a"], fold_case=True, max_bytes=MAX_NAME_BYTES)
    assert all(chosen)
