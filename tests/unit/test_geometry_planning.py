"""The geometry column of a table: what each type of a source becomes, and what is said of it."""

from dataclasses import dataclass

import pytest

from libs.compute.tables import GeometryPlan
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.geometry_planning import narrowed, plan_geometry
from libs.spatial_utils.layers import Layer
from tests.unit.examples import attribute_layer, geometry_rows, layer


@dataclass(frozen=True)
class Source:
    """A layer of a file."""

    layer: Layer
    file: str = "s3://landing-zone/uploads/a.gpkg"


def plan(*layers: Layer) -> tuple[GeometryPlan, list[Warn]]:
    warnings: list[Warn] = []
    made = plan_geometry("t", [Source(item) for item in layers], warnings)
    assert made is not None
    return made, warnings


def of(*names: str, rows: int = 1, dimensions: str = "") -> Layer:
    return layer("a", *(geometry_rows(name, rows, dimensions) for name in names))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Point"], "Point"),
        (["LineString", "MultiLineString"], "MultiLineString"),
        (["MultiPolygon", "Polygon"], "MultiPolygon"),
        (["Point", "LineString"], "Geometry"),
        (["Point", "MultiPoint", "Polygon"], "Geometry"),
        (["Polygon", "GeometryCollection"], "Geometry"),
        (["GeometryCollection"], "GeometryCollection"),
        (["CurvePolygon"], "Polygon"),
        (["CompoundCurve", "MultiLineString"], "MultiLineString"),
        (["MultiSurface", "CurvePolygon"], "MultiPolygon"),
        (["TIN"], "MultiPolygon"),
        (["PolyhedralSurface", "MultiPolygon", "Polygon"], "MultiPolygon"),
        (["Triangle", "Point"], "Geometry"),
    ],
)
def test_a_table_has_the_type_that_holds_all_its_geometries(
    names: list[str], expected: str
) -> None:
    assert plan(of(*names))[0].type_name == expected


@pytest.mark.parametrize(
    ("declared", "type_name"),
    [("Polygon", "Polygon"), ("Unknown(any)", "Geometry"), ("CompoundCurve", "LineString"),
     ("Curve", "Geometry"), ("TIN", "MultiPolygon")],
)  # fmt: skip
def test_a_layer_without_a_geometry_has_the_type_it_declares(declared: str, type_name: str) -> None:
    assert plan(layer("a", declared=declared, nulls=2))[0].type_name == type_name


def test_the_type_is_common_to_all_sources_and_promotion_is_said() -> None:
    made, warnings = plan(of("LineString", rows=3), of("MultiLineString", rows=2))
    assert made.type_name == "MultiLineString"
    assert [item.code for item in warnings] == ["geometry.promoted_to_multi"]
    assert "3 single geometries became MultiLineString" in warnings[0].message


@pytest.mark.parametrize(
    ("dimensions", "expected", "added"),
    [
        (["", ""], "", 0),
        (["Z", "Z"], "Z", 0),
        (["Z", ""], "Z", 1),
        (["M", "Z"], "ZM", 2),
        (["ZM", "M"], "ZM", 1),
    ],
)
def test_dimensions_are_those_of_any_and_what_is_added_is_said(
    dimensions: list[str], expected: str, added: int
) -> None:
    made, warnings = plan(*(of("Point", rows=5, dimensions=item) for item in dimensions))
    assert made.dimensions == expected
    assert [item.code for item in warnings] == ["geometry.dimension_added"] * added


def test_curves_are_said_to_be_linearised_and_how_well() -> None:
    _, (warning,) = plan(of("CurvePolygon", rows=4))
    assert warning.code == "geometry.linearised"
    assert "4 curved geometries" in warning.message
    assert "% of the radius" in warning.message


def test_surfaces_are_said_to_become_polygons() -> None:
    described = layer("a", geometry_rows("TIN", 2, "Z"), geometry_rows("Polygon", 3, "Z"))
    made, warnings = plan(described)
    assert made.typmod == "MultiPolygonZ"
    assert [item.code for item in warnings] == [
        "geometry.surface_as_multipolygon", "geometry.promoted_to_multi",
    ]  # fmt: skip
    assert "2 geometries with surfaces (TIN)" in warnings[0].message
    assert "3 single geometries" in warnings[1].message


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "Polygon"),
        (["Polygon Z"], "Polygon"),
        (["MultiPolygon Z"], "MultiPolygon"),
        (["Polygon Z", "MultiPolygon Z"], "Geometry"),
    ],
)
def test_a_plan_is_narrowed_to_the_type_that_all_rows_have(found: list[str], expected: str) -> None:
    made = narrowed(GeometryPlan("Polygon", has_z=True), found)
    assert (made.type_name, made.has_z) == (expected, True)


def test_a_geometry_type_nobody_knows_is_named() -> None:
    with pytest.raises(SourceError) as refused:
        plan(of("Surface"))
    assert refused.value.reason.code == "source.unsupported_geometry"
    assert "found Surface" in refused.value.reason.message
    assert (refused.value.reason.file, refused.value.reason.layer) == (Source.file, "a")


def test_sources_without_geometry_have_no_geometry_column() -> None:
    assert plan_geometry("t", [Source(attribute_layer())], []) is None
