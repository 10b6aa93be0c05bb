"""Tables through the seven phases, cell by cell against independent readers."""

import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import geopandas
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyproj import Transformer

from libs.models.errors import ContractError, SourceError, SpatialEtlError
from libs.models.version import Version
from tests.integration.line import Line, lake_bytes
from tests.support import make_manifest


def tabular_manifest(name: str, *paths: str, **changes: Any) -> dict[str, Any]:
    file = changes.pop("file", {})
    files = [{"path": path, "type": "tabular", **file} for path in paths]
    return make_manifest(name, [], intent="ingest_tabular", **changes) | {"files": files}


def drop(line: Line, name: str, filename: str, content: bytes | Path, **changes: Any) -> Version:
    path = line.user.put(f"uploads/{name}/{filename}", content)
    return line.run(name, tabular_manifest(name, path, **changes))


def rows_of(line: Line, version: Version, wanted: str = "parquet") -> list[dict[str, Any]]:
    (table,) = version.tables
    rows = pq.read_table(io.BytesIO(lake_bytes(line, table, wanted))).to_pylist()
    assert len(rows) == table.rows
    assert set(table.hops.rows.values()) == {len(rows)}
    return rows


def types_of(version: Version) -> dict[str, str]:
    (table,) = version.tables
    return {column.name: column.type for column in table.columns}


def codes(version: Version) -> set[str]:
    return {warning.code for warning in version.warnings}


def test_csv_cells_equal_the_source_as_text(line: Line, name: str, data: Path) -> None:
    source = data / "navaids.csv"

    version = drop(line, name, "navaids.csv", source)

    with source.open(newline="", encoding="utf-8") as file:
        expected = [
            {key: value or None for key, value in row.items()} for row in csv.DictReader(file)
        ]
    assert rows_of(line, version) == expected
    assert set(types_of(version).values()) == {"text"}
    (output,) = version.tables[0].outputs
    assert output.format == "parquet"
    content = pq.ParquetFile(io.BytesIO(lake_bytes(line, version.tables[0], "parquet")))
    assert content.metadata.row_group(0).column(0).compression == "ZSTD"


def test_csv_becomes_points(line: Line, name: str, data: Path) -> None:
    source = data / "navaids.csv"
    options = {"x_column": "longitude_deg", "y_column": "latitude_deg", "guess_types": True}

    version = drop(line, name, "navaids.csv", source, file={"crs": "EPSG:4326"}, options=options)

    (table,) = version.tables
    assert table.crs == "EPSG:4326"
    assert table.geometry_types == ("Point",)
    assert {output.format for output in table.outputs} == {"geoparquet", "flatgeobuf"}
    frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    with source.open(newline="", encoding="utf-8") as file:
        expected = {
            int(row["id"]): (float(row["longitude_deg"]), float(row["latitude_deg"]))
            for row in csv.DictReader(file)
        }
    found = {row.id: (row.geometry.x, row.geometry.y) for row in frame.itertuples(index=False)}
    assert found == expected
    assert [(x, y) for x, y in zip(frame.longitude_deg, frame.latitude_deg, strict=True)] == [
        (point.x, point.y) for point in frame.geometry
    ]


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return buffer.getvalue()


def refused(
    line: Line, name: str, filename: str, content: bytes, **changes: Any
) -> SpatialEtlError:
    with pytest.raises(SpatialEtlError) as caught:
        drop(line, name, filename, content, **changes)
    assert line.clients.catalog.latest(f"test/{name}") is None
    assert caught.value.reason.file == f"s3://{line.user.bucket}/uploads/{name}/{filename}"
    return caught.value


def test_codes_stay_text_and_declared_columns_get_their_types(line: Line, name: str) -> None:
    content = b'code,n,day,note\n01001,7,2024-02-29,\n00042,8,,""\n'

    version = drop(
        line,
        name,
        "codes.csv",
        content,
        file={"columns": {"n": "bigint", "day": "date"}},
        contract={"key": ["code"], "columns": {"code": "text", "n": "bigint", "day": "date"}},
    )

    assert rows_of(line, version) == [
        {"code": "01001", "n": 7, "day": dt.date(2024, 2, 29), "note": None},
        {"code": "00042", "n": 8, "day": None, "note": ""},
    ]


def test_every_declarable_type_arrives(line: Line, name: str) -> None:
    values = {
        "text": "x", "smallint": "1", "integer": "2", "bigint": "3", "real": "1.5",
        "double": "0.1", "boolean": "yes", "date": "2024-02-29", "time": "12:30:15.25",
        "timestamp": "2024-01-31T12:00:00",
        "timestamptz": "2024-01-31T12:00:00+02:00", "json": '{"a": 1.50}',
        "uuid": "0b5a0000-0000-4000-8000-000000000000",
    }  # fmt: skip
    text = io.StringIO()
    csv.writer(text).writerows([values, values.values(), [None] * len(values)])

    version = drop(
        line,
        name,
        "types.csv",
        text.getvalue().encode(),
        file={"columns": {type_: type_ for type_ in values}},
    )

    assert types_of(version) == {type_: type_ for type_ in values}
    row, empty = rows_of(line, version)
    assert set(empty.values()) == {None}
    assert row == values | {
        "smallint": 1, "integer": 2, "bigint": 3, "real": 1.5, "double": 0.1, "boolean": True,
        "date": dt.date(2024, 2, 29), "time": dt.time(12, 30, 15, 250_000),
        "timestamp": dt.datetime(2024, 1, 31, 12),
        "timestamptz": dt.datetime(2024, 1, 31, 10, tzinfo=dt.UTC),
    }  # fmt: skip
    assert "column.zone_assumed" not in codes(version)


@pytest.mark.parametrize(
    ("content", "changes", "code", "row"),
    [
        (b"a,b\n1,2\n3\n", {}, "source.ragged_rows", 2),
        (b"a,b\n1,caf\xe9\n", {}, "source.encoding", 1),
        (b"a,b\n1,x\n", {"file": {"columns": {"b": "integer"}}}, "source.value_type", 1),
        (b"a,b\n1,x\n", {"file": {"columns": {"c": "integer"}}}, "source.no_such_column", None),
        (b"a,b\n1,x\n", {"file": {"columns": {"a": "int"}}}, "source.unknown_type", None),
        (b"a,b\n1,x\n", {"file": {"layer": "other"}}, "source.no_such_layer", None),
        (
            b"x,y\n1,2\n1,95\n",
            {"file": {"crs": "EPSG:4326"}, "options": {"x_column": "x", "y_column": "y"}},
            "source.coordinates",
            2,
        ),
        (b"x,y\n1,2\n", {"options": {"x_column": "x", "y_column": "y"}}, "crs.missing", None),
        (
            b"x,y\n1,2\n",
            {"file": {"crs": "EPSG:4326"}, "options": {"x_column": "lon", "y_column": "y"}},
            "source.no_such_column",
            None,
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(
    line: Line, name: str, content: bytes, changes: dict[str, Any], code: str, row: int | None
) -> None:
    reason = refused(line, name, "t.csv", content, **changes).reason

    assert (reason.code, reason.row) == (code, row)
    assert reason.remedy


def test_bad_rows_are_kept_where_asked(line: Line, name: str) -> None:
    content = b"id,x,y\n1,7,50\n2,7\n3,caf\xe9,1,more\n4,200,1\n5,8,51\n6,,\n"
    options = {"bad_rows": "keep", "x_column": "x", "y_column": "y"}

    version = drop(line, name, "t.csv", content, file={"crs": "EPSG:4326"}, options=options)

    (table,) = version.tables
    assert {output.format for output in table.outputs} == {"geoparquet", "gpkg"}
    frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    found = {
        row.id: (row.x, row.y, row.surplus_fields, row.geometry and row.geometry.coords[0])
        for row in frame.astype(object).where(frame.notna(), None).itertuples()
    }
    assert found == {
        "1": ("7", "50", None, (7.0, 50.0)),
        "2": ("7", None, None, None),
        "3": (r"caf\xe9", "1", '["more"]', None),
        "4": ("200", "1", None, None),
        "5": ("8", "51", None, (8.0, 51.0)),
        "6": (None, None, None, None),
    }
    said = {warning.code: warning.message for warning in version.warnings}
    assert "2 rows (2, 3)" in said["source.ragged_kept"]
    assert "1 row (3)" in said["source.undecodable_kept"]
    assert "3 rows (2, 3, 4)" in said["source.coordinates_kept"]
    assert "1 row (6)" in said["source.without_coordinates"]


def test_points_are_reprojected_from_their_own_crs(line: Line, name: str) -> None:
    content = b"name;e;n\nCologne;356000,0;5645000\n"
    options = {"x_column": "e", "y_column": "n"}
    reason = refused(
        line, name, "t.csv", content, file={"crs": "EPSG:25832"}, options=options
    ).reason
    assert "'356000,0'" in reason.message

    version = drop(
        line,
        f"{name}-2",
        "t.csv",
        content.replace(b",0", b".5"),
        file={"crs": "EPSG:25832"},
        options=options,
    )

    (table,) = version.tables
    frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    to_degrees = Transformer.from_crs("EPSG:25832", "EPSG:4326", always_xy=True)
    expected = to_degrees.transform(356000.5, 5645000)
    assert frame.geometry[0].coords[0] == pytest.approx(expected, abs=1e-9)
    assert list(frame.e) == ["356000.5"]
    assert table.transformations[0].source_crs == "EPSG:25832"


def test_sheets_become_tables_equal_to_the_workbook(line: Line, name: str, tmp_path: Path) -> None:
    source = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "stations"
    sheet.append(["code", "name", "height_m", "lines", "opened", "is_open"])
    for number in range(5_000):
        opened = dt.date(1900, 3, 1) + dt.timedelta(days=number)
        sheet.append([f"{number:05}", f"Süd {number}", number / 7, number, opened, number % 2 == 0])
    other = book.create_sheet("notes")
    for row in (["a", "b"], [1, "x"], ["y", None]):
        other.append(row)
    book.create_sheet("empty")
    book.save(source)

    version = drop(line, name, "book.xlsx", source)

    expected = openpyxl.load_workbook(source)
    assert [table.name for table in version.tables] == ["stations", "notes"]
    found = [
        pq.read_table(io.BytesIO(lake_bytes(line, table, "parquet"))).to_pylist()
        for table in version.tables
    ]
    cells = expected["stations"].iter_rows(min_row=2, values_only=True)
    assert [list(row.values()) for row in found[0]] == [
        [*row[:4], row[4].date(), row[5]] for row in cells
    ]
    assert found[1] == [{"a": "1", "b": "x"}, {"a": "y", "b": None}]
    assert "source.empty_sheet" in codes(version)
    (picked,) = drop(line, f"{name}-2", "book.xlsx", source, file={"layer": "notes"}).tables
    assert (picked.name, picked.rows) == ("notes", 2)


@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_json_equals_the_source(line: Line, name: str, data: Path, suffix: str) -> None:
    with (data / "navaids.csv").open(newline="", encoding="utf-8") as file:
        objects: list[dict[str, Any]] = [
            {**row, "id": int(row["id"]), "latitude_deg": float(row["latitude_deg"])}
            for row in csv.DictReader(file)
        ]
    objects[3]["big"] = 9007199254740993
    objects[4]["nested"] = {"a": [1, 2.5, None], "é": "x"}
    if suffix == "json":
        text = json.dumps(objects, indent=1)
    else:
        text = "\n".join(json.dumps(item) for item in objects)

    version = drop(line, name, f"t.{suffix}", text.encode())

    found = rows_of(line, version)
    keys = [*objects[3], "nested"]
    assert list(found[0]) == keys
    for row, item in zip(found, objects, strict=True):
        nested = row.pop("nested")
        assert (nested and json.loads(nested)) == item.pop("nested", None)
        assert row == {key: item.get(key) for key in keys[:-1]}
    assert types_of(version)["big"] == "bigint"


def test_parquet_equals_the_source(line: Line, name: str, tmp_path: Path) -> None:
    count = 40_000
    table = pa.table(
        {
            "code": pa.array([f"{n:06}" for n in range(count)]).dictionary_encode(),
            "small": pa.array([n % 100 for n in range(count)], pa.int8()),
            "big": pa.array([None if n % 7 == 0 else n * 2**40 for n in range(count)]),
            "x": pa.array([n / 7 for n in range(count)]),
            "f": pa.array([n / 8 for n in range(count)], pa.float32()),
            "raw": pa.array([bytes([n % 256, 0]) for n in range(count)]),
            "day": pa.array([dt.date(1600, 1, 1) + dt.timedelta(days=n) for n in range(count)]),
            "t": pa.array([dt.time(n % 24, n % 60, 0, n) for n in range(count)]),
            "at": pa.array([n * 1_000_001 for n in range(count)], pa.timestamp("us", "UTC")),
            "list": pa.array([[n, None] if n % 3 else None for n in range(count)]),
            "texts": pa.array([["a,b", '"{}', None, ""] for _ in range(count)]),
            "is": pa.array([n % 2 == 0 for n in range(count)]),
        }
    )
    source = tmp_path / "t.parquet"
    pq.write_table(table, source, row_group_size=9_000)

    version = drop(line, name, "t.parquet", source)

    assert rows_of(line, version) == table.to_pylist()
    assert types_of(version)["list"] == "bigint[]"


def test_tables_of_an_archive_are_named_after_its_members(line: Line, name: str) -> None:
    content = archive(
        {"a/roads.csv": b"id\n1\n", "towns.tsv": b"id\tn\n1\t2,3\n", "readme.pdf": b"%PDF"}
    )

    version = drop(line, name, "tables.zip", content)

    assert {t.name: [c.name for c in t.columns] for t in version.tables} == {
        "roads": ["id"],
        "towns": ["id", "n"],
    }
    assert version.tables[0].source.file.endswith("tables.zip!/a/roads.csv")
    assert "source.member_not_read" in codes(version)


@pytest.mark.parametrize("changes", [{}, {"format": "CSV"}], ids=["by name", "declared"])
def test_a_compressed_table_is_read(line: Line, name: str, changes: dict[str, str]) -> None:
    path = line.user.put(f"uploads/{name}/codes.csv.gz", gzip.compress(b"id\n01\n"))
    manifest = tabular_manifest(name, path)
    manifest["files"][0] |= changes

    assert rows_of(line, line.run(name, manifest)) == [{"id": "01"}]


def test_files_of_one_table_are_appended(line: Line, name: str) -> None:
    paths = [
        line.user.put(f"uploads/{name}/{number}.csv", content)
        for number, content in enumerate([b"id,x\n1,1\n2,2\n", b"x,id\n0.5,3\n"])
    ]
    options = {"guess_types": True}

    version = line.run(name, tabular_manifest(name, *paths, options=options))

    assert rows_of(line, version) == [
        {"id": 1, "x": 1.0}, {"id": 2, "x": 2.0}, {"id": 3, "x": 0.5},
    ]  # fmt: skip
    other = line.user.put(f"uploads/{name}/other.csv", b"id,z\n4,9\n")
    with pytest.raises(SourceError) as caught:
        line.run(f"{name}-2", tabular_manifest(f"{name}-2", paths[0], other))
    assert caught.value.reason.code == "source.columns_differ"
    union = tabular_manifest(f"{name}-3", paths[0], other, options={"union_columns": True})
    assert rows_of(line, line.run(f"{name}-3", union))[2] == {"id": "4", "x": None, "z": "9"}


def test_the_contract_holds_for_tables(line: Line, name: str) -> None:
    error = refused_contract(line, name, {"key": ["id"]})
    assert error.reason.code == "contract.key"
    error = refused_contract(line, f"{name}-2", {"columns": {"id": "integer"}})
    assert error.reason.code == "contract.columns"


def refused_contract(line: Line, name: str, contract: dict[str, Any]) -> ContractError:
    with pytest.raises(ContractError) as caught:
        drop(line, name, "t.csv", b"id,x\n1,1\n1,2\n", contract=contract)
    return caught.value


def test_a_table_without_rows_is_published(line: Line, name: str) -> None:
    version = drop(line, name, "t.csv", b"id,x\n")

    assert rows_of(line, version) == []
    assert types_of(version) == {"id": "text", "x": "text"}


def test_other_formats_of_a_table(line: Line, name: str, tmp_path: Path) -> None:
    options = {"outputs": ["parquet", "gpkg"]}

    version = drop(line, name, "t.csv", "id,x\n01001,é\n".encode(), options=options)

    path = tmp_path / "t.gpkg"
    path.write_bytes(lake_bytes(line, version.tables[0], "gpkg"))
    assert geopandas.read_file(path).to_dict("records") == [{"id": "01001", "x": "é"}]


def test_old_spreadsheets_are_refused_with_what_is_read(line: Line, name: str) -> None:
    reason = refused(line, name, "old.xls", b"\xd0\xcf\x11\xe0").reason

    assert reason.code == "source.unknown_format"
    assert ".xlsx" in reason.message
    assert ".xls and .ods" in reason.remedy


def test_rows_keep_their_order(line: Line, name: str) -> None:
    rows = [f"{n},{'x' * (n * 7919 % 900)}" for n in range(20_000)]

    version = drop(line, name, "t.csv", "\n".join(["n,text", *rows]).encode())

    assert [int(row["n"]) for row in rows_of(line, version)] == list(range(20_000))
