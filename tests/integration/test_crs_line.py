"""Coordinates through the seven phases: where they come out, and what is said of the way."""

import io
import json
from pathlib import Path
from typing import Any

import geopandas
import pytest
from pyproj import CRS, Transformer

from libs.models.errors import CrsError
from libs.models.version import Version
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.operations import require_way
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point

TWO_UNITS = "EPSG:2263+5703"
TOWGS84 = (
    "+proj=tmerc +lat_0=0 +lon_0=9 +k=1 +x_0=3500000 +ellps=bessel +units=m "
    "+towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7"
)
PLACES: dict[str, tuple[str, tuple[float, ...]]] = {
    "utm": ("EPSG:25832", (500_000.0, 5_500_000.0)),
    "northing_first": ("EPSG:31467", (3_500_000.0, 5_500_000.0)),
    "grid_in_britain": ("EPSG:27700", (530_000.0, 180_000.0)),
    "dutch_heights": ("EPSG:7415", (155_000.0, 463_000.0, 10.0)),
    "survey_feet": ("EPSG:2263", (980_000.0, 200_000.0)),
    "feet_and_metres": (TWO_UNITS, (980_000.0, 200_000.0, 100.0)),
    "grads_from_paris": ("EPSG:4807", (0.5, 50.0)),
    "old_datum": ("EPSG:4267", (-100.0, 40.0)),
    "geocentric": ("EPSG:4978", (3_980_574.0, 10_000.0, 4_966_824.0)),
    "own_shift": (TOWGS84, (3_500_000.0, 5_500_000.0)),
    "web": ("EPSG:900913", (1_000_000.0, 6_000_000.0)),
}


def named(crs: str) -> dict[str, Any]:
    """Return the crs member that programs wrote before RFC 7946."""
    return {"type": "name", "properties": {"name": crs}}


def put(line: Line, name: str, *points: dict[str, Any], **members: Any) -> str:
    content = geojson(*(({"id": n}, item) for n, item in enumerate(points)), **members)
    return line.user.put(f"uploads/{name}/{name}.geojson", content)


def codes(version: Version) -> set[str]:
    return {warn.code for warn in version.warnings}


def test_coordinates_come_out_where_the_named_operation_puts_them(line: Line, name: str) -> None:
    paths = [
        line.user.put(
            f"uploads/{name}/{table}.geojson",
            geojson(({"id": 1}, {"type": "Point", "coordinates": list(place)})),
        )
        for table, (_, place) in PLACES.items()
    ]
    manifest = make_manifest(name, paths)
    for file, (table, (crs, _)) in zip(manifest["files"], PLACES.items(), strict=True):
        file |= {"table": table, "crs": crs}

    version = line.run(name, manifest)

    for table in version.tables:
        crs, place = PLACES[table.name]
        transformer = require_way(parse_crs(crs), parse_crs("EPSG:4326"))
        frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))
        (found,) = frame.geometry[0].coords
        expected = transformer.transform(*place)
        assert found[:2] == pytest.approx(expected[:2], abs=1e-9), table.name
        assert found[2:] == pytest.approx(expected[2:], abs=1e-6), table.name
        (way,) = table.transformations
        assert way.is_confirmed, table.name
    assert codes(version) >= {"crs.declared_used", "crs.height_unnamed"}
    assert codes(version) & {"crs.outside_area", "crs.operation_unconfirmed"} == set()


def test_a_custom_crs_is_kept_in_the_file(line: Line, name: str) -> None:
    path = put(line, name, point(3_500_000, 5_500_000), crs=named(TOWGS84))

    (table,) = line.run(name, make_manifest(name, [path], options={"target_crs": "source"})).tables

    for wanted, read in (
        ("geoparquet", geopandas.read_parquet),
        ("flatgeobuf", geopandas.read_file),
    ):
        frame = read(io.BytesIO(lake_bytes(line, table, wanted)))
        to_wgs84 = Transformer.from_crs(frame.crs, CRS.from_epsg(4326), always_xy=True)
        expected = Transformer.from_crs(TOWGS84, "EPSG:4326", always_xy=True)
        x, y = frame.geometry[0].coords[0]
        assert to_wgs84.transform(x, y) == pytest.approx(expected.transform(x, y), abs=1e-9), wanted


@pytest.mark.parametrize(
    ("points", "members", "options", "code", "row"),
    [
        ([point(571_666, 5_539_109)], {}, {}, "crs.out_of_range", 1),
        ([point(1, 2), point(1, 95)], {}, {"target_crs": "EPSG:3857"}, "crs.not_transformable", 2),
        ([point(9e12, 1)], {"crs": named("EPSG:25832")}, {}, "crs.not_transformable", 1),
        ([point(1, 2)], {"crs": named("IAU_2015:30100")}, {}, "crs.no_transformation", None),
        ([point(1, 2)], {"crs": named("EPSG:4978")}, {}, "crs.without_z", None),
        ([point(1, 2)], {"crs": named("EPSG:999999")}, {}, "crs.unreadable", None),
        ([point(1, 2)], {"crs": {"type": "link", "properties": {"href": "http://a.test"}}}, {},
         "crs.unreadable", None),
    ],
    ids=["no degrees", "beyond the pole", "off the grid", "Moon", "two of three", "no such code",
         "link"],
)  # fmt: skip
def test_coordinates_that_cannot_be_placed_are_refused(
    line: Line,
    name: str,
    points: list[dict[str, Any]],
    members: dict[str, Any],
    options: dict[str, Any],
    code: str,
    row: int | None,
) -> None:
    path = put(line, name, *points, **members)

    with pytest.raises(CrsError) as refused:
        line.run(name, make_manifest(name, [path], options=options))

    reason = refused.value.reason
    assert (reason.code, reason.row, reason.file) == (code, row, path)


def test_geometries_torn_at_the_antimeridian_are_counted(line: Line, name: str) -> None:
    def square(x: float) -> dict[str, Any]:
        ring = [[x, 0], [x + 200_000, 0], [x + 200_000, 100_000], [x, 100_000], [x, 0]]
        return {"type": "Polygon", "coordinates": [ring]}

    path = put(line, name, square(3_300_000), square(1_000_000), crs=named("EPSG:3832"))

    version = line.run(name, make_manifest(name, [path]))

    (said,) = [warn for warn in version.warnings if warn.code == "geometry.crosses_antimeridian"]
    assert "1 geometries" in said.message
    assert "(row 1)" in said.message


def test_a_broken_prj_gives_way_to_a_declared_crs(line: Line, name: str, data: Path) -> None:
    parts = [
        line.user.put(f"uploads/{name}/{name}.{part}", data / f"naturalearth_lowres.{part}")
        for part in ("shp", "shx", "dbf", "cpg")
    ]
    parts.append(line.user.put(f"uploads/{name}/{name}.prj", b'GEOGCS["WGS 84",DATUM['))
    manifest = make_manifest(name, parts)

    with pytest.raises(CrsError, match="DATUM"):
        line.run(name, manifest)
    manifest["files"][0]["crs"] = "EPSG:4326"
    version = line.run(f"{name}-2", manifest)

    assert version.tables[0].rows == 177
    assert "crs.declared_used" in codes(version)


def test_a_receipt_carries_the_operation(line: Line, name: str) -> None:
    path = put(line, name, point(3_500_000, 5_500_000), crs=named("EPSG:31467"))

    (table,) = line.run(name, make_manifest(name, [path])).tables

    (way,) = json.loads(table.model_dump_json())["transformations"]
    assert (way["source_crs"], way["is_confirmed"]) == ("EPSG:31467", True)
    assert way["accuracy_m"] in {1.0, 3.0}, "with BETA2007, or without"


def test_one_crs_spelled_in_two_ways_and_axis_orders_is_one(line: Line, name: str) -> None:
    spelled = [("urn:ogc:def:crs:EPSG::4326", "50 8"), ("EPSG:4326", "8 50")]
    members = "".join(
        f'<gml:featureMember><t:t gml:id="t.{n}"><t:geom><gml:Point srsName="{crs}"><gml:pos>{at}'
        f"</gml:pos></gml:Point></t:geom></t:t></gml:featureMember>"
        for n, (crs, at) in enumerate(spelled)
    )
    document = (
        '<c:c xmlns:c="http://c" xmlns:t="http://t" xmlns:gml="http://www.opengis.net/gml">'
        f"{members}</c:c>"
    )
    key = line.user.put(f"uploads/{name}/two.gml", document.encode())

    (table,) = line.run(name, make_manifest(name, [key])).tables

    assert (table.crs, table.rows, table.bbox) == ("EPSG:4326", 2, (8, 50, 8, 50))
