"""Values at the edges of every type, in the formats that people drop, found again unchanged."""

import datetime as dt
import io
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import shapely

from libs.models.errors import SourceError
from tests.corpus.odd_files.writing import edit_database, sample
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point

SOURCE: list[dict[str, Any]] = [
    {
        "n": 0, "flag": True, "whole": -(2**31), "big": 2**63 - 1, "real": 1 / 3,
        "text": "a\tb\nc \\N", "day": "1969-12-31", "at": "2024-02-29T12:00:00+05:45",
        "hour": "00:00:00",
        "words": ["back\\slash", "", "a,b", 'q"'], "numbers": [1 / 3, 5e-324],
    },
    {
        "n": 1, "flag": False, "whole": 2**31 - 1, "big": -(2**63), "real": 1.7976931348623157e308,
        "text": "", "day": "1582-10-10", "at": "0001-01-01T00:00:00Z", "words": [], "numbers": [],
        "hour": "12:34:56",
    },
    {
        "n": 2, "flag": True, "whole": 0, "big": 0, "real": 5e-324, "text": "🚲日本",
        "day": "2024-02-29", "at": "2024-02-29T23:59:59.999-11:30", "words": ["x"],
        "numbers": [0.1], "hour": "23:59:59.999",
    },
    {
        "n": 3, "flag": None, "whole": None, "big": None, "real": None, "text": None, "day": None,
        "at": None, "words": None, "numbers": None, "hour": None,
    },
]  # fmt: skip
DRIVERS = {"GeoJSON": "geojson", "GPKG": "gpkg", "FlatGeobuf": "fgb"}
HELD_AS_TEXT = {"GPKG": {"words", "numbers", "hour"}, "FlatGeobuf": {"words", "numbers"}}
LEFT_OUT = {"FlatGeobuf": {"words", "numbers"}}


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as its columns' types hold it."""
    typed = dict(row)
    if row["day"]:
        typed["day"] = dt.date.fromisoformat(row["day"])
        typed["at"] = dt.datetime.fromisoformat(row["at"])
        typed["hour"] = dt.time.fromisoformat(row["hour"])
    return typed


@pytest.mark.parametrize("driver", DRIVERS)
def test_edge_values_of_a_source_are_published_as_they_are(
    line: Line, name: str, tmp_path: Path, driver: str
) -> None:
    source = tmp_path / "source.geojson"
    source.write_bytes(geojson(*((row, point(row["n"], 0)) for row in SOURCE)))
    left_out = LEFT_OUT.get(driver, set())
    path = source
    if driver != "GeoJSON":
        path = tmp_path / f"dropped.{DRIVERS[driver]}"
        kept = ",".join(column for column in SOURCE[0] if column not in left_out)
        subprocess.run(["ogr2ogr", "-f", driver, "-select", kept, path, source], check=True)
    key = line.user.put(f"uploads/{name}/{path.name}", path)

    (table,) = line.run(name, make_manifest(name, [key])).tables

    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).sort_by("n")
    for row, own in zip(rows.to_pylist(), map(expected, SOURCE), strict=True):
        for column, value in own.items():
            if column in left_out:
                continue
            if column in HELD_AS_TEXT.get(driver, ()) and value is not None:
                assert isinstance(row[column], str), "GDAL writes lists so"
            elif column == "day" and driver == "FlatGeobuf" and value is not None:
                assert row[column] == dt.datetime.combine(value, dt.time())
            else:
                assert row[column] == value, column


def test_dates_and_numbers_of_a_shapefile_are_published_as_they_are(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = tmp_path / "source.geojson"
    days = ("1969-12-31", "1582-10-10", "2024-02-29", None)
    content = [({"n": n, "day": day, "real": 1 / 3}, point(n, 0)) for n, day in enumerate(days)]
    source.write_bytes(geojson(*content))
    subprocess.run(
        ["ogr2ogr", "-f", "ESRI Shapefile", "-lco", "ENCODING=UTF-8", tmp_path / "s.shz", source],
        check=True,
    )
    key = line.user.put(f"uploads/{name}/s.zip", tmp_path / "s.shz")

    (table,) = line.run(name, make_manifest(name, [key])).tables

    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).sort_by("n")
    assert [str(day) if day else None for day in rows.column("day").to_pylist()] == list(days)


def test_a_geojson_column_is_a_time_only_where_that_changes_nothing(line: Line, name: str) -> None:
    values = {
        "d": ["2024-02-29", "2024-02-30"],
        "t": ["2016-12-31T23:59:60Z", "2024-02-29T12:00:00Z"],
        "n": [1, "1.50"],
        "large": [2**64, -1],
    }
    rows = [{column: column_values[n] for column, column_values in values.items()} for n in (0, 1)]
    path = line.user.put(f"uploads/{name}/d.geojson", geojson(*((r, point(0, 0)) for r in rows)))

    version = line.run(name, make_manifest(name, [path]))

    (table,) = version.tables
    found = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet"))).to_pydict()
    for column, expected in values.items():
        assert sorted(found[column]) == sorted(map(str, expected))
    assert {w.code for w in version.warnings} == {"column.kept_as_text"}


def test_a_geometry_that_geojson_has_not_is_refused_with_its_feature(line: Line, name: str) -> None:
    circle = {"type": "Circle", "coordinates": [1, 2]}
    content = geojson(({"n": 1}, point(0, 0)), ({"n": 2}, circle))
    path = line.user.put(f"uploads/{name}/c.geojson", content)

    with pytest.raises(SourceError) as refused:
        line.run(name, make_manifest(name, [path]))

    assert (refused.value.reason.code, refused.value.reason.row) == ("source.broken_geometry", 2)


def test_values_that_do_not_fit_their_column_are_published_as_they_are_stored(
    line: Line, name: str, tmp_path: Path
) -> None:
    stored = {
        "m": ("MEDIUMINT", 3_000_000_000, 1),
        "i": ("INTEGER", "abc", "1"),
        "r": ("REAL", "12,5", "1.0"),
        "d": ("DATE", "2024-02-30", "2024-02-29"),
        "at": ("DATETIME", "2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
    }
    (tmp_path / "s.geojson").write_bytes(geojson(({"n": 1}, point(0, 0)), ({"n": 2}, point(1, 0))))
    path = tmp_path / "s.gpkg"
    subprocess.run(
        ["ogr2ogr", "-nln", "t", "-lco", "SPATIAL_INDEX=NO", path, tmp_path / "s.geojson"],
        check=True,
    )
    with closing(sqlite3.connect(path)) as base:
        for column, (declared, odd, fitting) in stored.items():
            base.execute(f"ALTER TABLE t ADD COLUMN {column} {declared}")
            base.execute(f"UPDATE t SET {column} = CASE n WHEN 1 THEN ? ELSE ? END", (fitting, odd))
        base.commit()
    key = line.user.put(f"uploads/{name}/s.gpkg", path)

    version = line.run(name, make_manifest(name, [key]))

    rows = pq.read_table(io.BytesIO(lake_bytes(line, version.tables[0], "geoparquet"))).sort_by("n")
    for column, (_, odd, fitting) in stored.items():
        assert rows.column(column).to_pylist() == [fitting, odd]
    said = [warn for warn in version.warnings if warn.code == "column.other_type"]
    assert [warn.message.split("'")[1] for warn in said] == list(stored)
    assert {warn.layer for warn in said} == {"t"}


def test_layers_that_are_not_asked_for_are_not_read(line: Line, name: str, tmp_path: Path) -> None:
    path, source = tmp_path / "two.gpkg", tmp_path / "s.geojson"
    source.write_bytes(geojson(({"n": 1}, point(0, 0))))
    for layer, mode in (("good", ()), ("bad", ("-update",))):
        options = [*mode, "-lco", "SPATIAL_INDEX=NO", "-nln", layer]
        subprocess.run(["ogr2ogr", *options, path, source], check=True)
    with closing(sqlite3.connect(path)) as base:
        base.execute("ALTER TABLE bad ADD COLUMN t TEXT")
        base.execute("UPDATE bad SET t = char(97, 0, 98)")
        base.commit()
    manifest = make_manifest(name, [line.user.put(f"uploads/{name}/two.gpkg", path)])
    manifest["files"][0]["layer"] = "good"

    (table,) = line.run(name, manifest).tables

    assert (table.name, table.rows) == ("good", 1)
    del manifest["files"][0]["layer"]
    with pytest.raises(SourceError, match=r"value_misfit \(file .*two.gpkg, layer bad, row 1\)"):
        line.run(f"{name}-all", manifest)


def test_extensions_of_gpx_and_segments_of_one_point_are_published(line: Line, name: str) -> None:
    content = """<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1"
      xmlns:x="urn:x"><trk><name>a</name><trkseg><trkpt lat="1" lon="2"><extensions>
      <x:code>01001</x:code><x:more><x:hr>120</x:hr></x:more></extensions></trkpt></trkseg>
      <trkseg><trkpt lat="3" lon="4"/><trkpt lat="5" lon="6"/></trkseg></trk></gpx>"""
    key = line.user.put(f"uploads/{name}/a.gpx", content.encode())

    version = line.run(name, make_manifest(name, [key]))

    tables = {
        table.name: pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet")))
        for table in version.tables
        if table.rows
    }
    assert tables["track_points"].column("x_code").drop_null().to_pylist() == ["01001"]
    assert tables["track_points"].column("x_more").drop_null().to_pylist() == ["<x:hr>120</x:hr>"]
    (track,) = shapely.from_wkb(tables["tracks"].column("geometry").to_pylist())
    assert [list(part.coords) for part in track.geoms] == [[(2, 1)] * 2, [(4, 3), (6, 5)]]
    assert "geometry.point_as_line" in {warn.code for warn in version.warnings}


def test_elements_of_gml_that_are_nil_somewhere_are_no_lists(
    line: Line, name: str, tmp_path: Path
) -> None:
    features = "".join(
        f'<gml:featureMember><t:row gml:id="r{n}">{values}<t:shape><gml:Point>'
        "<gml:pos>1 2</gml:pos></gml:Point></t:shape></t:row></gml:featureMember>"
        for n, values in enumerate(
            (
                '<t:code xsi:nil="true"/><t:tag>a</t:tag><t:tag>b</t:tag>',
                "<t:code>01001</t:code><t:tag>c</t:tag>",
                "<t:code></t:code>",
            )
        )
    )
    path = tmp_path / "rows.gml"
    path.write_text(
        '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:t="http://t"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{features}</gml:FeatureCollection>'
    )
    file = {
        "path": line.user.put(f"uploads/{name}.gml", path),
        "type": "vector",
        "crs": "EPSG:4326",
    }

    (table,) = line.run(name, make_manifest(name, [], files=[file])).tables

    found = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    assert sorted(found["code"].to_pylist(), key=repr) == ["", "01001", None]
    assert ["a", "b"] in found["tag"].to_pylist()


def test_geometries_of_a_geopackage_are_read_however_they_are_written(
    line: Line, name: str, tmp_path: Path
) -> None:
    """No book names the table, and Java writes big-endian WKB, which GDAL hands on as it is."""
    path = sample(tmp_path / "roads.gpkg", count=2)
    big = b"GP\0\0" + (4326).to_bytes(4, "big") + shapely.to_wkb(shapely.Point(8, 50), byte_order=0)
    edit_database(
        path,
        "DELETE FROM gpkg_contents",
        "DELETE FROM gpkg_geometry_columns",
        f"UPDATE roads SET geom = X'{big.hex()}' WHERE fid = 1",
    )

    version = line.run(name, make_manifest(name, [line.user.put(f"uploads/{name}/a.gpkg", path)]))

    (table,) = version.tables
    found = pq.read_table(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    shapes = [shapely.from_wkb(value).wkt for value in found["geometry"].to_pylist()]
    assert "POINT (8 50)" in shapes
    assert "source.layer_registered" in [warning.code for warning in version.warnings]


def test_what_is_no_wkb_in_a_geopackage_is_refused_with_its_row(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = sample(tmp_path / "roads.gpkg")
    edit_database(path, "UPDATE roads SET geom = X'4750002100000000414243440102' WHERE fid = 2")
    with pytest.raises(SourceError) as caught:
        line.run(name, make_manifest(name, [line.user.put(f"uploads/{name}/a.gpkg", path)]))
    assert (caught.value.reason.code, caught.value.reason.row) == ("source.broken_geometry", 2)
