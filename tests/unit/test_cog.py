"""Which options suit which raster."""

from pathlib import Path

import pytest

from libs.spatial_utils import cog
from libs.spatial_utils.rasters import Band
from tests.unit.raster_examples import band, description

PALETTE = ((0, 0, 0, 255), (255, 0, 0, 255))


@pytest.mark.parametrize(
    ("bands", "predictor", "overviews", "warp"),
    [
        ([band("Float32", None)], "FLOATING_POINT", "AVERAGE", "bilinear"),
        ([band("Float64", None)], "FLOATING_POINT", "AVERAGE", "bilinear"),
        ([band("Float32", None, bits=16)], "NO", "AVERAGE", "bilinear"),
        ([band("Byte")] * 3, "STANDARD", "AVERAGE", "bilinear"),
        ([band("Int16")], "STANDARD", "AVERAGE", "bilinear"),
        ([band("Byte", 12)], "NO", "MODE", "near"),
        ([band("Byte", 250, color_table=PALETTE)], "NO", "MODE", "near"),
        ([band("Byte", 250, categories=3)], "NO", "MODE", "near"),
        ([band("UInt16", metadata={"LAYER_TYPE": "thematic"})], "NO", "MODE", "near"),
        ([band("Int32")], "STANDARD", "NEAREST", "near"),
        ([band("Int64")], "NO", "NEAREST", "near"),
        ([band("CFloat32", None)], "NO", "NEAREST", "near"),
        ([band("UInt16", bits=12)], "NO", "AVERAGE", "bilinear"),
        ([band("Byte"), band("Byte", 3)], "STANDARD", "NEAREST", "near"),
        ([band("Byte"), band("Byte", 2, color_interpretation="Alpha")], "STANDARD", "AVERAGE",
         "bilinear"),
    ],
)  # fmt: skip
def test_options_suit_the_data(
    bands: list[Band], predictor: str, overviews: str, warp: str
) -> None:
    assert cog.predictor(bands) == predictor
    assert cog.overview_resampling(bands) == overviews
    assert cog.warp_resampling(bands) == warp


def test_a_source_is_read_by_its_driver_only_and_its_overviews_are_not_taken() -> None:
    described = description(driver="AAIGrid", open_options=("DATATYPE=Float64",))
    args = cog.translate_args(described, Path("in.asc"), Path("out.tif"), assigned_wkt="WKT")
    text = " ".join(args)
    assert "-if AAIGrid -oo DATATYPE=Float64" in text
    assert "-a_srs WKT" in text
    assert "OVERVIEWS=IGNORE_EXISTING" in text
    assert args[-2:] == ["in.asc", "out.tif"]


@pytest.mark.parametrize(
    ("bands", "needs_mask"),
    [
        ([band()], True),
        ([band(nodata="0.0", mask_flags=8)], False),
        ([band(), band(color_interpretation="Alpha")], False),
    ],
)
def test_a_warp_marks_what_no_source_covers(bands: list[Band], needs_mask: bool) -> None:
    steps = cog.warp(
        description(*bands), Path("in.tif"), Path("work.tif"), Path("out.tif"),
        source_wkt="A", target_wkt="B", memory_bytes=2**31,
    )  # fmt: skip
    assert steps.needs_mask is needs_mask
    assert ("-dstalpha" in steps.warp_args) is needs_mask
    assert ("-mask" in steps.cog_args) is needs_mask


def test_types_that_gdal_resamples_wrongly_are_known() -> None:
    assert cog.unwarpable([band("Byte"), band("Byte", is_signed_byte=True)]) == "Int8"
    assert cog.unwarpable([band("UInt64")]) == "UInt64"
    assert cog.unwarpable([band("Float32")]) is None


def test_the_cache_follows_the_memory_limit() -> None:
    assert cog.cog_env(2**31)["GDAL_CACHEMAX"] == "256"
