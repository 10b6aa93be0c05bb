"""Published files as readers that are not ours find them: valid, typed, equal value by value."""

import datetime as dt
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
from geoparquet_io.core.validate import CheckStatus, validate_geoparquet

from libs.compute.arrow_types import arrow_type
from libs.models.version import TableVersion, Version
from libs.spatial_utils.column_types import POSTGRES_TYPES, is_held_as_text, layer_type
from tests.integration.line import Line, lake_bytes
from tests.support import geojson, make_manifest, point

FORMATS = ["geoparquet", "flatgeobuf", "gpkg"]
NAN, INF = float("nan"), float("inf")
VALUES: dict[str, list[Any]] = {
    "integer": [-(2**31), 2**31 - 1],
    "boolean": [True, False],
    "smallint": [-(2**15), 2**15 - 1],
    "bigint": [-(2**63), 2**63 - 1],
    "double": [1 / 3, 1.7976931348623157e308],
    "real": [0.5, -INF],
    "text": ["", "a\tb\nc\r\\N 'q' \"Q\" 🚲日本\u202e"],
    "json": ['{"b": 1,  "a": [1.0, null]}', "null"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    "time": [dt.time(0, 0), dt.time(23, 59, 59, 999999)],
    "timestamp": [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999000)],
    "timestamptz": [
        dt.datetime(1582, 10, 10, 1, 2, 3, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=dt.UTC),
    ],
    "binary": [b"", b"\x00\xff\\"],
    "integer[]": [[], [1, None, -(2**31)]],
    "boolean[]": [[True, None], [False]],
    "smallint[]": [[1], [-(2**15)]],
    "bigint[]": [[2**63 - 1], [None]],
    "double[]": [[1 / 3, NAN, INF], [0.1]],
    "real[]": [[0.5], [None]],
    "text[]": [["a,b", 'q"', "back\\slash", "", None, "NULL"], ["{x}", " s ", "n\nl"]],
}
OGR_TYPES = {
    "Int": "OFTInteger", "Bool": "OFTInteger", "Short": "OFTInteger", "Long": "OFTInteger64",
    "Double": "OFTReal", "Float": "OFTReal", "String": "OFTString", "DateTime": "OFTDateTime",
    "Binary": "OFTBinary",
}  # fmt: skip


def source_column(kind: str) -> pa.Array:
    """Return the values of a type and a NULL, typed as a Parquet file would have them."""
    values = [*VALUES[kind], None]
    if kind == "uuid":
        values = [value and bytes.fromhex(value.replace("-", "")) for value in values]
        return pa.array(values, pa.uuid())
    return pa.array(values, pa.json_() if kind == "json" else arrow_type(kind))


def drop_points(line: Line, name: str, columns: dict[str, pa.Array]) -> Version:
    """Drop a Parquet table whose rows become points with the row's number as x."""
    rows = len(next(iter(columns.values())))
    numbers = pa.array([float(number) for number in range(rows)])
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": numbers, "y": numbers, **columns}), buffer)
    path = line.user.put(f"uploads/{name}/t.parquet", buffer.getvalue())
    file = {"path": path, "type": "tabular", "crs": "EPSG:4326"}
    options = {"outputs": FORMATS, "x_column": "x", "y_column": "y"}
    manifest = make_manifest(name, [], intent="ingest_tabular", options=options)
    return line.run(name, manifest | {"files": [file]})


def drop(line: Line, name: str, content: bytes, **options: Any) -> Version:
    """Drop a GeoJSON file."""
    path = line.user.put(f"uploads/{name}/{name}.geojson", content)
    return line.run(name, make_manifest(name, [path], options={"outputs": FORMATS, **options}))


def files_of(line: Line, table: TableVersion, folder: Path) -> dict[str, Path]:
    """Return the published files of a table, downloaded, by format."""
    found = {}
    for output in table.outputs:
        path = folder / f"{output.format}{Path(output.key).suffix}"
        path.write_bytes(lake_bytes(line, table, output.format))
        found[output.format] = path
    return found


def gpkg_query(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def gpkg_rows(path: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY x')]


def flatgeobuf_rows(path: Path) -> list[dict[str, Any]]:
    _, rows = pyogrio.read_arrow(path)
    return rows.sort_by("x").to_pylist()


def in_layer(output_format: str, kind: str, value: Any) -> Any:
    """Return what a FlatGeobuf or a GeoPackage holds for a value, by its type's row in the docs."""
    if kind.endswith("[]"):
        words = {str(NAN): "NaN", str(INF): "Infinity"}
        plain = [words.get(str(v), v) if isinstance(v, float) else v for v in value]
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    if kind == "time":
        return value.isoformat()
    if output_format == "gpkg":
        if kind.startswith("timestamp"):
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return value.isoformat() if kind == "date" else value
    if kind == "timestamptz":
        return value.replace(tzinfo=None)
    return dt.datetime.combine(value, dt.time()) if kind == "date" else value


def said(version: Version, code: str) -> list[str]:
    return [warning.message for warning in version.warnings if warning.code == code]


def test_every_type_keeps_its_values_in_every_format(line: Line, name: str, tmp_path: Path) -> None:
    version = drop_points(line, name, {kind: source_column(kind) for kind in POSTGRES_TYPES})

    (table,) = version.tables
    types = {column.name: column.type for column in table.columns}
    files = files_of(line, table, tmp_path)
    parquet = pq.read_table(files["geoparquet"]).sort_by("x")
    gpkg = gpkg_rows(files["gpkg"], table.name)
    gpkg_types = {row[1]: row[2] for row in gpkg_query(
        files["gpkg"], f"SELECT * FROM pragma_table_info('{table.name}')"
    )}  # fmt: skip
    fgb = flatgeobuf_rows(files["flatgeobuf"])
    info = pyogrio.read_info(files["flatgeobuf"])
    fgb_types = dict(zip(info["fields"], info["ogr_types"], strict=True))
    for kind in POSTGRES_TYPES:
        values = VALUES[kind]
        assert types[kind] == kind
        assert parquet.schema.field(kind).type == arrow_type(kind)
        own = pa.array([*values, None], arrow_type(kind)).to_pylist()
        assert repr(parquet.column(kind).to_pylist()) == repr(own), kind
        assert gpkg_types[kind] == layer_type("gpkg", kind)
        expected = [in_layer("gpkg", kind, value) for value in values]
        assert [row[kind] for row in gpkg] == [*expected, None], kind
        assert fgb_types[kind] == OGR_TYPES[layer_type("flatgeobuf", kind)]
        expected = [in_layer("flatgeobuf", kind, value) for value in values]
        assert [row[kind] for row in fgb] == [*expected, None], kind
    as_text = {kind for kind in POSTGRES_TYPES if is_held_as_text("gpkg", kind)}
    for message in said(version, "output.column_as_text"):
        assert set(message.partition(": ")[2].rstrip(".").split(", ")) == as_text


def test_values_that_a_format_cannot_hold_are_said(line: Line, name: str, tmp_path: Path) -> None:
    last = dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
    columns = {
        "late": pa.array([3_000_000, 0], pa.date32()),
        "exact": pa.array([last, None], pa.timestamp("us", "UTC")),
        "share": pa.array([NAN, INF]),
    }

    version = drop_points(line, name, columns)

    (table,) = version.tables
    files = files_of(line, table, tmp_path)
    parquet = pq.read_table(files["geoparquet"]).sort_by("x")
    assert parquet.column("late").cast(pa.int32()).to_pylist() == [3_000_000, 0]
    assert parquet.column("exact").to_pylist() == [last, None]
    held = [(row["late"], row["exact"], row["share"]) for row in gpkg_rows(
        files["gpkg"], table.name
    )]  # fmt: skip
    assert held == [
        ("10183-09-21", "9999-12-31T23:59:59.999Z", None), ("1970-01-01", None, INF),
    ]  # fmt: skip
    fgb = flatgeobuf_rows(files["flatgeobuf"])
    assert [row["late"] for row in fgb] == ["10183-09-21", "1970-01-01"]
    assert fgb[0]["exact"] == dt.datetime(9999, 12, 31, 23, 59, 59, 999000)
    for code, what in {
        "output.column_as_text": "'late' for years outside 1 to 9999",
        "output.time_shortened": "times in 'exact' were cut to milliseconds",
    }.items():
        messages = said(version, code)
        assert len(messages) == 2
        assert all(what in message for message in messages)
    assert said(version, "output.nan_as_null") == [
        f"Table '{table.name}' as gpkg: 1 NaN in 'share' became NULL."
    ]


ODD_NAMES = (
    "ogc_fid", "ST_AsBinary", "EWKBBase64", "rowid", "fid", "FID", "geom", "wkb_geometry", "c0",
    "select", "", " ", "*", "a.b", 'say "x"', "it's", "back\\slash", "ends\\", "two\nlines",
    "--note", "ä" * 70, "ä" * 70 + "🚲", "Ä" * 70, "bbox", "Geometry",
)  # fmt: skip
RENAMED = {
    "flatgeobuf": {"FID": "FID_2", "": "column", "ends\\": "ends_", "Ä" * 70: "Ä" * 70 + "_2"},
    "gpkg": {
        "fid": "fid_2", "FID": "FID_3", "geom": "geom_2", "": "column", "ends\\": "ends_",
        "Ä" * 70: "Ä" * 70 + "_2",
    },
}  # fmt: skip


def test_any_column_name_keeps_its_values(line: Line, name: str, tmp_path: Path) -> None:
    values = {column: f"value {number}" for number, column in enumerate(ODD_NAMES)}

    version = drop(line, name, geojson((values, point(1, 2))))

    files = files_of(line, version.tables[0], tmp_path)
    (row,) = pq.read_table(files["geoparquet"]).to_pylist()
    assert {column: row[column] for column in ODD_NAMES} == values
    for wanted, renamed in RENAMED.items():
        (row,) = pyogrio.read_dataframe(files[wanted], read_geometry=False).to_dict("records")
        held = {column: row[renamed.get(column, column)] for column in ODD_NAMES}
        assert held == values, wanted
        (message,) = [m for m in said(version, "output.column_renamed") if f"as {wanted}" in m]
        assert message.count(" is ") == len(renamed)


def test_a_layer_name_that_a_geopackage_refuses_is_prefixed(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = line.user.put(f"uploads/{name}/a.geojson", geojson(({"id": 1}, point(1, 2))))
    manifest = make_manifest(name, [path], options={"outputs": ["gpkg"]})
    manifest["files"][0]["table"] = "gpkg_roads"

    version = line.run(name, manifest)

    files = files_of(line, version.tables[0], tmp_path)
    assert pyogrio.list_layers(files["gpkg"])[:, 0].tolist() == ["layer_gpkg_roads"]
    assert said(version, "output.layer_renamed")


RING = [[10, 50], [11, 50], [11, 51], [10, 50]]
LINE_STRING = {"type": "LineString", "coordinates": RING[:2]}
POLYGON = {"type": "Polygon", "coordinates": [RING]}
MULTI = {"type": "MultiPolygon", "coordinates": [[RING]]}
POINT_Z = {"type": "Point", "coordinates": [10, 50, 3.5]}
LIST_AND_DATE = {"list": [1, 2], "day": "2024-02-29", "bbox": "taken", "geometry": "taken"}
GEOMETRIES: dict[str, tuple[list[Any], str]] = {
    "points": ([point(10, 50), point(11, 51)], "EPSG:4326"),
    "polygons": ([POLYGON, MULTI], "EPSG:4326"),
    "mixed": ([point(10, 50), LINE_STRING, MULTI, POLYGON], "EPSG:4326"),
    "z": ([POINT_Z, point(11, 51)], "EPSG:4326"),
    "null": ([POLYGON, None], "EPSG:4326"),
    "only null": ([None], "EPSG:4326"),
    "custom crs": ([POLYGON], "+proj=laea +lat_0=50 +lon_0=10 +ellps=GRS80 +units=us-ft"),
}


@pytest.fixture
def duckdb_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home where DuckDB finds its spatial extension without a download."""
    (packaged,) = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")
    (platform,) = duckdb.execute("SELECT platform FROM pragma_platform()").fetchone() or ("",)
    home = tmp_path / "home"
    folder = home / ".duckdb" / "extensions" / f"v{duckdb.__version__}" / platform
    folder.mkdir(parents=True)
    (folder / packaged.name).symlink_to(packaged)
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.usefixtures("duckdb_home")
@pytest.mark.parametrize("case", GEOMETRIES)
def test_geoparquet_passes_gpio_and_opens_in_duckdb_and_geopandas(
    line: Line, name: str, tmp_path: Path, case: str
) -> None:
    geometries, crs = GEOMETRIES[case]
    content = geojson(*((LIST_AND_DATE, geometry) for geometry in geometries))

    (table,) = drop(line, name, content, target_crs=crs).tables

    files = files_of(line, table, tmp_path)
    checks = validate_geoparquet(str(files["geoparquet"]), sample_size=0).checks
    assert [c for c in checks if c.status not in {CheckStatus.PASSED, CheckStatus.SKIPPED}] == []
    frame = geopandas.read_parquet(files["geoparquet"])
    assert frame.crs.equals(crs) or frame.crs.to_epsg() == 4326
    assert (len(frame), int(frame.geometry.isna().sum())) == (
        len(geometries), geometries.count(None),
    )  # fmt: skip
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("LOAD spatial")
        found = connection.execute(
            f"SELECT count(*), count(geometry_2), min(ST_XMin(geometry_2)), "
            f"min(bbox_2.xmin) FROM '{files['geoparquet']}'"
        ).fetchone()
    xmin = table.bbox[0] if table.bbox else None
    assert found == (len(geometries), len(geometries) - geometries.count(None), xmin, xmin)
    if table.bbox:
        lowest, highest = frame.total_bounds[:2], frame.total_bounds[2:]
        assert [*lowest, *highest] == pytest.approx(table.bbox)


def empty_geopackage(path: Path) -> bytes:
    frame = geopandas.GeoDataFrame(
        {"id": pa.array([], pa.int32()).to_pandas(), "name": pa.array([], "str").to_pandas()},
        geometry=[],
        crs="EPSG:25832",
    )
    frame.to_file(path, driver="GPKG", geometry_type="MultiPolygon", layer="empty")
    return path.read_bytes()


def test_an_empty_layer_becomes_an_empty_valid_file_of_every_format(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = line.user.put(f"uploads/{name}/e.gpkg", empty_geopackage(tmp_path / "source.gpkg"))
    options = {"outputs": FORMATS, "target_crs": "source"}

    (table,) = line.run(name, make_manifest(name, [path], options=options)).tables

    files = files_of(line, table, tmp_path)
    for wanted in FORMATS:
        read = geopandas.read_parquet if wanted == "geoparquet" else geopandas.read_file
        frame = read(files[wanted])
        assert (len(frame), frame.crs.to_epsg()) == (0, 25832), wanted
        assert {"id", "name"} <= set(frame.columns), wanted
        if wanted != "geoparquet":
            assert pyogrio.read_info(files[wanted])["geometry_type"] == "MultiPolygon"
    checks = validate_geoparquet(str(files["geoparquet"]), validate_data=False).checks
    assert not [check for check in checks if check.status is CheckStatus.FAILED]


def test_layers_carry_their_extent_index_and_crs(line: Line, name: str, tmp_path: Path) -> None:
    features = [({"id": number}, point(number, number / 2)) for number in range(50)]

    (table,) = drop(line, name, geojson(*features), target_crs="EPSG:3857").tables

    files = files_of(line, table, tmp_path)
    assert gpkg_query(files["gpkg"], "PRAGMA integrity_check") == [("ok",)]
    ((*extent, srid),) = gpkg_query(
        files["gpkg"], "SELECT min_x, min_y, max_x, max_y, srs_id FROM gpkg_contents"
    )
    assert (extent, srid) == (pytest.approx(table.bbox), 3857)
    assert gpkg_query(files["gpkg"], "SELECT extension_name FROM gpkg_extensions") == [
        ("gpkg_rtree_index",)
    ]
    ((indexed,),) = gpkg_query(files["gpkg"], f'SELECT count(*) FROM "rtree_{table.name}_geom"')
    assert indexed == 50
    info = pyogrio.read_info(files["flatgeobuf"], force_total_bounds=False)
    assert (info["features"], info["crs"]) == (50, "EPSG:3857")
    assert info["total_bounds"] == pytest.approx(table.bbox), "of the header"
    assert info["capabilities"]["fast_spatial_filter"]
    xmax, ymax = table.bbox[2:]
    assert len(pyogrio.read_dataframe(files["flatgeobuf"], bbox=(xmax - 1, 0, xmax, ymax))) == 1
