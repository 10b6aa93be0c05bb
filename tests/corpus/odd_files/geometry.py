"""Geometries: mixed, with Z and M, curved, missing, empty, invalid, not finite, in three planes."""

import json
import struct
from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    register,
    rejected,
)
from tests.corpus.odd_files.writing import feature, from_wkt, geojson, sample

SQUARE = "POLYGON((0 0,1 0,1 1,0 1,0 0))"
OPEN = "POLYGON((5 5,6 5,6 6,5 6))"
SQUARES = "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))"
BOWTIE = "POLYGON((0 0,1 1,1 0,0 1,0 0))"
TIN = "TIN Z (((0 0 0,0 0 1,0 1 0,0 0 0)),((0 0 0,0 1 0,1 1 0,0 0 0)))"
CUBE_SIDES = (
    "POLYHEDRALSURFACE Z (((0 0 0,0 1 0,1 1 0,1 0 0,0 0 0)),((0 0 0,0 1 0,0 1 1,0 0 1,0 0 0)))"
)

PLAIN = {
    "mixed-single-and-multi": (SQUARE, SQUARES),
    "mixed-everything": ("POINT(1 2)", "LINESTRING(0 0,1 1)", SQUARE, "MULTIPOINT(1 1,2 2)"),
    "geometry-collections": ("GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))", "POINT(3 4)"),
    "nested-collections": ("GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2)),POINT(2 3))",),
    "with-z": ("POINT Z (1 2 3)", "POINT Z (4 5 6)"),
    "some-with-z": ("POINT Z (1 2 3)", "POINT(4 5)"),
    "null-geometries": ("POINT(1 2)", "", ""),
    "only-null-geometries": ("", ""),
    "empty-geometries": ("POINT EMPTY", "POLYGON EMPTY", "MULTILINESTRING EMPTY", "POINT(1 2)"),
    "empty-collection": ("GEOMETRYCOLLECTION EMPTY",),
    "repeated-points": ("LINESTRING(0 0,0 0,1 1,1 1)",),
    "hole-that-touches": ("POLYGON((0 0,4 0,4 4,0 4,0 0),(0 0,2 1,1 2,0 0))",),
    "many-holes": (
        "POLYGON((0 0,90 0,90 80,0 80,0 0)"
        + "".join(
            f",({x} {y},{x}.5 {y},{x} {y}.5,{x} {y})" for x in range(1, 60) for y in range(1, 60)
        )
        + ")",
    ),
}
for _name, _shapes in PLAIN.items():
    for _suffix in ("gpkg", "fgb") if "null" not in _name else ("gpkg",):
        register(
            f"{_name}-{_suffix}",
            lambda folder, shapes=_shapes, suffix=_suffix: from_wkt(
                folder / f"shapes.{suffix}", *shapes
            ),
            published(rows=len(_shapes)) if _suffix == "gpkg" else published(),
            is_lean=_suffix == "gpkg" and _name.startswith(("mixed", "null", "some")),
        )

CURVES = {
    "circularstring": "CIRCULARSTRING(0 0,1 1,2 0)",
    "compoundcurve": "COMPOUNDCURVE(CIRCULARSTRING(0 0,1 1,2 0),(2 0,3 0))",
    "curvepolygon": "CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0))",
    "multicurve": "MULTICURVE((0 0,1 1),CIRCULARSTRING(0 0,1 1,2 0))",
    "multisurface": "MULTISURFACE(CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0)))",
}
for _name, _shape in CURVES.items():
    register(
        f"curve-{_name}",
        lambda folder, shape=_shape: from_wkt(folder / "curves.gpkg", shape, SQUARE),
        Expectation(warnings=("geometry.linearised",), rows=2),
        is_lean=_name == "compoundcurve",
    )

MEASURED = {
    "m": ("POINT M (1 2 3)", "POINT M (4 5 6)"),
    "zm": ("LINESTRING ZM (1 2 3 4,5 6 7 8)",),
    "some-m": ("POINT M (1 2 3)", "POINT(4 5)"),
}
for _name, _shapes in MEASURED.items():
    register(
        f"measures-{_name}",
        lambda folder, shapes=_shapes: from_wkt(folder / "measures.gpkg", *shapes),
        Expectation(warnings=("output.m_dropped",), rows=len(_shapes)),
        is_lean=_name == "zm",
    )


DRAWN_CURVES = """\
0 SECTION 2 ENTITIES
0 SPLINE 8 roads 70 8 71 1 72 4 73 2 74 0 40 0 40 0 40 1 40 1 10 1 20 2 30 5 10 3 20 4 30 6
0 LWPOLYLINE 8 roads 90 2 70 0 38 7 10 1 20 1 42 1 10 2 20 1
0 POLYLINE 8 roads 66 1 10 0 20 0 30 7
0 VERTEX 8 roads 10 1 20 1 30 0
0 VERTEX 8 roads 10 2 20 2 30 0
0 SEQEND 0 ENDSEC 0 EOF
"""


@case(
    published("geometry.linearised", "geometry.z_not_read", rows=3),
    is_lean=True,
    file_fields={"crs": "EPSG:25832"},
)
def curves_and_heights_of_a_drawing(folder: Path) -> Path:
    path = folder / "roads.dxf"
    path.write_text("\n".join(DRAWN_CURVES.split()) + "\n")
    return path


@case(published(rows=1))
def tin_in_a_geopackage(folder: Path) -> Path:
    return from_wkt(folder / "terrain.gpkg", TIN)


@case(published(rows=1))
def polyhedral_surface(folder: Path) -> Path:
    return from_wkt(folder / "building.gpkg", CUBE_SIDES)


@case(published(rows=1))
def multipatch_shapefile(folder: Path) -> list[Path]:
    path = from_wkt(folder / "building.shp", CUBE_SIDES, options=("-lco", "SHPT=MULTIPATCH"))
    return [path, *(path.with_suffix(s) for s in (".shx", ".dbf", ".prj"))]


@case(published("geometry.invalid", rows=2), is_lean=True)
def invalid_kept(folder: Path) -> Path:
    return from_wkt(folder / "bowtie.gpkg", BOWTIE, SQUARE)


@case(published("geometry.repaired", rows=2), manifest_fields={"options": {"repair": True}})
def invalid_repaired(folder: Path) -> Path:
    return from_wkt(folder / "bowtie.gpkg", BOWTIE, SQUARE)


@case(published_or_rejected("geometry.*", "source.*", warnings=("geometry.*",)))
def line_of_one_point(folder: Path) -> Path:
    line = {"type": "LineString", "coordinates": [[1, 2]]}
    return geojson(folder / "dot.geojson", [feature({"n": 1}, line)])


@case(published_or_rejected("geometry.*", "source.*", warnings=("*",)))
def ring_not_closed(folder: Path) -> Path:
    """GDAL closes it without a word; the point added is a change."""
    ring = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}
    return geojson(folder / "open.geojson", [feature({"n": 1}, ring)])


for _suffix in ("gpkg", "fgb", "gml"):
    register(
        f"ring-not-closed-{_suffix}",
        lambda folder, suffix=_suffix: from_wkt(folder / f"open.{suffix}", SQUARE, OPEN),
        rejected("source.broken_geometry"),
        is_lean=_suffix == "fgb",
    )


@case(published_or_rejected("geometry.*", "source.*", warnings=("geometry.*",)))
def ring_of_two_points(folder: Path) -> Path:
    ring = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}
    return geojson(folder / "sliver.geojson", [feature({"n": 1}, ring)])


@case(published(rows=2))
def coordinates_empty(folder: Path) -> Path:
    shapes = ({"type": "Point", "coordinates": []}, {"type": "Polygon", "coordinates": []})
    return geojson(folder / "empty.geojson", [feature({"n": 1}, shape) for shape in shapes])


@case(rejected("source.broken_geometry"), is_lean=True)
def geometry_that_geojson_has_not(folder: Path) -> Path:
    circle = {"type": "Circle", "coordinates": [1, 2], "radius": 3}
    return geojson(folder / "circle.geojson", [feature({"n": 1}, circle)])


@case(rejected("source.broken_geometry"))
def coordinates_null(folder: Path) -> Path:
    point = {"type": "Point", "coordinates": [None, None]}
    return geojson(folder / "null.geojson", [feature({"n": 1}, point)])


@case(published("source.heights_added", rows=1))
def heights_at_some_positions(folder: Path) -> Path:
    line = {"type": "LineString", "coordinates": [[1, 2, 3], [3, 4]]}
    return geojson(folder / "heights.geojson", [feature({"n": 1}, line)])


@case(published("source.ordinates_dropped", rows=1))
def four_coordinates(folder: Path) -> Path:
    """RFC 7946 allows no fourth number; GDAL drops it."""
    point = {"type": "Point", "coordinates": [1, 2, 3, 4]}
    return geojson(folder / "four.geojson", [feature({"n": 1}, point)])


@case(published_or_rejected("geometry.*", "crs.*", "source.*", warnings=("*range*",)))
def latitude_beyond_the_pole(folder: Path) -> Path:
    point = {"type": "Point", "coordinates": [10, 95]}
    return geojson(folder / "beyond.geojson", [feature({"n": 1}, point)])


@case(published(rows=1))
def longitude_beyond_the_dateline(folder: Path) -> Path:
    """People write 181 on purpose: kept, and said if the service likes."""
    line = {"type": "LineString", "coordinates": [[179, 0], [181, 0]]}
    return geojson(folder / "beyond.geojson", [feature({"n": 1}, line)])


def _with_number(folder: Path, number: float) -> Path:
    path = from_wkt(folder / "points.gpkg", "POINT(12.5 41.5)", "POINT(1 2)")
    path.write_bytes(path.read_bytes().replace(struct.pack("<d", 12.5), struct.pack("<d", number)))
    return path


@case(rejected("geometry.*", "source.*", "fidelity.not_finite"))
def coordinate_is_infinite(folder: Path) -> Path:
    return _with_number(folder, float("inf"))


@case(rejected("geometry.*", "source.*", "fidelity.not_finite"))
def coordinate_is_nan(folder: Path) -> Path:
    """Only x: a point whose both numbers are NaN is an empty one."""
    return _with_number(folder, float("nan"))


@case(published_or_rejected("geometry.*", "source.*", "fidelity.not_finite"))
def coordinate_overflows(folder: Path) -> Path:
    path = folder / "large.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},'
        '"geometry":{"type":"Point","coordinates":[1e999,2]}}]}'
    )
    return path


@case(published(rows=1))
def polygon_of_many_vertices(folder: Path) -> Path:
    from math import cos, pi, sin

    ring = [[cos(2 * pi * n / 200_000), sin(2 * pi * n / 200_000)] for n in range(200_000)]
    polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return geojson(folder / "round.geojson", [feature({"n": 1}, polygon)])


@case(published_or_rejected("geometry.*", "source.*"))
def collection_nested_deeply(folder: Path) -> Path:
    shape: dict[str, object] = {"type": "Point", "coordinates": [1, 2]}
    for _ in range(30):
        shape = {"type": "GeometryCollection", "geometries": [shape]}
    path = folder / "deep.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": shape}))
    return path


@case(published(rows=0), is_lean=True)
def layer_without_rows(folder: Path) -> Path:
    return sample(folder / "nothing.gpkg", "-where", "n < 0")


@case(published(rows=0))
def shapefile_without_rows(folder: Path) -> list[Path]:
    path = sample(folder / "nothing.shp", "-where", "n < 0")
    return [path, *(path.with_suffix(s) for s in (".shx", ".dbf", ".prj"))]


@case(published_or_rejected("source.*"))
def geojson_without_features(folder: Path) -> Path:
    return geojson(folder / "nothing.geojson", [])


@case(published(rows=2))
def shapefile_with_null_shapes(folder: Path) -> list[Path]:
    path = from_wkt(folder / "some.shp", "POINT(1 2)", "")
    return [path, *(path.with_suffix(s) for s in (".shx", ".dbf", ".prj"))]


@case(published("output.m_dropped", rows=1))
def shapefile_with_measures(folder: Path) -> list[Path]:
    path = from_wkt(folder / "route.shp", "LINESTRING M (1 2 3,4 5 6)")
    return [path, *(path.with_suffix(s) for s in (".shx", ".dbf", ".prj"))]


@case(published(rows=1))
def polygon_wound_clockwise(folder: Path) -> Path:
    """Against RFC 7946, and harmless: the order of the points is kept."""
    ring = {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]]]}
    return geojson(folder / "clockwise.geojson", [feature({"n": 1}, ring)])


@case(rejected("source.*", "geometry.*"))
def polygon_that_is_a_point(folder: Path) -> Path:
    """The type and the depth of the coordinates disagree."""
    wrong = {"type": "Polygon", "coordinates": [1, 2]}
    point = {"type": "Point", "coordinates": [1, 2]}
    return geojson(folder / "wrong.geojson", [feature({"n": 1}, wrong), feature({"n": 2}, point)])
