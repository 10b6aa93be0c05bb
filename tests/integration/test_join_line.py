"""Joins of published datasets, held against an independent computation by geopandas."""

import io
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models.errors import JoinError
from libs.models.version import TableVersion
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point

COUNTRIES = [f"naturalearth_lowres.{part}" for part in ("shp", "shx", "dbf", "cpg", "prj")]


def publish(line: Line, dataset_id: str, *files: Path | tuple[str, bytes]) -> None:
    """Publish files as a dataset."""
    name = dataset_id.replace("/", "-")
    paths = [
        line.user.put(f"uploads/{name}/{file[0]}", file[1])
        if isinstance(file, tuple)
        else line.user.put(f"uploads/{name}/{file.name}", file)
        for file in files
    ]
    line.run(name, make_manifest(name, paths, dataset_id=dataset_id))


def join(line: Line, name: str, left: str, right: str, **options: Any) -> TableVersion:
    """Join the newest versions of two datasets."""
    inputs = [{"dataset_id": left}, {"dataset_id": right}]
    version = line.run(name, join_manifest(name, inputs, options))
    (table,) = version.tables
    return table


def join_manifest(
    name: str, inputs: list[dict[str, Any]], options: dict[str, Any]
) -> dict[str, Any]:
    manifest = make_manifest(
        name, [], intent="join_datasets", dataset_id=f"joined/{name}", inputs=inputs,
        options=options,
    )  # fmt: skip
    del manifest["files"]
    return manifest


def read(line: Line, table: TableVersion) -> geopandas.GeoDataFrame:
    """Return the published GeoParquet."""
    return geopandas.read_parquet(io.BytesIO(content(line, table)))


def content(line: Line, table: TableVersion) -> bytes:
    return lake_bytes(line, table, "geoparquet" if table.crs else "parquet")


def codes(name: str, *rows: tuple[Any, ...]) -> tuple[str, bytes]:
    """Return a file of (code, value) rows without geometry."""
    return f"{name}.geojson", geojson(*(({"code": c, "value": v}, None) for c, v in rows))


@pytest.fixture
def countries(line: Line, data: Path, name: str) -> str:
    publish(line, f"{name}/countries", *(data / file for file in COUNTRIES))
    return f"{name}/countries"


@pytest.fixture
def places(line: Line, data: Path, name: str) -> str:
    publish(line, f"{name}/places", data / "ne_110m_populated_places.geojson")
    return f"{name}/places"


@pytest.fixture
def sources(data: Path) -> tuple[geopandas.GeoDataFrame, geopandas.GeoDataFrame]:
    return (
        geopandas.read_file(data / "ne_110m_populated_places.geojson"),
        geopandas.read_file(data / "naturalearth_lowres.shp"),
    )


@pytest.mark.parametrize("how", ["left", "inner", "right", "outer"])
def test_a_join_by_key_equals_that_of_pandas(
    line: Line, name: str, places: str, countries: str, sources: Any, how: str
) -> None:
    on = [{"left": "ADM0_A3", "right": "iso_a3"}]

    table = join(line, name, places, countries, how=how, on=on)

    left, right = (pd.DataFrame(frame.drop(columns="geometry")) for frame in sources)
    expected = left.merge(
        right.add_prefix("r_"), how=how, left_on="ADM0_A3", right_on="r_iso_a3", indicator=True
    )
    published = read(line, table)
    assert len(published) == table.rows == len(expected)
    assert pairs(published, "NAME", "iso_a3") == pairs(expected, "NAME", "r_iso_a3")
    assert sorted(published["pop_est"].dropna()) == sorted(expected["r_pop_est"].dropna())
    matched = expected[expected["_merge"] == "both"]
    assert table.join is not None
    assert table.join.left_matched == matched["NAME"].size


def pairs(frame: Any, left: str, right: str) -> list[tuple[str, str]]:
    columns = frame[[left, right]].astype(object).where(frame[[left, right]].notna(), "∅")
    return sorted((str(a), str(b)) for a, b in columns.to_numpy())


@pytest.mark.parametrize(
    ("left_name", "right_name", "predicate"),
    [("places", "countries", "within"), ("countries", "places", "contains"),
     ("places", "countries", "intersects")],
)  # fmt: skip
def test_a_join_by_predicate_equals_that_of_geopandas(
    line: Line, name: str, request: Any, sources: Any, left_name: str, right_name: str,
    predicate: str,
) -> None:  # fmt: skip
    frames = dict(zip(("places", "countries"), sources, strict=True))
    left, right = request.getfixturevalue(left_name), request.getfixturevalue(right_name)

    table = join(line, name, left, right, how="left", predicate=predicate)

    expected = frames[left_name].sjoin(
        frames[right_name].add_prefix("r_").set_geometry("r_geometry"),
        how="left", predicate=predicate,
    )  # fmt: skip
    published = read(line, table)
    columns = ("NAME", "iso_a3") if left_name == "places" else ("iso_a3", "NAME")
    assert pairs(published, *columns) == pairs(expected, columns[0], f"r_{columns[1]}")
    assert published.total_bounds == pytest.approx(frames[left_name].total_bounds)
    rights = shapely.from_wkb(published["right_geometry"].dropna().tolist())
    assert {g.geom_type for g in rights} == set(
        frames[right_name].geom_type.map(lambda t: "MultiPolygon" if "Polygon" in t else t)
    )


def test_nearest_gives_the_distance_in_metres(line: Line, name: str) -> None:
    publish(line, f"{name}/a", ("a.geojson", geojson(({"a": "x"}, point(0, 0)))))
    far = geojson(({"b": "near"}, point(0, 0.01)), ({"b": "far"}, point(0, 0.02)))
    publish(line, f"{name}/b", ("b.geojson", far))

    table = join(line, name, f"{name}/a", f"{name}/b", predicate="nearest", max_distance_m=5000)

    (row,) = pq.read_table(io.BytesIO(content(line, table))).to_pylist()
    assert (row["a"], row["b"]) == ("x", "near")
    assert row["distance_m"] == pytest.approx(1105.74, abs=0.1)


def test_a_join_says_what_it_repaired_and_the_ways_it_went(line: Line, name: str) -> None:
    bowtie = {"type": "Polygon", "coordinates": [[[8, 50], [9, 51], [9, 50], [8, 51], [8, 50]]]}
    (a, options) = (f"{name}/a", {"target_crs": "EPSG:25832"})
    path = line.user.put(f"uploads/{name}/a.geojson", geojson(({"a": 1}, bowtie)))
    line.run(f"{name}-a", make_manifest(f"{name}-a", [path], dataset_id=a, options=options))
    inside = geojson(({"b": 1}, point(8.9, 50.5)), ({"b": 2}, point(8.5, 50.9)))
    publish(line, f"{name}/b", ("b.geojson", inside))
    inputs = [{"dataset_id": a}, {"dataset_id": f"{name}/b"}]
    options = {"predicate": "intersects", "how": "inner"}

    repaired = line.run(name, join_manifest(name, inputs, options | {"repair": True}))
    kept = line.run(f"{name}-2", join_manifest(f"{name}-2", inputs, options))

    (warning,) = [warn for warn in repaired.warnings if warn.code == "geometry.repaired"]
    assert (warning.file, warning.layer) == (f"{a}@1", "a")
    assert "1 invalid geometries were repaired; 1 Polygon became MultiPolygon" in warning.message
    assert "geometry.invalid" in {warn.code for warn in kept.warnings}
    for version in (repaired, kept):
        (table,) = version.tables
        assert [(way.source_crs, way.target_crs) for way in table.transformations] == [
            ("EPSG:4326", "EPSG:25832"),
            ("EPSG:25832", "EPSG:4326"),
        ]
        rows = read(line, table)
        assert list(rows["b"]) == [1]
        (right,) = shapely.from_wkb(rows["right_geometry"].tolist())
        assert right.distance(shapely.Point(8.9, 50.5)) < 1e-8


def test_codes_with_leading_zeros_meet_as_text(line: Line, name: str) -> None:
    publish(line, f"{name}/a", ("a.geojson", geojson(({"code": "01001"}, point(1, 2)))))
    publish(line, f"{name}/b", codes("b", ("01001", "yes"), ("1001", "no")))

    table = join(
        line, name, f"{name}/a", f"{name}/b", on=[{"left": "code", "right": "code"}], how="inner"
    )

    (row,) = pq.read_table(io.BytesIO(content(line, table))).to_pylist()
    assert (row["code"], row["right_code"], row["value"]) == ("01001", "01001", "yes")
    assert shapely.from_wkb(row["geometry"]) == shapely.Point(1, 2)


def test_tables_without_geometry_join_to_parquet(line: Line, name: str) -> None:
    publish(line, f"{name}/a", codes("a", ("1", "x"), ("2", "y")))
    publish(line, f"{name}/b", codes("b", ("1", "z")))

    table = join(line, name, f"{name}/a", f"{name}/b", on=[{"left": "code", "right": "code"}])

    rows = pq.read_table(io.BytesIO(content(line, table))).to_pylist()
    assert sorted((r["code"], r["value"], r["right_value"] or "") for r in rows) == [
        ("1", "x", "z"),
        ("2", "y", ""),
    ]


@pytest.mark.parametrize(
    ("left", "right", "options", "code"),
    [
        ([("1", "x")], [("2", "y")], {}, "join.no_match"),
        ([("1", "x"), ("9", "x")], [("1", "y")], {"min_match_rate": 0.6}, "join.match_rate"),
        ([("1", "x")], [("1", "y"), ("1", "z")], {"expect": "many_to_one"}, "join.not_many_to_one"),
        ([("1", "x"), ("1", "y")], [("1", "y")], {"expect": "one_to_one"}, "join.not_one_to_one"),
        ([("1", "x")], [(1, "y")], {}, "join.key_types_differ"),
    ],
)
def test_a_join_that_falls_short_is_refused(
    line: Line, name: str, left: Any, right: Any, options: dict[str, Any], code: str
) -> None:
    publish(line, f"{name}/a", codes("a", *left))
    publish(line, f"{name}/b", codes("b", *right))

    with pytest.raises(JoinError) as refused:
        join(
            line, name, f"{name}/a", f"{name}/b", on=[{"left": "code", "right": "code"}], **options
        )

    assert refused.value.reason.code == code
    assert line.clients.catalog.latest(f"joined/{name}") is None


def test_no_match_is_published_where_it_is_allowed(line: Line, name: str) -> None:
    publish(line, f"{name}/a", codes("a", ("1", "x")))
    publish(line, f"{name}/b", codes("b", ("2", "y")))
    on = [{"left": "code", "right": "code"}]

    table = join(line, name, f"{name}/a", f"{name}/b", on=on, allow_no_match=True)

    assert table.rows == 1
    assert table.join is not None
    assert (table.join.left_matched, table.join.match_rate) == (0, 0)


def test_lineage_names_the_pinned_versions(line: Line, name: str) -> None:
    publish(line, f"{name}/a", codes("a", ("1", "old")))
    publish(line, f"{name}/b", codes("b", ("1", "y")))
    label = f"{name}-2"
    path = line.user.put(f"uploads/{label}/new.geojson", codes("a", ("1", "new"))[1])
    line.run(label, make_manifest(label, [path], dataset_id=f"{name}/a"))
    inputs = [{"dataset_id": f"{name}/a", "version": 1}, {"dataset_id": f"{name}/b"}]

    version = line.run(
        name, join_manifest(name, inputs, {"on": [{"left": "code", "right": "code"}]})
    )

    line.clients.catalog.record_lineage(version)
    edges = line.clients.catalog.database.lineage.find({"dataset_id": f"joined/{name}"})
    assert sorted(edge["input"] for edge in edges) == [f"{name}/a@1", f"{name}/b@1"]
    (row,) = pq.read_table(io.BytesIO(content(line, version.tables[0]))).to_pylist()
    assert row["value"] == "old"
