"""Geometries of every kind through the seven phases, compared one by one with what was dropped."""

import csv
import math
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models.errors import SourceError
from libs.models.version import TableVersion, Version
from tests.integration.line import Line, lake_bytes
from tests.support import make_manifest

READERS = {"geoparquet": geopandas.read_parquet}
SUFFIXES = {"geoparquet": "parquet", "flatgeobuf": "fgb", "gpkg": "gpkg"}
SQUARE = "POLYGON ((0 0, 0 10, 10 10, 10 0, 0 0))"
OTHER_WAY = "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (1 1, 1 2, 2 2, 1 1))"
BOW_TIE = "POLYGON ((0 0, 10 10, 10 0, 0 10, 0 0))"
COLLAPSED = "POLYGON ((0 0, 1 0, 0 0, 0 0))"
HOLE_OUTSIDE = "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (20 20, 21 20, 21 21, 20 20))"
OVERLAPPING = "MULTIPOLYGON (((0 0, 10 0, 10 10, 0 10, 0 0)), ((5 5, 15 5, 15 15, 5 15, 5 5)))"
PARTS = ["MULTIPOINT (EMPTY, (1 1))", f"MULTIPOLYGON ({SQUARE[8:]}, EMPTY)"]
WALL = "((0 0 0, 0 0 9, 0 1 9, 0 1 0, 0 0 0))"
ROOF = "((0 0 9, 1 0 9, 1 1 9, 0 0 9))"
DIGITS = (0.12345678901234568, 51.987654321098766)


def dataset(path: Path, wkts: Sequence[str | None], code: int = 25832) -> Path:
    """Make a file with a feature for each WKT or hexadecimal WKB; `id` counts them from 1."""
    rows = path.with_suffix(".csv")
    with rows.open("w") as file:
        csv.writer(file).writerows([("id", "WKT"), *enumerate(wkts, start=1)])
    subprocess.run(
        ["ogr2ogr", path, rows, "-a_srs", f"EPSG:{code}", "-nln", "layer", "-oo",
         "KEEP_GEOM_COLUMNS=NO", "-oo", "AUTODETECT_TYPE=YES", "-lco", "SPATIAL_INDEX=NO"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def not_finite(wkt: str, value: float) -> str:
    """Return a geometry as hexadecimal WKB, with `value` in place of each coordinate 999."""
    wkb = shapely.to_wkb(shapely.from_wkt(wkt), output_dimension=3, byte_order=1)
    return bytes(wkb).replace(struct.pack("<d", 999), struct.pack("<d", value)).hex()


def publish(line: Line, name: str, path: Path, **options: Any) -> tuple[Version, dict[str, str]]:
    """Drop a file; return its version, and the messages of its warnings by code."""
    manifest = make_manifest(
        name,
        [line.user.put(f"uploads/{name}/{path.name}", path)],
        options={"target_crs": "source", **options},
    )
    version = line.run(name, manifest)
    said: dict[str, str] = {}
    for warn in version.warnings:
        said[warn.code] = said.get(warn.code, "") + warn.message
    return version, said


def published(line: Line, table: TableVersion, folder: Path) -> dict[str, list[Any]]:
    """Return the geometries of each published file in the order of their `id`."""
    found = {}
    for output in table.outputs:
        path = folder / f"{table.name}.{SUFFIXES[output.format]}"
        path.write_bytes(lake_bytes(line, table, output.format))
        frame = READERS.get(output.format, geopandas.read_file)(path)
        found[output.format] = list(frame.sort_values("id").geometry)
    return found


def is_same(found: Any, expected: str | None) -> bool:
    """Whether a geometry is, coordinate by coordinate and ring by ring, what a WKT says."""
    if expected is None or found is None:
        return expected is None and found is None
    wanted = shapely.from_wkt(expected)
    return bool(
        found.geom_type == wanted.geom_type
        and found.has_z == wanted.has_z
        and shapely.to_wkb(found) == shapely.to_wkb(wanted)
    )


@pytest.mark.parametrize(
    ("wkts", "expected", "formats", "codes"),
    [
        pytest.param(
            [HOLE_OUTSIDE], [HOLE_OUTSIDE], "geoparquet flatgeobuf", "geometry.invalid", id="hole"
        ),
        pytest.param(
            [SQUARE, OTHER_WAY], [SQUARE, OTHER_WAY], "geoparquet flatgeobuf", "", id="rings"
        ),
        pytest.param(
            [SQUARE, f"MULTIPOLYGON ({SQUARE[8:]})", None],
            [f"MULTIPOLYGON ({SQUARE[8:]})", f"MULTIPOLYGON ({SQUARE[8:]})", None],
            "geoparquet gpkg", "geometry.promoted_to_multi output.other_format", id="mixed",
        ),
        pytest.param(
            ["POINT (1 2)", "POINT Z (1 2 3)"], ["POINT Z (1 2 0)", "POINT Z (1 2 3)"],
            "geoparquet flatgeobuf", "geometry.dimension_added", id="dimensions",
        ),
        pytest.param(
            ["POINT EMPTY", "POINT (1 2)", "MULTIPOLYGON EMPTY", "GEOMETRYCOLLECTION EMPTY"],
            ["POINT EMPTY", "POINT (1 2)", "MULTIPOLYGON EMPTY", "GEOMETRYCOLLECTION EMPTY"],
            "geoparquet gpkg", "output.other_format", id="empty",
        ),
        pytest.param(
            ["GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 2)), LINESTRING EMPTY)", SQUARE],
            ["GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 2)), LINESTRING EMPTY)", SQUARE],
            "geoparquet gpkg", "output.other_format", id="collections",
        ),
        pytest.param(
            PARTS, PARTS, "geoparquet gpkg", "output.other_format", id="empty-parts"
        ),
        pytest.param(
            [f"TIN Z ({ROOF})", f"POLYHEDRALSURFACE Z ({WALL}, {ROOF})", f"POLYGON Z {ROOF}"],
            [f"MULTIPOLYGON Z ({ROOF})", f"MULTIPOLYGON Z ({WALL}, {ROOF})",
             f"MULTIPOLYGON Z ({ROOF})"],
            "geoparquet flatgeobuf",
            "geometry.invalid geometry.promoted_to_multi geometry.surface_as_multipolygon",
            id="surfaces",
        ),
        pytest.param(
            [f"GEOMETRYCOLLECTION Z (TIN Z ({ROOF}), MULTIPOLYGON Z ({ROOF}))"],
            [f"MULTIPOLYGON Z ({ROOF}, {ROOF})"],
            "geoparquet flatgeobuf", "geometry.invalid geometry.surface_as_multipolygon",
            id="multipatch",
        ),
        pytest.param(
            [f"POINT ({DIGITS[0]!r} {DIGITS[1]!r})", "POINT (-0.0 1e300)"],
            [f"POINT ({DIGITS[0]!r} {DIGITS[1]!r})", "POINT (-0.0 1e300)"],
            "geoparquet flatgeobuf", "", id="digits",
        ),
    ],
)  # fmt: skip
def test_geometries_are_published_as_they_are_or_it_is_said(
    line: Line,
    name: str,
    tmp_path: Path,
    wkts: list[str | None],
    expected: list[str | None],
    formats: str,
    codes: str,
) -> None:
    version, warnings = publish(line, name, dataset(tmp_path / "a.gpkg", wkts))

    files = published(line, version.tables[0], tmp_path)
    assert " ".join(files) == formats
    assert " ".join(sorted(warnings)) == codes
    for wanted, found in files.items():
        for geometry, wkt in zip(found, expected, strict=True):
            assert is_same(geometry, wkt), (wanted, geometry, wkt)


def test_curves_become_lines_through_their_ends_within_what_is_said(
    line: Line, name: str, tmp_path: Path
) -> None:
    # The points of the arc are not its farthest ones.
    arc = f"CIRCULARSTRING (0 0, {1 - math.sqrt(0.75)} 0.5, 2 0)"
    wkts = [arc, f"COMPOUNDCURVE ({arc}, (2 0, 3 0))", f"GEOMETRYCOLLECTION ({arc})"]
    version, warnings = publish(line, name, dataset(tmp_path / "a.gpkg", wkts))

    assert "2 curved geometries were" in warnings["geometry.linearised"]
    assert "1 geometry collections with curves were" in warnings["geometry.linearised"]
    first, second, (third,) = (
        list(getattr(item, "geoms", [item]))
        for item in published(line, version.tables[0], tmp_path)["geoparquet"]
    )
    for found in (*first, *second, third):
        ring = [xy for xy in found.coords if xy[0] <= 2]
        assert (ring[0], ring[-1]) == ((0, 0), (2, 0))
        half_way = shapely.LineString(ring).segmentize(0.001)
        assert all(0.9993 <= math.dist(xy, (1, 0)) <= 1 + 1e-9 for xy in half_way.coords)


@pytest.mark.parametrize(
    ("wkt", "value", "file", "target"),
    [
        ("POINT (999 1)", math.inf, "a.fgb", "source"),
        ("LINESTRING (0 0, 999 1, 2 2)", math.nan, "a.fgb", "EPSG:4326"),
        ("MULTIPOINT ((1 2), (999 3))", math.inf, "a.fgb", "source"),
        ("POINT Z (1 2 999)", -math.inf, "a.gpkg", "EPSG:4326"),
    ],
)
def test_coordinates_that_are_not_finite_are_refused_with_their_rows(
    line: Line, name: str, tmp_path: Path, wkt: str, value: float, file: str, target: str
) -> None:
    broken = not_finite(wkt, value)
    wkts = ["POINT (500000 5000000)", broken, "POINT (500000 1)", broken]
    with pytest.raises(SourceError) as refused:
        publish(line, name, dataset(tmp_path / file, wkts), target_crs=target)

    reason = refused.value.reason
    assert (reason.code, reason.layer, reason.row) == ("source.not_finite", "layer", 2)
    assert "2 rows: 2, 4" in reason.message


def test_heights_that_are_not_a_number_are_kept_and_said(
    line: Line, name: str, tmp_path: Path
) -> None:
    wkts = ["POINT Z (500000 5000000 7)", not_finite("POINT Z (500000 5000000 999)", math.nan)]
    path = dataset(tmp_path / "a.gpkg", wkts)
    version, warnings = publish(line, name, path, target_crs="EPSG:4326")

    assert warnings["geometry.z_not_a_number"].endswith("were kept in row 2.")
    for found in published(line, version.tables[0], tmp_path).values():
        assert found[0].z == 7
        assert math.isnan(shapely.get_z(found[1]))


def test_a_repair_touches_what_is_invalid_only_and_says_what_it_did(
    line: Line, name: str, tmp_path: Path
) -> None:
    valid = [OTHER_WAY.replace("10", str(20 + n)) for n in range(50)]
    wkts = [*valid, BOW_TIE, COLLAPSED, SQUARE]
    path = dataset(tmp_path / "a.gpkg", wkts)
    _, kept = publish(line, name, path)
    version, warnings = publish(line, f"{name}-2", path, repair=True)

    assert "row 51: Self-intersection at POINT(5 5); row 52" in kept["geometry.invalid"]
    assert "1 Polygon became MultiPolygon" in warnings["geometry.repaired"]
    assert "area was 0 and is 50 (planar, square metre)" in warnings["geometry.repaired"]
    assert "row 52" in warnings["geometry.not_repaired"]
    for found in published(line, version.tables[0], tmp_path).values():
        assert (found[50].area, found[50].is_valid) == (50, True)
        assert all(
            is_same(geometry, wkt)
            for geometry, wkt in zip(found, wkts, strict=True)
            if wkt != BOW_TIE
        )


def test_a_repair_leaves_no_hole_where_parts_overlap(line: Line, name: str, tmp_path: Path) -> None:
    path = dataset(tmp_path / "a.gpkg", [OVERLAPPING])
    version, warnings = publish(line, name, path, repair=True)

    assert "no type changed; their area was 200 and is 175" in warnings["geometry.repaired"]
    ((found,), _) = published(line, version.tables[0], tmp_path).values()
    assert (found.geom_type, found.area) == ("MultiPolygon", 175)


def test_faces_of_a_surface_are_not_repaired(line: Line, name: str, tmp_path: Path) -> None:
    wkts = [f"POLYHEDRALSURFACE Z ({WALL}, {ROOF})"]
    version, warnings = publish(line, name, dataset(tmp_path / "a.gpkg", wkts), repair=True)

    assert "geometry.not_repaired" in warnings
    for (found,) in published(line, version.tables[0], tmp_path).values():
        assert is_same(found, f"MULTIPOLYGON Z ({WALL}, {ROOF})")


def test_rows_are_named_as_they_stand_in_the_source(line: Line, name: str, tmp_path: Path) -> None:
    """Long and short geometries in turn: a COPY that fills pages would mix their order."""
    wkts = [
        f"LINESTRING ({', '.join(f'{n} {k}' for k in range(2 + n * 37 % 120))})"
        for n in range(2000)
    ]
    wkts[1500] = "LINESTRING (7 7, 7 7)"
    _, warnings = publish(line, name, dataset(tmp_path / "a.gpkg", wkts))

    assert "row 1501: Too few points" in warnings["geometry.invalid"]
