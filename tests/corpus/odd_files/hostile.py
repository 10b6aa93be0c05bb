"""Files made to do harm: entity bombs, references outwards, SQL that never ends, deep nesting."""

from pathlib import Path

from tests.corpus.odd_files.case import case, published_or_rejected, register, rejected
from tests.corpus.odd_files.writing import edit_database, sample, zipped

BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 20}">'
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
BODIES = {
    "kml": '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>{}</name><Point>'
    "<coordinates>1,2</coordinates></Point></Placemark></Document></kml>",
    "gml": '<c xmlns:gml="http://www.opengis.net/gml"><gml:featureMember><p><name>{}</name><w>'
    '<gml:Point srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point></w></p>'
    "</gml:featureMember></c>",
    "gpx": '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="1" lon="2">'
    "<name>{}</name></wpt></gpx>",
    "osm": '<osm version="0.6"><node id="1" lat="1" lon="2"><tag k="name" v="{}"/></node></osm>',
}
for _suffix, _body in BODIES.items():
    for _name, _head, _entity in (("bomb", BOMB, "&h;"), ("outside", OUTSIDE, "&secret;")):

        def _write(
            folder: Path, text: str = _head + _body.format(_entity), s: str = _suffix
        ) -> Path:
            path = folder / f"entities.{s}"
            path.write_text(f'<?xml version="1.0"?>{text}')
            return path

        register(
            f"entity-{_name}-{_suffix}",
            _write,
            rejected("source.*") if _name == "bomb" else published_or_rejected("source.*"),
            is_lean=_suffix in ("kml", "gml"),
        )


@case(published_or_rejected("source.*"))
def gml_schema_elsewhere(folder: Path) -> Path:
    """Nothing is fetched, whatever the file refers to."""
    path = folder / "places.gml"
    head = '<c xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x '
    body = BODIES["gml"].format("one").replace("<c ", f'{head}http://127.0.0.1:9/a.xsd" ')
    path.write_text(f'<?xml version="1.0"?>{body}')
    return path


@case(published_or_rejected("source.*"))
def gml_xlink_to_a_local_file(folder: Path) -> Path:
    path = folder / "places.gml"
    body = (
        BODIES["gml"]
        .format("one")
        .replace(
            "<w>",
            '<other xlink:href="file:///etc/passwd" xmlns:xlink="http://www.w3.org/1999/xlink"/><w>',
        )
    )
    path.write_text(f'<?xml version="1.0"?>{body}')
    return path


@case(published_or_rejected("source.*"), is_lean=True)
def kml_network_link(folder: Path) -> Path:
    path = folder / "link.kml"
    link = "<NetworkLink><Link><href>http://127.0.0.1:9/other.kml</href></Link></NetworkLink>"
    path.write_text(BODIES["kml"].format("one").replace("<Placemark>", f"{link}<Placemark>", 1))
    return path


@case(rejected("source.*"), is_lean=True)
def vrt_called_geojson(folder: Path) -> Path:
    path = folder / "roads.geojson"
    path.write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="passwd"><SrcDataSource>CSV:/etc/passwd'
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    return path


@case(rejected("source.*"))
def vrt_in_a_zip(folder: Path) -> Path:
    vrt = b'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd</SrcDataSource>'
    return zipped(folder / "x.zip", {"roads.vrt": vrt + b"</OGRVRTLayer></OGRVRTDataSource>"})


@case(rejected("source.*"))
def geojson_that_is_an_address(folder: Path) -> Path:
    path = folder / "roads.geojson"
    path.write_text("http://127.0.0.1:9/roads.geojson")
    return path


@case(rejected("source.*"))
def shapefile_called_vsicurl(folder: Path) -> Path:
    (folder / "vsicurl").mkdir()
    path = folder / "vsicurl" / "streaming.shp"
    path.write_bytes(b"/vsicurl/http://127.0.0.1:9/x.shp")
    return path


def _with_view(path: Path, query: str) -> Path:
    return edit_database(
        path,
        f"CREATE VIEW evil AS {query}",
        "INSERT INTO gpkg_contents (table_name, identifier, data_type)"
        " VALUES ('evil', 'evil', 'attributes')",
    )


@case(rejected("source.*", "compute.*"))
def geopackage_view_that_never_ends(folder: Path) -> Path:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    return _with_view(sample(folder / "roads.gpkg"), endless)


@case(rejected("source.*", "compute.*"))
def geopackage_view_that_wants_all_memory(folder: Path) -> Path:
    return _with_view(sample(folder / "roads.gpkg"), "SELECT 1 AS fid, zeroblob(2000000000) AS b")


@case(published_or_rejected("source.*"))
def geopackage_view_that_loads_code(folder: Path) -> Path:
    return _with_view(sample(folder / "roads.gpkg"), "SELECT load_extension('/tmp/evil.so') AS x")


@case(published_or_rejected("source.*"))
def geopackage_trigger(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "CREATE TRIGGER evil AFTER UPDATE ON gpkg_contents BEGIN DELETE FROM roads; END",
    )


@case(published_or_rejected("source.*"))
def geopackage_table_name_injection(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "INSERT INTO gpkg_contents (table_name, identifier, data_type)"
        " VALUES ('a\"; DROP TABLE roads; --', 'evil', 'features')",
    )


@case(rejected("source.*"), is_lean=True)
def json_nested_deeply(folder: Path) -> Path:
    path = folder / "deep.geojson"
    path.write_text('{"type":"FeatureCollection","features":' + "[" * 100_000 + "]" * 100_000 + "}")
    return path


@case(published_or_rejected("source.*"))
def json_properties_nested_deeply(folder: Path) -> Path:
    path = folder / "deep.geojson"
    tree = '{"a":' * 5_000 + "1" + "}" * 5_000
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"t":'
        f'{tree}}},"geometry":{{"type":"Point","coordinates":[1,2]}}}}]}}'
    )
    return path


@case(rejected("source.*"))
def xml_nested_deeply(folder: Path) -> Path:
    path = folder / "deep.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        + "<Folder>" * 100_000 + "</Folder>" * 100_000 + "</Document></kml>"
    )  # fmt: skip
    return path


@case(published_or_rejected("source.*"))
def geojson_of_many_columns_in_each_feature(folder: Path) -> Path:
    """Every feature brings columns of its own: 40,000 in all."""
    place = '"geometry":{"type":"Point","coordinates":[1,2]}'
    features = ",".join(
        f'{{"type":"Feature",{place},"properties":{{'
        + ",".join(f'"c{n}_{m}":1' for m in range(200))
        + "}}"
        for n in range(200)
    )
    path = folder / "columns.geojson"
    path.write_text(f'{{"type":"FeatureCollection","features":[{features}]}}')
    return path


@case(rejected("source.*"))
def random_bytes(folder: Path) -> Path:
    import random

    path = folder / "random.gpkg"
    path.write_bytes(random.Random(7).randbytes(100_000))
    return path
