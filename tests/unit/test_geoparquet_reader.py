"""GeoParquet as others write it: what marks a geometry column, which WKB, what JSON cannot hold."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models.errors import SourceError
from libs.tabular.geoparquet_reader import GeoParquetReader
from libs.tabular.parquet_reader import open_tables
from libs.tabular.reader import ReadOrder
from libs.tabular.wkb_forms import NotWkbError, plain_wkb

POINT = shapely.to_wkb(shapely.Point(1, 2))
NESTED = "POLYGON Z ((0 0 1, 9 0 2, 9 9 3, 0 0 1), (2 1 0, 3 1 0, 3 2 0, 2 1 0))"
SHAPES = [
    "POINT (1 2)", "POINT Z (1 2 3)", "POINT M (1 2 3)", "POINT ZM (1 2 3 4)", NESTED,
    "LINESTRING (1 2, 3 4)", "MULTIPOINT Z ((1 2 3), (4 5 6))", "POINT EMPTY",
    "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (1 2, 3 4))", "GEOMETRYCOLLECTION EMPTY",
]  # fmt: skip


def read(
    folder: Path, table: pa.Table, *, marked: str = "geometry", **geo: Any
) -> tuple[GeoParquetReader, list[dict[str, Any]]]:
    """Return the reader of a table written with the metadata of GeoParquet, and its rows."""
    if marked:
        columns = {marked: {"encoding": "WKB", "geometry_types": [], **geo}}
        text = json.dumps({"version": "1.1.0", "primary_column": marked, "columns": columns})
        table = table.replace_schema_metadata({"geo": text})
    pq.write_table(table, folder / "a.parquet")
    return rows_of(folder / "a.parquet")


def rows_of(path: Path) -> tuple[GeoParquetReader, list[dict[str, Any]]]:
    source = GeoParquetReader(ReadOrder(path, "s3://landing-zone/a.parquet", "a"))
    types = [column.type or "" for column in source.reader.survey().columns]
    return source, [row for batch in source.batches(types) for row in batch.to_pylist()]


def test_a_file_of_nothing_but_geometries_has_its_rows(tmp_path: Path) -> None:
    _, rows = read(tmp_path, pa.table({"geometry": [POINT, None]}))
    assert rows == [{"__geom": POINT}, {"__geom": None}]


@pytest.mark.parametrize("names", [["n"], ["n", "geometry", "geometry"]], ids=["none", "two"])
def test_metadata_of_another_table_are_refused(tmp_path: Path, names: list[str]) -> None:
    table = pa.table([pa.array([None], pa.binary()) for _ in names], names=names)
    with pytest.raises(SourceError, match="under the key 'geo'") as caught:
        read(tmp_path, table)
    assert caught.value.reason.code == "source.geoparquet_metadata"


@pytest.mark.parametrize("wkt", SHAPES)
@pytest.mark.parametrize("order", [0, 1], ids=["big-endian", "little-endian"])
@pytest.mark.parametrize("srid", [None, 25832])
def test_every_form_of_wkb_is_read(wkt: str, order: int, srid: int | None) -> None:
    shape = shapely.from_wkt(wkt)
    if srid:
        shape = shapely.set_srid(shape, srid)
    written = shapely.to_wkb(shape, byte_order=order, flavor="extended", include_srid=bool(srid))
    assert plain_wkb(written) == (shapely.to_wkb(shape, byte_order=1, flavor="iso"), srid)


@pytest.mark.parametrize(
    "wrong", [POINT[:-1], POINT + b"x", b"", b"\x02" + POINT[1:], b"\x01\x63" + POINT[2:]]
)
def test_what_is_no_wkb_has_no_form(wrong: bytes) -> None:
    with pytest.raises(NotWkbError):
        plain_wkb(wrong)


def test_wkb_of_older_writers_is_read_and_its_srid_told(tmp_path: Path) -> None:
    shapes = [shapely.Point(1, 2, 3), shapely.set_srid(shapely.Point(1, 2), 25832)]
    written = [shapely.to_wkb(s, flavor="extended", include_srid=True) for s in shapes]
    source, rows = read(tmp_path, pa.table({"geometry": [*written, b"no WKB", None]}))
    iso = [shapely.to_wkb(shape, flavor="iso") for shape in shapes]
    assert [row["__geom"] for row in rows] == [*iso, b"no WKB", None]
    (warning,) = source.warnings()
    assert (warning.code, "25832" in warning.message) == ("crs.srid_left_out", True)


def test_a_column_of_parquets_own_type_holds_geometries(tmp_path: Path) -> None:
    query = "SELECT 1 AS n, 'POINT (1 2)'::GEOMETRY AS shape"
    target = f"'{tmp_path / 'a.parquet'}' (FORMAT parquet, GEOPARQUET_VERSION 'NONE')"
    duckdb.sql(f"COPY ({query}) TO {target}")
    source, rows = rows_of(tmp_path / "a.parquet")
    assert [(g.name, g.crs) for g in source.geometries] == [("shape", "OGC:CRS84")]
    assert rows == [{"c0": 1, "__geom": POINT}]


@pytest.mark.parametrize(("said", "crs"), [({}, None), ({"crs": "EPSG:25832"}, "EPSG:25832")])
def test_a_column_marked_as_geoarrow_holds_geometries(
    tmp_path: Path, said: dict[str, str], crs: str | None
) -> None:
    metadata = {
        "ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": json.dumps(said),
    }  # fmt: skip
    field = pa.field("shape", pa.binary(), metadata=metadata)
    source, rows = read(tmp_path, pa.table([[POINT]], schema=pa.schema([field])), marked="")
    assert [(g.name, g.crs) for g in source.geometries] == [("shape", crs)]
    assert rows == [{"__geom": POINT}]


TRIANGLE = [[0, 0], [1, 0], [1, 1], [0, 0]]


def nested(items: list[Any], depth: int, *, are_structs: bool) -> list[Any]:
    if depth:
        return [i and nested(i, depth - 1, are_structs=are_structs) for i in items]
    return [i and dict(zip("xyz", i, strict=False)) for i in items] if are_structs else items


@pytest.mark.parametrize("are_structs", [True, False], ids=["structs", "lists"])
@pytest.mark.parametrize(
    ("kind", "depth", "coordinates", "wkts"),
    [
        ("point", 0, [[1, 2], None, [3, 4]], ["POINT (1 2)", None, "POINT (3 4)"]),
        ("linestring", 1, [[[1, 2, 3], [4, 5, 6]]], ["LINESTRING Z (1 2 3, 4 5 6)"]),
        ("multipoint", 1, [None, [[1, 2]], [[1, 2], [3, 4]]],
         [None, "MULTIPOINT (1 2)", "MULTIPOINT (1 2, 3 4)"]),
        ("polygon", 2, [[], [[[0, 0], [9, 0], [9, 9], [0, 0]], [[2, 1], [3, 1], [3, 2], [2, 1]]]],
         ["POLYGON EMPTY", "POLYGON ((0 0, 9 0, 9 9, 0 0), (2 1, 3 1, 3 2, 2 1))"]),
        ("multilinestring", 2, [[[[1, 2], [3, 4]]], []],
         ["MULTILINESTRING ((1 2, 3 4))", "MULTILINESTRING EMPTY"]),
        ("multipolygon", 3, [[], None], ["MULTIPOLYGON EMPTY", None]),
        ("multipolygon", 3, [[[TRIANGLE], [TRIANGLE]]],
         ["MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((0 0, 1 0, 1 1, 0 0)))"]),
    ],
)  # fmt: skip
def test_native_encodings_are_read(
    tmp_path: Path,
    kind: str,
    depth: int,
    coordinates: list[Any],
    wkts: list[str | None],
    *,
    are_structs: bool,
) -> None:
    axes = "xyz" if "Z" in f"{wkts}" else "xy"
    struct = pa.struct([(axis, pa.float64()) for axis in axes])
    type_ = struct if are_structs else pa.list_(pa.field(axes, pa.float64()), len(axes))
    for _ in range(depth):
        type_ = pa.list_(type_)
    values = pa.array(nested(coordinates, depth, are_structs=are_structs), type_)
    _, rows = read(tmp_path, pa.table({"n": [1] * len(values), "geometry": values}), encoding=kind)
    shapes = [None if wkt is None else shapely.from_wkt(wkt) for wkt in wkts]
    assert [row["__geom"] for row in rows] == [shapely.to_wkb(s, flavor="iso") for s in shapes]


def test_a_native_type_of_geoarrow_holds_geometries(tmp_path: Path) -> None:
    field = pa.field("shape", pa.list_(pa.float64(), 2), metadata={
        "ARROW:extension:name": "geoarrow.point", "ARROW:extension:metadata": '{"crs":"EPSG:3857"}',
    })  # fmt: skip
    table = pa.table([pa.array([[1.0, 2.0]], field.type)], schema=pa.schema([field]))
    source, rows = read(tmp_path, table, marked="")
    assert [(g.name, g.crs) for g in source.geometries] == [("shape", "EPSG:3857")]
    assert rows == [{"__geom": POINT}]


@pytest.mark.parametrize(
    ("values", "encoding", "found"),
    [
        (pa.array([POINT]), "point", "binary for 'point'"),
        (pa.array([[[1.0, 2.0]]]), "WKB", "for 'WKB'"),
        (
            pa.array([{"x": 1.0, "y": None}, {"x": 1.0, "y": 2.0}]),
            "point",
            "NULL inside of a geometry",
        ),
        (pa.array([POINT]), "TWKB", "'TWKB'"),
    ],
)
def test_geometries_that_are_not_in_their_encoding_are_refused(
    tmp_path: Path, values: pa.Array, encoding: str, found: str
) -> None:
    with pytest.raises(SourceError, match=found) as caught:
        read(tmp_path, pa.table({"geometry": values}), encoding=encoding)
    assert caught.value.reason.code == "source.geoparquet_encoding"


def test_a_table_tells_of_geometries_that_it_kept_as_values(tmp_path: Path) -> None:
    query = "SELECT 'POINT (1 2)'::GEOMETRY AS shape"
    target = f"'{tmp_path / 'a.parquet'}' (FORMAT parquet, GEOPARQUET_VERSION 'NONE')"
    duckdb.sql(f"COPY ({query}) TO {target}")
    (table,) = open_tables(ReadOrder(tmp_path / "a.parquet", "a.parquet", "a"))
    (warning,) = table.survey().warnings
    assert (warning.code, "ingest_vector" in warning.message) == ("source.is_geoparquet", True)


def test_a_table_without_geometries_is_told(tmp_path: Path) -> None:
    source, rows = read(tmp_path, pa.table({"shape": [POINT]}), marked="")
    assert rows == [{"c0": POINT}]
    assert [warning.code for warning in source.warnings()] == ["source.no_geometry_column"]


def test_a_map_is_an_object_wherever_it_stands(tmp_path: Path) -> None:
    map_ = pa.map_(pa.string(), pa.string())
    names = pa.array(
        [{"common": [("de", "X")], "rules": [{"m": [("a", "b")]}]}, None],
        pa.struct([("common", map_), ("rules", pa.list_(pa.struct([("m", map_)])))]),
    )
    _, rows = read(tmp_path, pa.table({"names": names, "geometry": [POINT] * 2}))
    assert rows[0]["c0"] == '{"common": {"de": "X"}, "rules": [{"m": {"a": "b"}}]}'
    assert rows[1]["c0"] is None


def test_texts_of_a_dictionary_stand_in_lists_too(tmp_path: Path) -> None:
    lists = pa.array([["x"]], pa.list_(pa.dictionary(pa.int32(), pa.string())))
    _, rows = read(tmp_path, pa.table({"n": lists, "geometry": [POINT]}))
    assert rows[0]["c0"] == '["x"]'


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (pa.array([{"x": 1.0}, {"x": float("nan")}]), "source.not_json"),
        (pa.array([[], [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())), "source.not_json"),
        (pa.array([["x"], ["y", "a\0b"]]), "source.nul_character"),
    ],
    ids=["NaN in a struct", "a key twice", "NUL in a list"],
)
def test_values_that_cannot_be_kept_are_refused_with_their_row(
    tmp_path: Path, values: pa.Array, code: str
) -> None:
    with pytest.raises(SourceError, match="column 'n'") as caught:
        read(tmp_path, pa.table({"n": values, "geometry": [POINT] * 2}))
    assert (caught.value.reason.code, caught.value.reason.row) == (code, 2)
