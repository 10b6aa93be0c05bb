"""Every vector format that is read, made by GDAL and published: rows, columns, values, geometry."""

import io
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models.errors import SourceError
from libs.models.version import TableVersion, Version
from tests.integration import documents
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point

CITIES = geojson(
    ({"code": "01001", "people": 415367, "area": 87.88, "note": "Zürich <&>"}, point(8.5, 47.25)),
    ({"code": "1e5", "people": 7, "area": -0.25, "note": "x"}, point(-70.125, -33.5)),
)
TYPED = {"code": ["01001", "1e5"], "people": [415367, 7], "area": [87.88, -0.25]}
AS_TEXT = {"code": ["01001", "1e5"], "people": ["415367", "7"], "area": ["87.88", "-0.25"]}
POINTS = ["POINT (8.5 47.25)", "POINT (-70.125 -33.5)"]

HAVING_CRS = (
    "zones.json",
    "esri.json",
    "folders.kml",
    "wfs.xml",
    "town.osm",
    "town.osm.pbf",
    "edited.osm",
)
Expected = dict[str, list[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True)
class Case:
    """A format: how GDAL writes it, and what must be found in the table it becomes."""

    driver: str
    file: str
    columns: dict[str, list[Any]] = field(default_factory=lambda: TYPED)
    options: tuple[str, ...] = ()
    crs: str | None = None
    has_notes: bool = True


CASES = [
    Case("GPKG", "cities.gpkg"),
    Case("GPKG", "keyed.gpkg", {**TYPED, "city": [1, 2]}, options=("-lco", "FID=city")),
    Case("ESRI Shapefile", "cities.shp"),
    Case("GeoJSON", "cities.geojson"),
    Case("GeoJSONSeq", "cities.ndjson"),
    Case("GeoJSONSeq", "sequence.json", options=("-lco", "RS=YES")),
    Case("FlatGeobuf", "cities.fgb"),
    Case("LIBKML", "cities.kml"),
    Case("KML", "simple.kml"),
    Case("GML", "cities.gml", AS_TEXT),
    Case("GML", "cities2.gml", AS_TEXT, options=("-dsco", "FORMAT=GML2"), crs="EPSG:4326"),
    Case("MapInfo File", "cities.tab"),
    Case("MapInfo File", "cities.mif"),
    Case("SQLite", "cities.sqlite"),
    Case("SQLite", "spatialite.db", options=("-dsco", "SPATIALITE=YES")),
    Case("OpenFileGDB", "cities.gdb"),
    Case("CSV", "cities.csv", AS_TEXT, options=("-lco", "GEOMETRY=AS_WKT"), crs="EPSG:4326"),
    Case("DXF", "cities.dxf", {"Layer": ["0", "0"]}, crs="EPSG:4326", has_notes=False),
    Case("GPX", "cities.gpx", {}, has_notes=False),
]


def write(case: Case, folder: Path) -> Path:
    """Write the cities with GDAL; return the file, or an archive where they are several."""
    source = folder / "source.geojson"
    source.write_bytes(CITIES)
    written = folder / "written"
    written.mkdir()
    select = [] if case.has_notes else ["-select", ""]
    args = ["-f", case.driver, *select, *case.options, "-nln", "cities"]
    subprocess.run(["ogr2ogr", *args, written / case.file, source], check=True, capture_output=True)
    (written / case.file).with_suffix(".xsd").unlink(missing_ok=True)
    files = [file for file in written.rglob("*") if file.is_file()]
    return files[0] if len(files) == 1 else Path(shutil.make_archive(str(written), "zip", written))


def rows_of(line: Line, table: TableVersion) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))


def table_of(version: Version, name: str) -> TableVersion:
    return next(table for table in version.tables if table.name == name)


def drop(line: Line, name: str, file: Path, crs: str | None = None) -> Version:
    manifest = make_manifest(name, [line.user.put(f"uploads/{name}/{file.name}", file)])
    if crs:
        manifest["files"][0]["crs"] = crs
    return line.run(name, manifest)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_every_format_is_published_with_its_values(
    line: Line, name: str, tmp_path: Path, case: Case
) -> None:
    version = drop(line, name, write(case, tmp_path), case.crs)

    found = rows_of(line, max(version.tables, key=lambda table: table.rows))
    order = [[g.x for g in found.geometry].index(x) for x in (8.5, -70.125)]
    found = found.iloc[order]
    assert [shapely.to_wkt(shapely.force_2d(g), trim=True) for g in found.geometry] == POINTS
    for column, values in case.columns.items():
        assert found[column].tolist() == values, column
    if case.has_notes:
        assert "Zürich <&>" in found["note"].tolist()


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (
            "zones.json", documents.TOPOJSON,
            {
                "areas": [("POLYGON ((8 47, 9 47, 9 48, 8 47))", {"id": "z1", "code": "01"})],
                "stops": [("POINT (8.5 47.5)", {"n": 3})],
            },
        ),
        (
            "rows.csv",
            b'code;the_geom;note\n01001;LINESTRING Z (1 2 3, 4 5 6);"a;\nb"\n7;;x\n',
            {"": [("LINESTRING Z (1 2 3, 4 5 6)", {"code": "01001", "note": "a;\nb"})]},
        ),
        (
            "esri.json", documents.ESRI_JSON,
            {"": [("POINT (8.5 47.25)", {"OBJECTID": 7, "code": "01001"})]},
        ),
        (
            "folders.kml", documents.KML_FOLDERS,
            {
                "all": [("POINT (1 2)", {"Name": "root"})],
                "A": [("POINT Z (1 2 5)", {"Name": "a1", "code": "01001"})],
                "B": [("LINESTRING (1 2, 3 4)", {"Name": "b1", "lanes": 3})],
                "A (#2)": [("POINT (3 2)", {"Name": "a2"})],
            },
        ),
        (
            "wfs.xml", documents.WFS_GML,
            {
                "road": [
                    (
                        "LINESTRING (8 47, 9 48)",
                        {"gml_id": "r.1", "code": "01001", "width": "3.50", "width_uom": "m"},
                    )
                ],
                "town": [("POINT (8 47)", {"gml_id": "t.1", "label": "a"})],
            },
        ),
        (
            "town.osm", documents.OSM_XML,
            {
                "points": [
                    ("POINT (8.5 47.5)", {"name": "Brunnen", "other_tags": '"ele"=>"300"'})
                ],
                "lines": [
                    (
                        "LINESTRING (8 47, 8 48, 9 48)",
                        {"highway": "residential", "other_tags": '"source"=>"gps"'},
                    )
                ],
                "multilinestrings": [
                    ("MULTILINESTRING ((8 47, 8 48, 9 48))", {"other_tags": '"route"=>"bus"'})
                ],
                "multipolygons": [
                    ("MULTIPOLYGON (((8 47, 8 48, 9 48, 8 47)))", {"building": "yes"})
                ],
                "other_relations": [
                    ("GEOMETRYCOLLECTION (POINT (8.5 47.5))", {"osm_id": "22", "type": "site"})
                ],
            },
        ),
        (
            "town.osm.pbf",
            documents.osm_pbf((1, 8.5, 47.25, {"name": "Zürich", "note": "01"})),
            {"points": [("POINT (8.5 47.25)", {"name": "Zürich", "other_tags": '"note"=>"01"'})]},
        ),
        (
            "edited.osm", documents.numbered_as_not_uploaded(documents.OSM_XML),
            {
                "points": [("POINT (8.5 47.5)", {"osm_id": "-1", "name": "Brunnen"})],
                "lines": [("LINESTRING (8 47, 8 48, 9 48)", {"osm_id": "-10"})],
                "multilinestrings": [("MULTILINESTRING ((8 47, 8 48, 9 48))", {"osm_id": "-20"})],
                "multipolygons": [
                    ("MULTIPOLYGON (((8 47, 8 48, 9 48, 8 47)))", {"osm_way_id": "-11"})
                ],
                "other_relations": [
                    ("GEOMETRYCOLLECTION (POINT (8.5 47.5))", {"osm_id": "-22", "type": "site"})
                ],
            },
        ),
        (
            "plan.dxf", documents.DXF,
            {
                "": [
                    ("POINT (1 2)", {"Layer": "labels", "Text": "Hello"}),
                    ("LINESTRING (5 5, 6 6)", {"Layer": "roads"}),
                ]
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_layers_and_columns_are_those_of_the_document(
    line: Line, name: str, tmp_path: Path, file: str, content: bytes, expected: Expected
) -> None:
    path = tmp_path / file
    path.write_bytes(content)

    version = drop(line, name, path, None if file in HAVING_CRS else "EPSG:4326")

    tables = {table.name: table for table in version.tables if table.rows}
    assert len(tables) == len(expected)
    for layer, rows in expected.items():
        table = tables[layer] if layer else version.tables[0]
        found = rows_of(line, table)
        by_shape = {
            shapely.to_wkt(geometry, trim=True): row
            for geometry, (_, row) in zip(found.geometry, found.iterrows(), strict=True)
            if geometry is not None
        }
        assert set(by_shape) == {shape for shape, _ in rows}
        for shape, values in rows:
            assert {column: by_shape[shape][column] for column in values} == values


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        ("a,WKT\n1,POINT (1 2)\n2,POINT (1\n", {}, "source.coordinates"),
        ("a,WKT\n1,POINT (1 2),more\n", {}, "source.ragged_rows"),
        ("a,x,y\n1,1,2\n2,east,3\n", {"x_column": "x", "y_column": "y"}, "source.coordinates"),
        ("a,x\n1,1\n", {"x_column": "x", "y_column": "y"}, "source.no_such_column"),
    ],
)
def test_a_csv_whose_rows_have_no_geometry_that_can_be_read_is_refused(
    line: Line, name: str, content: str, options: dict[str, str], code: str
) -> None:
    path = line.user.put(f"uploads/{name}/rows.csv", content.encode())
    manifest = make_manifest(name, [path], options=options)
    manifest["files"][0]["crs"] = "EPSG:4326"

    with pytest.raises(SourceError) as refused:
        line.run(name, manifest)

    assert refused.value.reason.code == code


def test_a_csv_becomes_points_or_a_table_as_the_manifest_says(line: Line, name: str) -> None:
    path = line.user.put(f"uploads/{name}/rows.csv", b"code,lon,lat\n01001,8.5,47.25\n7,,\n")
    points = make_manifest(name, [path], options={"x_column": "lon", "y_column": "lat"})
    points["files"][0]["crs"] = "EPSG:4326"

    (table,) = line.run(name, points).tables
    version = line.run(f"{name}-2", make_manifest(f"{name}-2", [path]))

    found = rows_of(line, table).sort_values("code")
    assert found["code"].tolist() == ["01001", "7"]
    assert found["lon"].fillna("none").tolist() == ["8.5", "none"]
    assert [g and shapely.to_wkt(g, trim=True) for g in found.geometry] == [
        "POINT (8.5 47.25)",
        None,
    ]
    assert version.tables[0].geometry_types == ()
    assert "source.no_geometry_column" in {warning.code for warning in version.warnings}


def test_numeric_ids_of_geojson_that_are_more_than_row_numbers_are_a_column(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "ids.geojson"
    content = json.loads(geojson(({"a": 1}, point(1, 2)), ({"a": 2}, point(3, 4))))
    for feature, number in zip(content["features"], (7, 9), strict=True):
        feature["id"] = number
    path.write_text(json.dumps(content))

    version = drop(line, name, path)

    assert rows_of(line, version.tables[0]).sort_values("a")["id"].tolist() == [7, 9]
    assert [warning.code for warning in version.warnings] == ["column.from_member"]
