"""GeoParquet as a source: read by Arrow, published with every value and geometry it holds."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models.errors import SpatialEtlError
from libs.models.version import Version
from tests.integration.line import Line, lake_bytes
from tests.support import make_manifest

GEOMETRIES = [
    shapely.Point(9.5, 48.25),
    shapely.box(0, 0, 1, 1),
    None,
    shapely.from_wkt("MULTIPOINT Z ((1 2 3), (4 5 6))"),
    shapely.Point(),
]
FRAME = geopandas.GeoDataFrame(
    {
        "code": ["01001", "", None, "ü", "x"],
        "third": [1 / 3, 5e-324, None, -0.0, 1e308],
        "at": [dt.datetime(2026, 11, 21, 12, 30, 1, 234567)] * 5,
        "tags": [["a\\b", ""], [], None, ['"'], ["c"]],
        "geometry": GEOMETRIES,
    },
    crs="EPSG:4326",
)


def drop(line: Line, name: str, path: Path) -> Version:
    landed = line.user.put(f"uploads/{name}/{path.name}", path)
    return line.run(name, make_manifest(name, [landed]))


def published(line: Line, version: Version) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(io.BytesIO(lake_bytes(line, version.tables[0], "geoparquet")))


def test_every_row_arrives(line: Line, name: str, tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet", write_covering_bbox=True, schema_version="1.1.0")

    version = drop(line, name, tmp_path / "a.parquet")

    (table,) = version.tables
    assert [(column.name, column.type) for column in table.columns] == [
        ("code", "text"), ("third", "double"), ("at", "timestamp"), ("tags", "text[]"),
    ]  # fmt: skip
    found = published(line, version)
    rows = {row["code"]: row for row in found.to_dict("records")}
    for row in FRAME.to_dict("records"):
        ours = rows[row["code"]]
        assert str((ours["third"], ours["at"])) == str((row["third"], row["at"]))
        assert (None if ours["tags"] is None else list(ours["tags"])) == row["tags"]
        assert (ours["geometry"] is None) == (row["geometry"] is None)
        if row["geometry"] is not None:
            flat = shapely.force_2d([ours["geometry"], row["geometry"]])
            assert shapely.equals_identical(*flat)


@pytest.mark.parametrize("crs", ["EPSG:25832", None], ids=["other CRS", "none"])
def test_its_crs_is_the_one_of_its_metadata(
    line: Line, name: str, tmp_path: Path, crs: str | None
) -> None:
    points = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(500000, 5400000)], crs=crs)
    points.to_parquet(tmp_path / "a.parquet")
    if crs is None:
        with pytest.raises(SpatialEtlError, match="CRS") as caught:
            drop(line, name, tmp_path / "a.parquet")
        assert caught.value.reason.code == "crs.missing"
        return
    found = published(line, drop(line, name, tmp_path / "a.parquet"))
    expected = points.to_crs(4326).geometry[0]
    assert found.geometry[0].distance(expected) < 1e-9


def broken(path: Path, **changes: Any) -> Path:
    table = pa.table({"n": [1, 2], "geometry": [FRAME.geometry[0].wkb, b"no WKB"]})
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": [], **changes}},
    }
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


@pytest.mark.parametrize(
    ("changes", "code", "row"),
    [
        ({}, "source.broken_geometry", 2),
        ({"encoding": "point"}, "source.geoparquet_encoding", None),
    ],
)
def test_what_is_not_wkb_is_refused(
    line: Line, name: str, tmp_path: Path, changes: dict[str, str], code: str, row: int | None
) -> None:
    with pytest.raises(SpatialEtlError) as caught:
        drop(line, name, broken(tmp_path / "a.parquet", **changes))
    reason = caught.value.reason
    assert (reason.code, reason.row, reason.layer) == (code, row, "a")
    assert (reason.file or "").endswith("/a.parquet")
