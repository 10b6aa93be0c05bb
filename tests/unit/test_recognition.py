"""Formats told by their content, and what XML and tables must not refer to."""

import struct
from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.gdal_messages import EXAMPLES_OF_A_KIND, MessageKinds, read_messages
from libs.spatial_utils.looks import look_of
from libs.spatial_utils.opening import driver_config, own_options
from libs.spatial_utils.recognition import recognise
from libs.spatial_utils.references import DatabaseSchema, require_self_contained
from libs.spatial_utils.xml_prolog import declared_entities, root_element

GML = b'<?xml version="1.0"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0"/>'
FEATURE = b'{"type": "Feature", "properties": {}, "geometry": null}'


def sqlite_head(application_id: bytes) -> bytes:
    return b"SQLite format 3\0" + bytes(52) + application_id + bytes(28)


@pytest.mark.parametrize(
    ("name", "content", "driver"),
    [
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "GeoJSON"),
        ("a.json", b'\xef\xbb\xbf {"objects": {}, "type":"Topology"}', "TopoJSON"),
        ("a.json", b'{"geometryType": "esriGeometryPoint", "features": []}', "ESRIJSON"),
        (
            "a.json",
            b'{"features":[{"properties":{"type":"Topology"}, "type":"Feature"}], '
            b'"type":"FeatureCollection"}',
            "GeoJSON",
        ),
        ("a.json", b'{"fields":[{"type":"esriFieldTypeOID"}]}', "ESRIJSON"),
        ("a.json", FEATURE + b"\r\n" + FEATURE, "GeoJSONSeq"),
        ("a.json", b"\x1e" + FEATURE, "GeoJSONSeq"),
        ("a.geojson", b'{"type": "Point", "coordinates": [1, 2]}', "GeoJSON"),
        ("a.xml", GML, "GML"),
        ("a.xml", b'<kml xmlns="http://www.opengis.net/kml/2.2"/>', "LIBKML"),
        ("a.xml", '<?xml version="1.0" encoding="UTF-16"?><gpx/>'.encode("utf-16"), "GPX"),
        ("a.xml", b'<gmd:MD_Metadata xmlns:gml="http://www.opengis.net/gml"/>', None),
        ("a.xml", b"<html></html>", None),
        ("a.kml", b"<osm version='0.6'/>", "OSM"),
        ("a.bin", b"fgb\x03fgb\x00", "FlatGeobuf"),
        ("a.db", sqlite_head(b"GPKG"), "GPKG"),
        ("a.gpkg", sqlite_head(b"\0\0\0\0"), "GPKG"),
        ("a", sqlite_head(b"GP10"), "GPKG"),
        ("a.map", b"!table\n!version 300\n", "MapInfo File"),
        ("a.txt", b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "DXF"),
        ("a", struct.pack(">I", 13) + b"\x0a\x09OSMHeader", "OSM"),
        ("a.docx", b"PK", None),
        ("a.shp", b"not a shapefile", "ESRI Shapefile"),
        ("a.gdb", None, "OpenFileGDB"),
    ],
)
def test_content_overrules_the_name(
    tmp_path: Path, name: str, content: bytes | None, driver: str | None
) -> None:
    path = None
    if content is not None:
        path = tmp_path / name
        path.write_bytes(content)
    assert recognise(name, path, None) == driver


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b" \0\n", "an empty file"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"<a:Report xmlns:a='x'/>", "XML with the root element 'Report'"),
        (b"[1]", "a JSON array, where one object should be"),
        (b'{"error": {"code": [4]}, "n": 1}', "JSON with the members 'error', 'n'"),
        (b'var roads = {"type":"FeatureCollection"}', "JavaScript around JSON"),
        (b"call({})", "JavaScript around JSON"),
        (b"\x00\x01\x02", "another format"),
    ],
)
def test_a_file_that_nobody_reads_is_called_what_it_looks_like(
    tmp_path: Path, content: bytes, look: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert look_of(path) == look


def test_what_the_manifest_declares_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"type": "Topology"}')
    assert recognise("a.json", path, "geojson") == "GeoJSON"


@pytest.mark.parametrize(
    ("prolog", "entities"),
    [
        ("", []),
        ("<!DOCTYPE kml>", []),
        ('<!DOCTYPE kml [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]>', ["a", "c"]),
        ('<!DOCTYPE kml [<!ENTITY % p "x">]>', ["p"]),
        ('<!DOCTYPE kml SYSTEM "http://127.0.0.1/kml.dtd">', ["an external DTD"]),
        ("<!-- " + "x" * 200_000 + ' --><!DOCTYPE kml [<!ENTITY a "b">]>', ["a"]),
    ],
)
def test_entities_are_seen_before_the_root_element(
    tmp_path: Path, prolog: str, entities: list[str]
) -> None:
    path = tmp_path / "a.kml"
    path.write_text(f"{prolog}<k:kml xmlns:k='x'><broken></k:kml>")
    assert declared_entities(path) == entities
    assert root_element(path) == "kml"


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        (b'"\\IsSeamless" = "TRUE"', True),
        (b'  "\\isseamless" = "true"', True),
        (b'"\\IsSeamless" = "FALSE"', False),
        (b"create view roads as", True),
        (b"  Type NATIVE", False),
    ],
)
def test_a_mapinfo_table_must_hold_its_own_rows(
    tmp_path: Path, line: bytes, is_refused: bool
) -> None:
    path = tmp_path / "a.tab"
    path.write_bytes(b"!table\n" + line + b"\n")
    if is_refused:
        with pytest.raises(SourceError):
            require_self_contained(path, "MapInfo File", "a.tab", DatabaseSchema)
    else:
        require_self_contained(path, "MapInfo File", "a.tab", DatabaseSchema)


def test_a_reference_is_found_across_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    gap = b" " * (1024 * 1024 - 30)
    path.write_bytes(b"<a>" + gap + b'<gml:curveMember\n xlink:href="#other"/></a>')
    with pytest.raises(SourceError) as refused:
        require_self_contained(path, "GML", "a.gml", DatabaseSchema)
    assert refused.value.reason.code == "source.refers_elsewhere"


@pytest.mark.parametrize(
    ("module", "is_refused"),
    [("rtree", False), ("fts5", False), ("virtualspatialindex", False), ("virtualtext", True)],
)
def test_virtual_tables_may_read_their_own_database_only(
    tmp_path: Path, module: str, is_refused: bool
) -> None:
    schema = DatabaseSchema(tables=("roads",), virtual_tables={"t": module})
    if not is_refused:
        require_self_contained(tmp_path / "a.gpkg", "GPKG", "a.gpkg", lambda: schema)
        return
    with pytest.raises(SourceError, match="virtualtext"):
        require_self_contained(tmp_path / "a.gpkg", "GPKG", "a.gpkg", lambda: schema)


def test_tables_that_are_no_layers_are_the_users_own_ones() -> None:
    schema = DatabaseSchema(
        tables=("Roads", "more", "gpkg_contents", "sqlite_sequence", "spatial_ref_sys")
    )
    assert schema.left_out(["roads(geom)"]) == ["more"]


def test_a_flood_of_one_kind_is_shortened() -> None:
    kinds = MessageKinds()
    for number in range(100):
        kinds.add(f"Record {number} of 'layer {number}' is odd")
    kinds.add("something else")
    kinds.add("something else")
    said = kinds.said()
    assert len(said) == EXAMPLES_OF_A_KIND + 1
    assert said[4] == "Record 4 of 'layer 4' is odd (and 95 more like it)"
    assert said[5] == "something else (and 1 more like it)"


def test_messages_of_stderr_are_errors_with_their_second_line_and_warnings() -> None:
    said = read_messages("Warning 1: odd\nERROR 1: COPY\nDETAIL: row 3\nprogress 100\nWarning 6: x")
    assert said.errors == ("ERROR 1: COPY\nDETAIL: row 3",)
    assert said.warnings == ("odd", "x")


def test_gml_is_read_without_schema_guess_or_reference() -> None:
    assert "DOWNLOAD_SCHEMA=NO" in own_options("GML")
    assert driver_config("GML", Path("a.gml"))["GML_FIELDTYPES"] == "ALWAYS_STRING"
    assert driver_config("GPKG", Path("a.gpkg")) == {}
