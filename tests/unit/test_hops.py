"""Two hops compared: what may differ, and what is refused."""

import pytest

from libs.compute.measure import TableFacts
from libs.compute.tables import GeometryPlan
from libs.models.errors import FidelityError
from libs.models.fidelity import ColumnFacts, GeometryFacts, HopFacts
from libs.models.version import Column
from libs.pipeline.hops import LINEARISED, appended, require_same, shaped, without_m
from libs.pipeline.state import TransformedTable

COLUMNS = (Column(name="code", type="text"), Column(name="name", type="text"))


def facts(**geometry: object) -> HopFacts:
    return HopFacts(
        rows=3,
        columns=(ColumnFacts(nulls=0, checksum="f" * 16), ColumnFacts(nulls=1, checksum="2" * 16)),
        geometry=GeometryFacts.model_validate(
            {"types": {"Polygon": 3}, "vertices": 12, "bbox": (0, 0, 1, 1), **geometry}
        ),
    )


TABLE = TransformedTable(
    name="roads",
    facts=TableFacts(facts()),
    crs=None,
    columns=COLUMNS,
    file="s3://landing-zone/roads.gpkg",
    layer="roads",
    transformations=(),
)


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        (facts().model_copy(update={"rows": 2}), "rows", "expected 3, found 2"),
        (facts(nulls=1), "null_geometries", "expected 0, found 1"),
        (facts(empties=1), "empty_geometries", "expected 0, found 1"),
        (facts(types={"MultiPolygon": 3}), "geometry_types", "MultiPolygon"),
        (facts(vertices=11), "vertices", "expected 12, found 11"),
        (facts(bbox=(0, 0, 1, 1.0000000000000002)), "extent", "1.0000000000000002"),
        (
            facts().model_copy(
                update={"columns": (facts().columns[0], ColumnFacts(nulls=0, checksum="2" * 16))}
            ),
            "column_nulls", "of 'name': expected 1, found 0",
        ),
        (
            facts().model_copy(
                update={"columns": (ColumnFacts(nulls=0, checksum="0" * 16), facts().columns[1])}
            ),
            "column_values", "of 'code'",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_refused_by_name(found: HopFacts, code: str, said: str) -> None:
    with pytest.raises(FidelityError) as caught:
        require_same(TABLE, "transformed", COLUMNS, facts(), found)
    reason = caught.value.reason
    assert (reason.code, reason.file, reason.layer) == (f"fidelity.{code}", TABLE.file, "roads")
    assert "'roads', transformed: " in reason.message
    assert said in reason.message


def test_what_is_changed_on_purpose_is_not_compared() -> None:
    changed = facts(vertices=90, bbox=(0, 0, 2, 2))
    assert require_same(TABLE, "transformed", COLUMNS, facts(), changed, LINEARISED) == 8
    with pytest.raises(FidelityError, match="null geometries"):
        require_same(TABLE, "transformed", COLUMNS, facts(), facts(nulls=3), LINEARISED)


def test_sources_are_added_up_and_a_missing_column_counts_as_null() -> None:
    whole = appended([facts(), facts(nulls=1)], [(0, 1), (None, 0)], has_geometry=True)
    assert whole.rows == 6
    assert whole.columns == (
        ColumnFacts(nulls=3, checksum="f" * 16),
        ColumnFacts(nulls=1, checksum="2" * 15 + "1"),
    )
    assert whole.geometry == GeometryFacts(
        nulls=1, types={"Polygon": 6}, vertices=24, bbox=(0, 0, 1, 1)
    )


def test_a_source_without_geometry_has_none_in_every_row() -> None:
    table = facts().model_copy(update={"geometry": None})
    whole = appended([facts(), table], [(0, 1), (0, 1)], has_geometry=True)
    assert whole.geometry is not None
    assert whole.geometry.nulls == 3


@pytest.mark.parametrize(
    ("types", "plan", "expected"),
    [
        ({"Polygon": 1, "MultiPolygon": 2}, GeometryPlan("MultiPolygon"), {"MultiPolygon": 3}),
        ({"Point": 1, "Point Z": 2}, GeometryPlan("Point", has_z=True), {"Point Z": 3}),
        ({"CurvePolygon": 1}, GeometryPlan("Polygon"), {"Polygon": 1}),
        ({"CurvePolygon": 1, "MultiSurface": 1}, GeometryPlan("MultiPolygon"), {"MultiPolygon": 2}),
        ({"Point": 1, "Polygon": 1}, GeometryPlan("Geometry"), {"Point": 1, "Polygon": 1}),
    ],
)
def test_types_become_what_the_plan_says(
    types: dict[str, int], plan: GeometryPlan, expected: dict[str, int]
) -> None:
    made = shaped(facts(types=types), plan)
    assert made.geometry is not None
    assert made.geometry.types == expected


def test_m_is_left_out() -> None:
    made = without_m(facts(types={"Point M": 1, "Point ZM": 1, "MultiPoint Z": 1}))
    assert made.geometry is not None
    assert made.geometry.types == {"Point": 1, "Point Z": 1, "MultiPoint Z": 1}
