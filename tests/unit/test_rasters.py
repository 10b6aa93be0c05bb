"""What follows from a raster's description, from its name, and from the numbers of a grid."""

from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils import ascii_grid
from libs.spatial_utils.ascii_grid import scan_grid
from libs.spatial_utils.drivers import RASTER_DRIVERS, driver_of, raster_companion
from tests.unit.raster_examples import band, description

HEADER = "ncols 3\nnrows 1\nxllcorner 0.5\nyllcorner 0\ncellsize 10\nNODATA_value -9999.0\n"


def test_a_rotated_raster_has_the_extent_of_its_corners() -> None:
    rotated = description(geotransform=(0, 3, 4, 0, 4, -3), width=10, height=10)
    assert rotated.corners == ((0, 0), (30, 40), (70, 10), (40, -30))
    assert rotated.bbox == (0, -30, 70, 40)
    assert rotated.resolution == (5, 5)


def test_sizes_come_from_the_header() -> None:
    described = description(band("Int16"), band("Float32"), width=1000, height=2000)
    assert described.pixel_bytes == 1000 * 2000 * 6
    assert described.block_bytes == 256 * 256 * 6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None), ("0.0", 0.0), ("nan", "nan"), ("-inf", "-inf"), ("-9999.0", -9999.0),
        ("9223372036854775807", "9223372036854775807"), ("-3.4e+38", -3.4e38),
    ],
)  # fmt: skip
def test_nodata_is_a_number_where_json_has_one(text: str | None, value: float | str) -> None:
    assert band(nodata=text).nodata_value == value


@pytest.mark.parametrize(
    ("flags", "mask"),
    [(1, "all_valid"), (2, "per_dataset"), (6, "alpha"), (8, "nodata"), (0, "per_band")],
)
def test_a_mask_has_a_name(flags: int, mask: str) -> None:
    assert band(mask_flags=flags).mask == mask


@pytest.mark.parametrize(
    ("name", "companion"),
    [
        ("dem.TFW", ("dem", ".tfw")),
        ("dem.tif.aux.xml", ("dem.tif", ".aux.xml")),
        ("dem.tif.ovr", ("dem.tif", ".ovr")),
        ("dem.tif.vat.dbf", ("dem.tif", ".vat.dbf")),
        ("dem.tif", None),
        ("dem.vrt", None),
    ],
)
def test_companions_are_known_by_name(name: str, companion: tuple[str, str] | None) -> None:
    assert raster_companion(name) == companion


def test_a_vrt_is_no_raster() -> None:
    assert driver_of("a.vrt", None, RASTER_DRIVERS) is None
    with pytest.raises(SourceError, match="GTiff"):
        driver_of("a.vrt", "VRT", RASTER_DRIVERS)


@pytest.mark.parametrize(
    ("numbers", "kind", "count"),
    [
        ("1 2 -3", "Int32", 3),
        ("1 2\n3", "Int32", 3),
        ("1 2 4000000000", "Float64", 3),
        ("1.5 2 1e3", "Float32", 3),
        ("1,5 2 3", "Float32", 3),
        ("1 2 123456.789", "Float64", 3),
        ("16777217 2 0.5", "Float64", 3),
        ("1 nan -inf", "Float32", 3),
        ("1 2", "Int32", 2),
    ],
)
def test_a_grid_gets_the_type_that_holds_each_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: str, kind: str, count: int
) -> None:
    path = tmp_path / "a.asc"
    path.write_text(HEADER + numbers)
    for chunk_bytes in (1, 3, 1024):
        monkeypatch.setattr(ascii_grid, "CHUNK_BYTES", chunk_bytes)
        found = scan_grid(path)
        assert (found.type_name, found.count, found.is_numeric) == (kind, count, True)


@pytest.mark.parametrize("numbers", ["1 x 3", "1 fine 3", "1 nano 3", "1" * 1000])
def test_text_in_a_grid_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: str
) -> None:
    monkeypatch.setattr(ascii_grid, "CHUNK_BYTES", 100)
    path = tmp_path / "a.asc"
    path.write_text(HEADER + numbers)
    assert not scan_grid(path).is_numeric
