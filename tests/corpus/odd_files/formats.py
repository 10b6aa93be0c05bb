"""One sound file of each format that people drop, and some of those that are not read."""

import json
from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    register,
    rejected,
)
from tests.corpus.odd_files.writing import edit_database, feature, geojson, points, sample

WRITTEN_BY_GDAL = {
    "geopackage": ("roads.gpkg", "GPKG", ()),
    "flatgeobuf": ("roads.fgb", "FlatGeobuf", ()),
    "geojson": ("roads.geojson", "GeoJSON", ()),
    "geojson-rfc7946": ("roads.geojson", "GeoJSON", ("-lco", "RFC7946=YES")),
    "geojson-lines": ("roads.geojsonl", "GeoJSONSeq", ()),
    "geojson-sequence": ("roads.geojsons", "GeoJSONSeq", ("-lco", "RS=YES")),
    "kml": ("roads.kml", "KML", ()),
    "libkml": ("roads.kml", "LIBKML", ()),
    "gml-2": ("roads.gml", "GML", ("-dsco", "FORMAT=GML2")),
    "gml-3": ("roads.gml", "GML", ("-dsco", "FORMAT=GML3")),
    "gml-3.2": ("roads.gml", "GML", ("-dsco", "FORMAT=GML3.2")),
    "dxf": ("roads.dxf", "DXF", ("-select", "")),
    "sqlite": ("roads.sqlite", "SQLite", ()),
    "spatialite": ("roads.sqlite", "SQLite", ("-dsco", "SPATIALITE=YES")),
    "spatialite-db": ("roads.db", "SQLite", ("-dsco", "SPATIALITE=YES")),
    "csv-wkt": ("roads.csv", "CSV", ("-lco", "GEOMETRY=AS_WKT")),
    "gpx-waypoints": (
        "roads.gpx",
        "GPX",
        ("-nlt", "POINT", "-nln", "waypoints", "-select", "name"),
    ),
}
NEEDS_CRS = ("dxf", "csv-wkt")
for _name, (_file, _driver, _options) in WRITTEN_BY_GDAL.items():
    register(
        f"format-{_name}",
        lambda folder, file=_file, driver=_driver, options=_options: sample(
            folder / file, *options, driver=driver
        ),
        published(rows=3),
        file_fields={"crs": "EPSG:4326"} if _name in NEEDS_CRS else {},
        is_lean=_name in ("gml-3.2", "spatialite", "dxf"),
    )


@case(published(rows=3))
def format_geoparquet(folder: Path) -> Path:
    import geopandas

    path = folder / "roads.parquet"
    geopandas.GeoDataFrame.from_features(points(), crs="EPSG:25832").to_parquet(path)
    return path


@case(published(rows=3))
def format_geoparquet_native_encoding(folder: Path) -> Path:
    import geopandas

    path = folder / "roads.parquet"
    frame = geopandas.GeoDataFrame.from_features(points(), crs="EPSG:4326")
    frame.to_parquet(path, geometry_encoding="geoarrow", schema_version="1.1.0")
    return path


@case(rejected("crs.missing"))
def format_geoparquet_without_crs(folder: Path) -> Path:
    import geopandas

    path = folder / "roads.parquet"
    geopandas.GeoDataFrame.from_features(points()).to_parquet(path)
    return path


@case(Expectation(rows=1, bbox=(0, 0, 4, 5)))
def format_topojson(folder: Path) -> Path:
    topology = {
        "type": "Topology",
        "objects": {"roads": {"type": "LineString", "arcs": [0], "properties": {"n": 1}}},
        "arcs": [[[0, 0], [4, 5]]],
    }
    path = folder / "roads.topojson"
    path.write_text(json.dumps(topology))
    return path


@case(Expectation(rows=3, bbox=(10, 20, 14, 25)))
def format_topojson_quantised(folder: Path) -> Path:
    """Arcs are steps; an arc may be walked backwards."""
    shapes = [
        {"type": "LineString", "arcs": [0], "properties": {"n": 1}},
        {"type": "LineString", "arcs": [-1], "properties": {"n": 2}},
        {"type": "Point", "coordinates": [4, 5], "properties": {"n": 3}},
    ]
    topology = {
        "type": "Topology",
        "transform": {"scale": [1, 1], "translate": [10, 20]},
        "objects": {"roads": {"type": "GeometryCollection", "geometries": shapes}},
        "arcs": [[[0, 0], [4, 0], [0, 5]]],
    }
    path = folder / "roads.json"
    path.write_text(json.dumps(topology))
    return path


@case(published(rows=2))
def format_osm_xml(folder: Path) -> Path:
    path = folder / "roads.osm"
    path.write_text(
        '<osm version="0.6"><node id="1" lat="50" lon="8"><tag k="amenity" v="pub"/></node>'
        '<node id="2" lat="50.1" lon="8.1"/><node id="3" lat="50.2" lon="8.2"/>'
        '<way id="9"><nd ref="2"/><nd ref="3"/><tag k="highway" v="service"/></way></osm>'
    )
    return path


@case(published(rows=2), file_fields={"crs": "EPSG:4326"})
def format_csv_with_x_and_y(folder: Path) -> Path:
    path = folder / "places.csv"
    path.write_text("name,x,y\none,1,2\ntwo,3,4\n")
    return path


@case(published(rows=2), kind="tabular", manifest_fields={
    "options": {"x_column": "lon", "y_column": "lat"}
}, file_fields={"crs": "EPSG:4326"})  # fmt: skip
def format_csv_as_a_table_of_points(folder: Path) -> Path:
    path = folder / "places.csv"
    path.write_text("name,lon,lat\none,1,2\ntwo,3,4\n")
    return path


@case(published(rows=1))
def geojson_bare_geometry(folder: Path) -> Path:
    path = folder / "point.geojson"
    path.write_text('{"type":"Point","coordinates":[1,2]}')
    return path


@case(published(rows=1))
def geojson_single_feature(folder: Path) -> Path:
    path = folder / "one.geojson"
    path.write_text(json.dumps(feature({"n": 1}, {"type": "Point", "coordinates": [1, 2]})))
    return path


@case(published_or_rejected("source.*", "crs.missing"))
def esri_json(folder: Path) -> Path:
    document = {
        "geometryType": "esriGeometryPoint",
        "spatialReference": {"wkid": 4326},
        "fields": [{"name": "n", "type": "esriFieldTypeInteger"}],
        "features": [{"attributes": {"n": 1}, "geometry": {"x": 1, "y": 2}}],
    }
    path = folder / "layer.json"
    path.write_text(json.dumps(document))
    return path


@case(published_or_rejected("source.*"))
def geopackage_with_a_view(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "CREATE VIEW some AS SELECT fid AS OGC_FID, geom, n FROM roads WHERE n > 0",
        "INSERT INTO gpkg_contents (table_name, identifier, data_type, srs_id)"
        " VALUES ('some', 'some', 'features', 4326)",
        "INSERT INTO gpkg_geometry_columns VALUES ('some', 'geom', 'POINT', 4326, 0, 0)",
    )


@case(published("source.layers_left_out", rows=3), is_lean=True)
def geopackage_with_a_search_index(folder: Path) -> Path:
    """GDAL takes an index over texts, and the five tables in which it is kept, for layers."""
    return edit_database(
        sample(folder / "roads.gpkg"),
        "CREATE VIRTUAL TABLE found USING fts5(name, content='roads')",
        "INSERT INTO found(found) VALUES ('rebuild')",
    )


@case(published("source.values_changed", rows=3))
def geopackage_that_lists_a_missing_table(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "INSERT INTO gpkg_contents (table_name, identifier, data_type, srs_id)"
        " VALUES ('gone', 'gone', 'features', 4326)",
        "INSERT INTO gpkg_geometry_columns VALUES ('gone', 'geom', 'POINT', 4326, 0, 0)",
    )


@case(published(rows=3))
def geopackage_with_an_index_of_no_table(folder: Path) -> Path:
    """A spatial index that its table has left behind, and one that lacks its rows."""
    return edit_database(
        sample(folder / "roads.gpkg"),
        "CREATE VIRTUAL TABLE rtree_old_geom USING rtree(id, minx, maxx, miny, maxy)",
        "DELETE FROM rtree_roads_geom",
    )


@case(rejected("source.*"))
def geopackage_whose_schema_is_broken(folder: Path) -> Path:
    """Triggers of a table that is not there."""
    return edit_database(
        sample(folder / "roads.gpkg"),
        "PRAGMA writable_schema=ON",
        "DELETE FROM sqlite_master WHERE name = 'roads'",
    )


@case(published(rows=3))
def geopackage_in_wal_mode(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "PRAGMA journal_mode=WAL",
    )


NOT_READ = {
    "vrt": ("roads.vrt", b'<OGRVRTDataSource><OGRVRTLayer name="passwd"/></OGRVRTDataSource>'),
    "pdf": ("map.pdf", b"%PDF-1.4\n"),
    "docx": ("map.docx", b"PK\x05\x06" + bytes(18)),
    "svg": ("map.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "pmtiles": ("tiles.pmtiles", b"PMTiles\x03" + bytes(120)),
    "mvt": ("tile.mvt", b"\x1a\x05\x0a\x03abc"),
    "access": ("db.mdb", b"\x00\x01\x00\x00Standard Jet DB\x00"),
    "html-error-page": ("roads.geojson", b"<!DOCTYPE html><html><h1>404 Not Found</h1></html>"),
    "las": ("cloud.las", b"LASF" + bytes(300)),
}
for _name, (_file, _content) in NOT_READ.items():

    def _write(folder: Path, file: str = _file, content: bytes = _content) -> Path:
        path = folder / file
        path.write_bytes(content)
        return path

    register(f"not-read-{_name}", _write, rejected("source.*"), is_lean=_name in ("vrt", "pdf"))


@case(published(rows=6), file_fields={"table": "all"})
def two_formats_in_one_table(folder: Path) -> list[Path]:
    return [
        geojson(folder / "a.geojson", points(name=["a", "b", "c"])),
        sample(folder / "b.gpkg"),
    ]
