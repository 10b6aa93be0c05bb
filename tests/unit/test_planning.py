"""From layers to tables: names, columns, geometry types and CRSs."""

from typing import Any

import pytest

from libs.models.errors import CrsError, SourceError, SpatialEtlError
from libs.pipeline.kinds.planning import plan_tables
from libs.pipeline.kinds.sources import FoundLayer
from libs.pipeline.state import TablePlan
from libs.spatial_utils.layers import GeometryField, LayerCrs
from tests.unit.examples import (
    BUCKET,
    ROADS,
    attribute_layer,
    found,
    geometry_rows,
    layer,
    manifest,
    wkt,
)

OTHER = f"s3://{BUCKET}/uploads/other.gpkg"
LINES = geometry_rows("LineString", 3)


def lines(name: str = "roads", code: int = 4326, **changes: Any) -> Any:
    return layer(name, LINES, crs=wkt(code), **changes)


def plan(*layers: FoundLayer, **options: Any) -> tuple[list[TablePlan], list[str]]:
    """Return the plans of a drop's layers and the codes of its warnings."""
    plans, warnings = plan_tables(manifest(options=options), "transport/roads", layers)
    return plans, [warning.code for warning in warnings]


def refusal(kind: type[SpatialEtlError], *layers: FoundLayer, **options: Any) -> SpatialEtlError:
    with pytest.raises(kind) as caught:
        plan(*layers, **options)
    return caught.value


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([found(lines("anything"))], ["roads"]),
        ([found(lines("a"), is_only=False), found(lines("b"), is_only=False)], ["a", "b"]),
        ([found(lines("a"), table="streets")], ["streets"]),
        ([found(lines("a")), found(lines("b"), path=OTHER)], ["roads"]),
        ([found(lines("a"), table="x"), found(lines("b"), path=OTHER, table="y")], ["x", "y"]),
        ([found(lines("a/b\\c\n"), is_only=False)], ["a_b_c_"]),
        ([found(lines(".."), is_only=False)], ["layer"]),
        ([found(lines("x" * 300), is_only=False)], ["x" * 120]),
        ([found(lines(" "), is_only=False)], ["layer"]),
    ],
    ids=["only", "several", "named", "appended", "apart", "odd", "dots", "long", "blank"],
)
def test_a_table_is_named_by_manifest_layer_or_dataset(
    layers: list[FoundLayer], expected: list[str]
) -> None:
    plans, _ = plan(*layers)
    assert [item.name for item in plans] == expected


def test_a_table_that_cannot_have_its_layers_name_says_so() -> None:
    assert plan(found(lines("a/b"), is_only=False))[1] == ["table.renamed"]
    assert plan(found(lines("a b"), is_only=False))[1] == []


@pytest.mark.parametrize(("first", "second"), [("Roads", "roads"), ("STRASSE", "straße")])
def test_table_names_that_differ_by_case_only_clash(first: str, second: str) -> None:
    error = refusal(
        SourceError, found(lines(), table=first), found(lines(), path=OTHER, table=second)
    )
    assert error.reason.code == "source.table_names_clash"
    assert repr(first) in error.reason.message
    assert repr(second) in error.reason.message


def test_sources_of_one_table_are_appended_in_the_manifests_order() -> None:
    (table,), _ = plan(found(lines("a")), found(lines("b"), path=OTHER))
    assert [source.layer.name for source in table.sources] == ["a", "b"]
    assert [source.file for source in table.sources] == [ROADS, OTHER]


def columns(**types: str) -> Any:
    return lines(columns=types)


def test_columns_in_another_order_are_the_same() -> None:
    (table,), _ = plan(
        found(columns(id="Integer", name="String")),
        found(columns(name="String", id="Integer"), path=OTHER),
    )
    assert [(c.name, c.type) for c in table.columns] == [("id", "integer"), ("name", "text")]
    assert [c.name for c in table.sources[1].columns] == ["name", "id"]


def test_columns_that_differ_are_refused_with_the_difference() -> None:
    error = refusal(
        SourceError,
        found(columns(id="Integer", name="String")),
        found(columns(id="Integer", label="String"), path=OTHER),
    )
    assert error.reason.code == "source.columns_differ"
    assert error.reason.file == OTHER
    assert f"name text only in {ROADS}" in error.reason.message
    assert "label text only here" in error.reason.message


def test_union_columns_fills_what_is_missing() -> None:
    (table,), _ = plan(
        found(columns(id="Integer")),
        found(columns(name="String", id="Integer"), path=OTHER),
        union_columns=True,
    )
    assert [column.name for column in table.columns] == ["id", "name"]


def test_union_columns_never_changes_a_type() -> None:
    error = refusal(
        SourceError,
        found(columns(id="Integer")),
        found(columns(id="String"), path=OTHER),
        union_columns=True,
    )
    assert error.reason.code == "source.columns_differ"
    assert "id integer only in" in error.reason.message
    assert "id text only here" in error.reason.message


def twice_the_same_column() -> tuple[FoundLayer, FoundLayer]:
    """Return a source with the column `a`, and one in which it stands twice."""
    once = columns(a="String")
    return found(once), found(once.model_copy(update={"fields": once.fields * 2}), path=OTHER)


def test_a_column_that_stands_twice_in_one_source_only_differs() -> None:
    error = refusal(SourceError, *twice_the_same_column())
    assert error.reason.code == "source.columns_differ"


def test_union_columns_keeps_a_column_that_stands_twice_in_one_source() -> None:
    (table,), _ = plan(*twice_the_same_column(), union_columns=True)
    assert [column.name for column in table.columns] == ["a", "a"]


def test_a_column_type_nobody_can_hold_is_named() -> None:
    error = refusal(SourceError, found(columns(odd="WideString")))
    assert error.reason.code == "source.unsupported_type"
    assert "WideString (None) in column 'odd'" in error.reason.message


def test_several_geometry_columns_are_refused() -> None:
    two = lines().model_copy(
        update={"geometry_fields": tuple(GeometryField(name=n, crs=None) for n in ("g1", "g2"))}
    )
    error = refusal(SourceError, found(two))
    assert error.reason.code == "source.several_geometry_columns"
    assert "g1, g2" in error.reason.message


def test_a_layer_without_geometry_is_an_attribute_table_without_a_crs() -> None:
    (table,), codes = plan(found(attribute_layer()))
    assert (table.geometry, table.crs, codes) == (None, None, [])


def test_an_attribute_table_appended_to_features_shares_their_table() -> None:
    (table,), _ = plan(found(lines()), found(attribute_layer(), path=OTHER))
    assert table.geometry.type_name == "LineString"
    assert [source.crs is None for source in table.sources] == [False, True]


@pytest.mark.parametrize(
    ("own", "declared", "expected"),
    [
        (25832, None, "EPSG:25832"),
        (None, "EPSG:25832", "EPSG:25832"),
        (25832, "EPSG:25832", "EPSG:25832"),
        (4326, "OGC:CRS84", "OGC:CRS84"),
    ],
    ids=["the file's", "declared", "both", "both, other axis order"],
)
def test_a_source_has_its_own_crs_or_the_declared_one(
    own: int | None, declared: str | None, expected: str
) -> None:
    described = layer("a", LINES, crs=wkt(own) if own else None)
    (table,), _ = plan(found(described, crs=declared))
    assert table.sources[0].crs.name == expected
    assert table.crs.name == "EPSG:4326"


def test_no_crs_anywhere_is_refused_with_the_remedy() -> None:
    error = refusal(CrsError, found(layer("a", LINES)))
    assert error.reason.code == "crs.missing"
    assert "files[].crs" in error.reason.remedy
    assert (error.reason.file, error.reason.layer) == (ROADS, "a")


def test_a_declared_crs_that_contradicts_the_files_is_refused() -> None:
    error = refusal(CrsError, found(lines(code=25833), crs="EPSG:25832"))
    assert error.reason.code == "crs.contradiction"
    assert "expected EPSG:25832" in error.reason.message
    assert "found EPSG:25833" in error.reason.message


@pytest.mark.parametrize(
    ("options", "file"),
    [({"target_crs": "EPSG:0"}, {}), ({}, {"crs": "nonsense"})],
    ids=["target", "declared"],
)
def test_an_unreadable_crs_is_refused(options: dict[str, str], file: dict[str, str]) -> None:
    assert refusal(CrsError, found(lines(), **file), **options).reason.code == "crs.unreadable"


@pytest.mark.parametrize(
    ("codes", "target", "expected"),
    [
        ((25832, 25833), "EPSG:4326", "EPSG:4326"),
        ((25832, 25832), "source", "EPSG:25832"),
        ((25832, 3035), "EPSG:3035", "EPSG:3035"),
    ],
)
def test_a_table_is_in_the_target_crs(codes: tuple[int, int], target: str, expected: str) -> None:
    (table,), _ = plan(
        found(lines(code=codes[0])), found(lines(code=codes[1]), path=OTHER), target_crs=target
    )
    assert table.crs.name == expected
    assert [source.crs.name for source in table.sources] == [f"EPSG:{code}" for code in codes]


def test_sources_in_several_crss_cannot_keep_their_own() -> None:
    error = refusal(
        CrsError, found(lines(code=25832)), found(lines(code=25833), path=OTHER),
        target_crs="source",
    )  # fmt: skip
    assert error.reason.code == "crs.mixed"
    assert "found EPSG:25832, EPSG:25833" in error.reason.message


def test_swapped_axes_are_passed_on_only_where_the_file_says_so() -> None:
    swapped = LayerCrs(wkt=wkt(4326).wkt, is_swapped=True)
    plans = [
        plan(found(layer("a", LINES, crs=swapped)))[0][0],
        plan(found(layer("a", LINES), crs="EPSG:4326"))[0][0],
    ]
    assert [table.sources[0].is_swapped for table in plans] == [True, False]
