"""Values of a FlatGeobuf that GDAL would change, read from files that GDAL wrote."""

import datetime as dt
import mmap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pytest
import shapely

from libs.models.errors import SourceError
from libs.spatial_utils import flatgeobuf_scan
from libs.spatial_utils.flatgeobuf_scan import Table
from libs.spatial_utils.flatgeobuf_values import stored_layer
from libs.spatial_utils.stored_values import StoredLayer

FIELDS = (("name", "String"), ("v", "DateTime"), ("flag", "Integer"))
LONG, U_LONG, STRING, DATE_TIME = 7, 8, 11, 13


def written(
    path: Path,
    values: pa.Array,
    *,
    kinds: tuple[int, int],
    index: str = "YES",
    flags: list[bool | None] | None = None,
) -> Path:
    """Write a layer with a text, a column whose type becomes another one, and flags."""
    points = [shapely.Point(n, 0).wkb for n in range(len(values))]
    names = [f"n{n}" for n in range(len(values))]
    pyogrio.raw.write_arrow(
        pa.table(
            {"geom": points, "name": names, "v": values}
            | ({} if flags is None else {"flag": pa.array(flags, pa.bool_())})
        ),
        path,
        driver="FlatGeobuf",
        geometry_name="geom",
        geometry_type="Point",
        crs="EPSG:4326",
        SPATIAL_INDEX=index,
    )
    with path.open("r+b") as file:
        content = mmap.mmap(file.fileno(), 0)
        place = Table.root(content, 12).tables(7)[1].place_of(1)
        assert place is not None
        assert content[place] == kinds[0]
        content[place] = kinds[1]
        content.flush()
    return path


def read(path: Path, ogr_type: str) -> StoredLayer:
    fields = [{"name": "name", "type": "String"}, {"name": "v", "type": ogr_type}]
    return stored_layer(str(path), "t", fields)[0]


def by_name(path: Path, stored: list[Any]) -> list[Any]:
    """Return the values in the order in which they were written: an index sorts features."""
    names = pyogrio.raw.read_arrow(path)[1]["name"].to_pylist()
    return [value for _, value in sorted(zip(names, stored, strict=True))]


@pytest.mark.parametrize("index", ["YES", "NO"])
@pytest.mark.parametrize(
    ("texts", "ogr_type", "found"),
    [
        (
            ["0000-00-00T00:00:00", "0000-00-00T23:59:59.999"],
            "Time",
            [dt.time(0), dt.time(23, 59, 59, 999000)],
        ),
        (["0000-00-00T12:00:00+02:00", "0000-00-00T12:00:00"], "String", None),
        (["2024-02-29T00:00:00.123456", "2024-02-29T00:00:00"], "String", None),
        (["2024-02-30T00:00:00", "2024-02-29T00:00:00"], "String", None),
        (["0000-00-00T12:00:00", "2024-02-29T00:00:00"], "String", None),
    ],
)
def test_moments_that_gdal_would_drop_are_kept(
    tmp_path: Path, texts: list[str], ogr_type: str, found: list[Any] | None, index: str
) -> None:
    kinds = (STRING, DATE_TIME)
    path = written(tmp_path / "t.fgb", pa.array([*texts, *texts]), kinds=kinds, index=index)

    stored = read(path, "DateTime")

    assert stored.columns[1].type == ogr_type
    assert by_name(path, stored.columns[1].rows(0, 4).to_pylist()) == (found or texts) * 2
    assert [warn.code for warn in stored.warnings] == ["column.other_type"] * (found is None)


def test_moments_that_gdal_reads_are_left_to_it(tmp_path: Path) -> None:
    values = pa.array(["2024-02-29T00:00:00.123+05:45", "2024-02-29T00:00:00Z", "2024-02-29", None])
    path = written(tmp_path / "t.fgb", values, kinds=(STRING, DATE_TIME))

    assert read(path, "DateTime") == StoredLayer()


@pytest.mark.parametrize(
    ("values", "ogr_type", "found"),
    [
        ([2**53 + 1, 1], "Integer64", [2**53 + 1, 1]),
        ([-1, 1], "String", [str(2**64 - 1), "1"]),
    ],
)
def test_unsigned_numbers_beyond_a_double_are_kept(
    tmp_path: Path, values: list[int], ogr_type: str, found: list[Any]
) -> None:
    path = written(tmp_path / "t.fgb", pa.array(values, pa.int64()), kinds=(LONG, U_LONG))

    stored = read(path, "Real")

    assert stored.columns[1].type == ogr_type
    assert by_name(path, stored.columns[1].rows(0, 2).to_pylist()) == found


def test_unsigned_numbers_that_a_double_holds_are_left_to_gdal(tmp_path: Path) -> None:
    values = pa.array([2**53, None], pa.int64())
    path = written(tmp_path / "t.fgb", values, kinds=(LONG, U_LONG))

    assert read(path, "Real") == StoredLayer()


@pytest.mark.parametrize("chunk", [1, 200, 100_000])
def test_booleans_and_moments_are_read_as_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(flatgeobuf_scan, "CHUNK_BYTES", chunk)
    path = tmp_path / "t.fgb"
    moments = [
        "1969-12-31T23:59:59.999Z", "2024-02-29T00:00:00.5+05:45", None,
        "0001-01-01T00:00:00", "2024-02-29T12:00:00-14:00",
    ]  # fmt: skip
    written(
        path, pa.array(moments), kinds=(STRING, DATE_TIME), flags=[True, None, False, True, None]
    )

    fields = [{"name": name, "type": kind} for name, kind in FIELDS]
    stored, exact = stored_layer(str(path), "t", fields)

    assert stored == StoredLayer()
    flags, found = (exact[position].rows(0, 5).to_pylist() for position in (2, 1))
    assert by_name(path, flags) == [True, None, False, True, None]
    assert by_name(path, found) == [
        dt.datetime(1969, 12, 31, 23, 59, 59, 999000),
        dt.datetime(2024, 2, 28, 18, 15, 0, 500000),
        None,
        dt.datetime(1, 1, 1),
        dt.datetime(2024, 3, 1, 2),
    ]
    assert exact[1].zones == {"naive": 1, "zoned": 3}
    assert [*stored_layer(str(path), "t", fields, is_ours=True)[1]] == [2]


def test_a_file_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.fgb", pa.array(["a"]), kinds=(STRING, DATE_TIME))
    path.write_bytes(path.read_bytes()[:-60])

    with pytest.raises(SourceError, match="followed to the end"):
        read(path, "DateTime")
