"""Vector files through the seven phases, and what independent readers find in the lake."""

import io
import json
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models.errors import ContractError, CrsError, SourceError
from libs.models.version import TableVersion, Version
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, multi_layer_geopackage, point

READERS = {"geoparquet": geopandas.read_parquet, "flatgeobuf": geopandas.read_file}
SHAPEFILE_PARTS = tuple(
    f"naturalearth_lowres.{part}" for part in ("shp", "shx", "dbf", "cpg", "prj")
)


def put_sample(line: Line, name: str, *files: str, data: Path) -> list[str]:
    return [line.user.put(f"uploads/{name}/{file}", data / file) for file in files]


def only_table(version: Version) -> TableVersion:
    (table,) = version.tables
    return table


def features(frame: geopandas.GeoDataFrame) -> list[tuple[list[str], Any]]:
    """Return (attribute values, geometry as multi) of each row, in an order of their own."""
    columns = sorted(set(frame.columns) - {"geometry", "bbox"})
    values = frame[columns].astype(object).where(frame[columns].notna(), None).to_numpy()
    rows = [
        ([str(value) for value in row], as_multi(geometry).normalize())
        for row, geometry in zip(values, frame.geometry, strict=True)
    ]
    return sorted(rows, key=lambda row: (row[0], [round(c, 6) for c in row[1].bounds]))


def as_multi(geometry: Any) -> Any:
    if geometry.geom_type.startswith("Multi"):
        return geometry
    return getattr(shapely, f"Multi{geometry.geom_type}")([geometry])


@pytest.mark.parametrize(
    ("files", "reader_path"),
    [
        (("nz-pa-points-topo-150k.gpkg",), "nz-pa-points-topo-150k.gpkg"),
        (("countries.fgb",), "countries.fgb"),
        (("poly.zip",), "poly.zip"),
        (("poly.gpkg.zip",), "poly.gpkg.zip"),
        (("ne_110m_populated_places.geojson",), "ne_110m_populated_places.geojson"),
        (SHAPEFILE_PARTS, "naturalearth_lowres.shp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_published_files_equal_the_source_reprojected(
    line: Line, name: str, data: Path, files: tuple[str, ...], reader_path: str
) -> None:
    version = line.run(name, make_manifest(name, put_sample(line, name, *files, data=data)))

    table = only_table(version)
    source = geopandas.read_file(data / reader_path).to_crs("EPSG:4326")
    expected = features(source)
    for wanted, read in READERS.items():
        published = read(io.BytesIO(lake_bytes(line, table, wanted)))
        assert len(published) == len(source) == table.rows
        assert published.crs == source.crs
        assert published.total_bounds == pytest.approx(source.total_bounds, abs=1e-9)
        for (values, geometry), (own_values, own) in zip(
            features(published), expected, strict=True
        ):
            assert values == own_values, wanted
            assert geometry.equals_exact(own, tolerance=1e-9), wanted


def test_codes_with_leading_zeros_and_big_integers_stay_as_they_are(line: Line, name: str) -> None:
    content = geojson(
        ({"code": "01001", "big": 9007199254740993, "Code": "a"}, point(1, 2)),
        ({"code": None, "big": -1, "Code": "b\tc\n\\N"}, point(3, 4)),
    )
    path = line.user.put(f"uploads/{name}/codes.geojson", content)

    table = only_table(line.run(name, make_manifest(name, [path])))

    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).to_pylist()
    values = [(row["code"], row["big"], row["Code"]) for row in rows]
    assert values == [("01001", 9007199254740993, "a"), (None, -1, "b\tc\n\\N")]
    frame = geopandas.read_file(io.BytesIO(lake_bytes(line, table, "flatgeobuf")))
    frame = frame.sort_values("big", ascending=False)
    assert list(frame["code"].fillna("")) == ["01001", ""]
    assert list(frame["Code_2"]) == ["a", "b\tc\n\\N"], "FlatGeobuf's names are made distinct"


def test_all_layers_become_tables(line: Line, name: str, tmp_path: Path) -> None:
    source = multi_layer_geopackage(tmp_path / "layers.gpkg")
    path = line.user.put(f"uploads/{name}/layers.gpkg", source)

    version = line.run(name, make_manifest(name, [path]))

    found = {t.name: (t.rows, t.crs, [o.format for o in t.outputs]) for t in version.tables}
    assert found == {
        "countries": (177, "EPSG:4326", ["geoparquet", "flatgeobuf"]),
        "places": (243, "EPSG:4326", ["geoparquet", "flatgeobuf"]),
        "population": (177, None, ["parquet"]),
    }
    codes = pq.read_table(io.BytesIO(lake_bytes(line, version.tables[2], "parquet")))
    assert codes.column("iso_a3").to_pylist().count("FJI") == 1


def test_empty_layers_become_empty_valid_files(line: Line, name: str, data: Path) -> None:
    version = line.run(
        name, make_manifest(name, put_sample(line, name, "fells_loop.gpx", data=data))
    )

    rows = {table.name: table.rows for table in version.tables}
    assert rows == {
        "waypoints": 86, "routes": 1, "tracks": 0, "route_points": 46, "track_points": 0,
    }  # fmt: skip
    tracks = next(table for table in version.tables if table.name == "tracks")
    frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, tracks, "geoparquet")))
    assert len(frame) == 0
    assert "name" in frame.columns
    assert frame.crs == "EPSG:4326"


def test_files_of_one_table_are_appended(line: Line, name: str) -> None:
    north = line.user.put(f"uploads/{name}/n.geojson", geojson(({"id": "01"}, point(1, 2))))
    south = line.user.put(f"uploads/{name}/s.geojson", geojson(({"id": "02"}, point(1, -2))))

    table = only_table(line.run(name, make_manifest(name, [north, south])))

    assert table.rows == 2
    assert [(source.file, source.rows) for source in table.sources] == [(north, 1), (south, 1)]
    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).to_pylist()
    assert sorted(row["id"] for row in rows) == ["01", "02"]


def test_appending_other_columns_is_refused_with_the_difference(line: Line, name: str) -> None:
    north = line.user.put(f"uploads/{name}/n.geojson", geojson(({"id": "01"}, point(1, 2))))
    south = line.user.put(f"uploads/{name}/s.geojson", geojson(({"id": 2}, point(1, -2))))

    with pytest.raises(SourceError) as refused:
        line.run(name, make_manifest(name, [north, south]))

    assert refused.value.reason.code == "source.columns_differ"
    assert "id text" in str(refused.value)
    assert "id integer" in str(refused.value)
    assert refused.value.reason.file == south


def test_rows_without_geometry_go_to_a_format_that_holds_them(line: Line, name: str) -> None:
    content = geojson(({"id": 1}, point(1, 2)), ({"id": 2}, None))
    path = line.user.put(f"uploads/{name}/nulls.geojson", content)

    version = line.run(name, make_manifest(name, [path]))

    table = only_table(version)
    assert {name: facts.rows for name, facts in table.hops.written.items()} == {
        "geoparquet": 2,
        "gpkg": 2,
    }
    assert "output.other_format" in {warn.code for warn in version.warnings}


def test_z_is_kept_in_every_output(line: Line, name: str) -> None:
    content = geojson(({"id": 1}, {"type": "Point", "coordinates": [1, 2, 3.5]}))
    path = line.user.put(f"uploads/{name}/z.geojson", content)

    table = only_table(line.run(name, make_manifest(name, [path])))

    assert table.geometry_types == ("Point Z",)
    for wanted, read in READERS.items():
        frame = read(io.BytesIO(lake_bytes(line, table, wanted)))
        assert frame.geometry[0].z == 3.5, wanted


def test_geoparquet_carries_the_metadata_of_its_specification(
    line: Line, name: str, data: Path
) -> None:
    paths = put_sample(line, name, "poly.gpkg.zip", data=data)
    manifest = make_manifest(name, paths, options={"target_crs": "source"})

    table = only_table(line.run(name, manifest))

    file = pq.ParquetFile(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Polygon"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 27700}
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert column["bbox"] == pytest.approx(table.bbox)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    boxes = file.read().column("bbox").to_pylist()
    assert min(box["xmin"] for box in boxes) == pytest.approx(table.bbox[0])


def test_missing_crs_is_refused_with_the_remedy(line: Line, name: str, data: Path) -> None:
    paths = put_sample(line, name, *SHAPEFILE_PARTS[:4], data=data)

    with pytest.raises(CrsError) as refused:
        line.run(name, make_manifest(name, paths))

    assert refused.value.reason.code == "crs.missing"
    assert "files[].crs" in refused.value.reason.remedy
    assert refused.value.reason.layer == "naturalearth_lowres"


def test_declared_crs_stands_in_for_a_missing_one(line: Line, name: str, data: Path) -> None:
    manifest = make_manifest(name, put_sample(line, name, *SHAPEFILE_PARTS[:4], data=data))
    manifest["files"][0]["crs"] = "EPSG:4326"

    assert only_table(line.run(name, manifest)).rows == 177


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        ({"geometry_types": ["LineString"]}, "contract.geometry_types"),
        ({"bbox": [0, 0, 1, 1]}, "contract.bbox"),
        ({"crs": "EPSG:3857"}, "contract.crs"),
        ({"key": ["continent"]}, "contract.key"),
        ({"columns": {"name": "integer"}}, "contract.columns"),
        ({"min_rows": 178}, "contract.min_rows"),
        ({"max_rows": 176}, "contract.max_rows"),
    ],
)
def test_a_breach_of_the_contract_is_refused(
    line: Line, name: str, data: Path, contract: dict[str, Any], code: str
) -> None:
    paths = put_sample(line, name, *SHAPEFILE_PARTS, data=data)

    with pytest.raises(ContractError) as refused:
        line.run(name, make_manifest(name, paths, contract=contract))

    assert refused.value.reason.code == code
    assert line.clients.catalog.latest(f"test/{name}") is None


def test_a_kept_contract_is_published(line: Line, name: str, data: Path) -> None:
    contract = {
        "geometry_types": ["MultiPolygon"],
        "bbox": [-180.1, -90, 180.1, 90],
        "crs": "EPSG:4326",
        "key": ["name"],
        "columns": {"pop_est": "bigint", "name": "text"},
        "min_rows": 177,
        "max_rows": 177,
    }
    paths = put_sample(line, name, *SHAPEFILE_PARTS, data=data)

    assert line.run(name, make_manifest(name, paths, contract=contract)).version == 1


def test_intents_bring_their_geometry_types(line: Line, name: str, data: Path) -> None:
    paths = put_sample(line, name, *SHAPEFILE_PARTS, data=data)

    with pytest.raises(ContractError, match="LineString"):
        line.run(name, make_manifest(name, paths, intent="ingest_road_network"))


def test_repair_makes_invalid_geometries_valid(line: Line, name: str, data: Path) -> None:
    paths = put_sample(line, name, "countries.fgb", data=data)

    kept = line.run(name, make_manifest(name, paths))
    repaired = line.run(f"{name}-2", make_manifest(f"{name}-2", paths, options={"repair": True}))

    assert "geometry.invalid" in {warn.code for warn in kept.warnings}
    assert "geometry.invalid" not in {warn.code for warn in repaired.warnings}
    assert only_table(repaired).rows == 179


def test_a_geopackage_with_geometries_alone_is_published(line: Line, name: str) -> None:
    frame = geopandas.GeoDataFrame(geometry=[shapely.Point(1, 2)], crs="EPSG:4326")
    buffer = io.BytesIO()
    frame.to_file(buffer, driver="GPKG")
    path = line.user.put(f"uploads/{name}/bare.gpkg", buffer.getvalue())

    table = only_table(line.run(name, make_manifest(name, [path])))

    assert (table.rows, table.bbox, table.columns) == (1, (1, 2, 1, 2), ())


def test_custom_crs_without_a_code_is_reprojected(line: Line, name: str) -> None:
    wkt = "+proj=tmerc +lat_0=10 +lon_0=20 +k=1 +x_0=500000 +y_0=0 +ellps=GRS80 +units=m"
    content = geojson(({"id": 1}, point(500000, 0)), crs=None)
    path = line.user.put(f"uploads/{name}/local.fgb", as_fgb(content, wkt))

    table = only_table(line.run(name, make_manifest(name, [path])))

    assert table.bbox == pytest.approx((20, 10, 20, 10), abs=1e-6)


def as_fgb(content: bytes, crs: str) -> bytes:
    frame = geopandas.read_file(io.BytesIO(content)).set_crs(crs, allow_override=True)
    buffer = io.BytesIO()
    frame.to_file(buffer, driver="FlatGeobuf")
    return buffer.getvalue()
