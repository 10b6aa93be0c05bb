"""Vector files that would read, request or exhaust something else: refused, or read without it."""

import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils.child import Limits
from libs.spatial_utils.drivers import TABLE_DRIVERS
from libs.spatial_utils.layers import SourceDescription
from libs.spatial_utils.ogr import Gdal
from libs.spatial_utils.recognition import recognise
from libs.spatial_utils.table_request import TableRequest
from tests.integration import documents
from tests.support import geojson, point

GIB = 1024**3
CANARY = "CANARY-of-another-file"
Writer = Callable[[Path, Path], None]
"""Writes a hostile file to the first path; the second is a file that it must not reach."""


@pytest.fixture(scope="module")
def gdal() -> Gdal:
    return Gdal(Limits(timeout_s=60, memory_bytes=2 * GIB, file_bytes=GIB))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a drop; beside it lies a secret."""
    (tmp_path / "secret.txt").write_text(f"{CANARY},1,2\n")
    drop = tmp_path / "drop"
    drop.mkdir()
    return drop


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """Return a list that begins with a server's address and goes on with what it is asked for."""
    asked: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Recorder)
    asked.append(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield asked
    server.shutdown()
    server.server_close()


def describe(gdal: Gdal, path: Path) -> SourceDescription:
    driver = recognise(path.name, path, None)
    assert driver is not None
    if driver in TABLE_DRIVERS:
        spool = path.parent / "spool"
        spool.mkdir()
        order = TableRequest(driver=driver, path=path, file=path.name, layer="a", spool=spool)
        return gdal.describe_table(order)
    return gdal.describe(path, driver=driver, file=path.name)


def refusal(gdal: Gdal, path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        describe(gdal, path)
    assert CANARY not in str(caught.value)
    return caught.value


BODIES = {
    "a.kml": '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>&x;</name>'
    "<Point><coordinates>1,2</coordinates></Point></Placemark></Document></kml>",
    "a.gpx": '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">'
    '<wpt lat="1" lon="2"><name>&x;</name></wpt></gpx>',
    "a.osm": '<osm version="0.6"><node id="1" lat="1" lon="2"><tag k="name" v="&x;"/></node></osm>',
    "a.gml": documents.WFS_GML.decode().partition("?>")[2].replace("01001", "&x;"),
}
LAUGHS = "".join(
    f'<!ENTITY {name} "{"&" + before + ";" if before else "lol"}'
    f'{("&" + before + ";") * 9 if before else ""}">'
    for before, name in zip(["", *"abcdefgh"], [*"abcdefgh", "x"], strict=True)
)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("entity", ["file", "network", "bomb", "DTD"])
def test_xml_with_entities_is_refused(
    gdal: Gdal, folder: Path, requests: list[str], name: str, entity: str
) -> None:
    declared = {
        "file": f'[<!ENTITY x SYSTEM "file://{folder.parent}/secret.txt">]',
        "network": f'[<!ENTITY x SYSTEM "{requests[0]}/x">]',
        "bomb": f"[{LAUGHS}]",
        "DTD": f'SYSTEM "{requests[0]}/x.dtd"',
    }[entity]
    path = folder / name
    path.write_text(f'<?xml version="1.0"?>\n<!DOCTYPE r {declared}>\n{BODIES[name]}')

    error = refusal(gdal, path)

    assert error.reason.code == "source.refers_elsewhere"
    assert error.reason.file == name
    assert requests[1:] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.gml", documents.WFS_GML.replace(b"http://127.0.0.1:9", b"{server}")),
        (
            "b.gml",
            documents.WFS_GML.replace(
                b"<t:code>", b'<t:code xmlns:l="http://www.w3.org/1999/xlink" l:href="{server}/x">'
            ),
        ),
        (
            "a.kml",
            documents.KML_FOLDERS.replace(
                b"<Folder>",
                b"<NetworkLink><Link><href>{server}/a.kml</href></Link></NetworkLink>"
                b"<GroundOverlay><Icon><href>{server}/a.png</href></Icon></GroundOverlay><Folder>",
                1,
            ),
        ),
    ],
    ids=["schemaLocation", "xlink", "NetworkLink"],
)
def test_nothing_is_requested(
    gdal: Gdal, folder: Path, requests: list[str], name: str, content: bytes
) -> None:
    path = folder / name
    path.write_bytes(content.replace(b"{server}", requests[0].encode()))

    assert sum(layer.rows for layer in describe(gdal, path).layers) > 0

    assert requests[1:] == []


def test_a_crs_that_lies_on_the_network_is_not_asked_for(
    gdal: Gdal, folder: Path, requests: list[str]
) -> None:
    link = {"type": "link", "properties": {"href": f"{requests[0]}/crs", "type": "proj4"}}
    path = folder / "a.geojson"
    path.write_bytes(geojson(({"id": 1}, point(1, 2)), crs=link))

    (layer,) = describe(gdal, path).layers

    assert layer.geometry_fields[0].crs is None
    assert requests[0] in layer.crs_text.text
    assert requests[1:] == []


def without_seconds(found: SourceDescription) -> SourceDescription:
    layers = tuple(layer.model_copy(update={"measured_s": 0.0}) for layer in found.layers)
    return found.model_copy(update={"layers": layers})


@pytest.mark.parametrize("suffix", [".xsd", ".gfs"])
def test_a_schema_beside_gml_neither_adds_nor_hides_columns(
    gdal: Gdal, folder: Path, suffix: str
) -> None:
    path = folder / "roads.gml"
    path.write_bytes(documents.WFS_GML)
    alone = without_seconds(describe(gdal, path))
    beside = {
        ".gfs": "<GMLFeatureClassList><GMLFeatureClass><Name>road</Name>"
        "<ElementPath>road</ElementPath></GMLFeatureClass></GMLFeatureClassList>",
        ".xsd": '<xs:schema targetNamespace="http://t" xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        '<xs:include schemaLocation="../secret.xsd"/></xs:schema>',
    }
    path.with_suffix(suffix).write_text(beside[suffix])

    assert without_seconds(describe(gdal, path)) == alone
    assert {"code", "width", "width_uom"} <= {field.name for field in alone.layers[0].fields}
    assert {file.suffix for file in folder.iterdir()} == {".gml", suffix}


def test_gml_whose_geometry_is_elsewhere_is_refused(gdal: Gdal, folder: Path) -> None:
    path = folder / "roads.gml"
    path.write_bytes(
        documents.WFS_GML.replace(
            b'<gml:LineString srsName="urn:ogc:def:crs:EPSG::4326" gml:id="g1">\n'
            b"<gml:posList>47 8 48 9</gml:posList></gml:LineString>",
            b'<gml:MultiCurve><gml:curveMember xlink:href="../other.gml#g1"/></gml:MultiCurve>',
        ).replace(b"xmlns:t=", b'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:t=')
    )
    assert refusal(gdal, path).reason.code == "source.refers_elsewhere"


def test_a_seamless_table_that_names_others_is_refused(gdal: Gdal, folder: Path) -> None:
    index = folder / "index.geojson"
    ring = [[0, 0], [9, 0], [9, 9], [0, 0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    index.write_bytes(geojson(({"Table": "../other.tab", "Description": "x"}, shape)))
    path = folder / "all.tab"
    subprocess.run(["ogr2ogr", "-f", "MapInfo File", path, index], check=True)
    with path.open("a") as file:
        file.write('begin_metadata\n"\\IsSeamless" = "TRUE"\nend_metadata\n')

    assert refusal(gdal, path).reason.code == "source.refers_elsewhere"


@pytest.fixture
def geopackage(folder: Path) -> Path:
    """Return a GeoPackage with one point."""
    source = folder.parent / "source.geojson"
    source.write_bytes(geojson(({"code": "01001"}, point(1, 2))))
    path = folder / "roads.gpkg"
    subprocess.run(["ogr2ogr", "-nln", "roads", path, source], check=True)
    return path


def register(path: Path, name: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO gpkg_contents(table_name, data_type, identifier) "
            "VALUES (?1, 'attributes', ?1)",
            [name],
        )


@pytest.mark.parametrize("name", ["roads.gpkg", "roads.sqlite"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIRTUAL TABLE leak USING VirtualText('{secret}','UTF-8',0,POINT,DOUBLEQUOTE,',')",
        "CREATE/**/VIRTUAL TABLE leak /* USING rtree( */ USING VirtualText('{secret}','UTF-8',0)",
        "CREATE VIRTUAL TABLE leak USING VirtualOGR('{secret}')",
        "CREATE VIRTUAL TABLE leak USING VirtualShape('{secret}','UTF-8',4326)",
    ],
)
def test_virtual_tables_over_other_files_are_refused(
    gdal: Gdal, geopackage: Path, name: str, statement: str
) -> None:
    sql = statement.format(secret=geopackage.parent.parent / "secret.txt")
    with sqlite3.connect(geopackage) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("INSERT INTO sqlite_master VALUES ('table', 'leak', 'leak', 0, ?)", [sql])
    register(geopackage, "leak")

    error = refusal(gdal, geopackage.rename(geopackage.with_name(name)))

    assert error.reason.code == "source.refers_elsewhere"
    assert "leak" in error.reason.message


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT 1 AS fid, ogr_geocode('x') AS v", "source.unreadable"),
        ("SELECT 1 AS fid, load_extension('/tmp/x.so') AS v", "source.unreadable"),
        ("SELECT 1 AS fid, CAST(BlobFromFile('{secret}') AS text) AS v", "source.unreadable"),
        (
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
            "SELECT n AS fid, n AS v FROM t",
            "source.timeout",
        ),
        (
            "SELECT 1 AS fid, randomblob(900000000) AS v",
            "source.too_much_memory",
        ),
    ],
    ids=["network", "extension", "file", "endless", "memory"],
)
def test_views_that_reach_out_or_never_end_are_refused(
    geopackage: Path, query: str, code: str
) -> None:
    secret = geopackage.parent.parent / "secret.txt"
    with sqlite3.connect(geopackage) as database:
        database.execute(f"CREATE VIEW bad AS {query.format(secret=secret)}")
    register(geopackage, "bad")
    timeout_s = 8 if code == "source.timeout" else 60
    gdal = Gdal(Limits(timeout_s, memory_bytes=GIB // 2, file_bytes=GIB))

    assert refusal(gdal, geopackage).reason.code == code


def test_views_are_read_and_tables_that_no_one_registered_are_named(
    gdal: Gdal, geopackage: Path
) -> None:
    with sqlite3.connect(geopackage) as database:
        database.execute("CREATE VIEW codes AS SELECT fid, code FROM roads")
        database.execute("CREATE TABLE more (fid INTEGER PRIMARY KEY, a TEXT)")
        database.execute("CREATE TABLE registered (fid INTEGER PRIMARY KEY, a TEXT)")
    register(geopackage, "codes")
    register(geopackage, "registered")

    found = describe(gdal, geopackage)

    assert [layer.name for layer in found.layers] == ["roads", "codes", "registered"]
    assert ["more were left out" in problem.message for problem in found.problems] == [True]


def test_configuration_that_came_with_the_drop_is_not_read(gdal: Gdal, folder: Path) -> None:
    (folder / ".gdal").mkdir()
    (folder / ".gdal" / "gdalrc").write_text("[configoptions]\nGPX_ELE_AS_25D=YES\n")
    path = folder / "a.gpx"
    path.write_text(BODIES["a.gpx"].replace("<name>&x;</name>", "<ele>5</ele>"))

    types = describe(gdal, path).layers[0].geometry_types

    assert [(fact.name, fact.has_z) for fact in types] == [("Point", False)]


@pytest.mark.parametrize("part", ["properties", "geometry"])
def test_json_nested_without_end_is_refused(gdal: Gdal, folder: Path, part: str) -> None:
    depth = 100_000
    deep = {
        "properties": f'{{"a": {"[" * depth}{"]" * depth}}}, "geometry": null',
        "geometry": '{}, "geometry": '
        + '{"type": "GeometryCollection", "geometries": [' * depth + "]}" * depth,
    }  # fmt: skip
    path = folder / "deep.geojson"
    path.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
        f"{deep[part]}}}]}}"
    )
    assert refusal(gdal, path).reason.code == "source.unreadable"


def test_a_file_that_claims_more_than_it_holds_is_refused(gdal: Gdal, geopackage: Path) -> None:
    path = geopackage.with_suffix(".fgb")
    subprocess.run(["ogr2ogr", path, geopackage], check=True)
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\xff\xff\xff\x7f" + content[12:])
    assert refusal(gdal, path).reason.code == "source.unreadable"
