"""What a raster will be called, where it lies, and whether it may be read at all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import SpatialEtlError
from libs.pipeline.fetch import content_hash
from libs.pipeline.kinds.raster_planning import RasterPlan, plan_rasters
from libs.pipeline.kinds.raster_sources import (
    FoundRaster,
    require_inside,
    require_one_raster,
    require_within_limits,
)
from libs.pipeline.workbench import Workbench
from tests.unit import examples
from tests.unit.raster_examples import band, description, found


def plan(*items: FoundRaster, **options: Any) -> list[RasterPlan]:
    manifest = examples.manifest(
        intent="ingest_raster",
        files=[{"path": item.raster.file.path, "type": "raster"} for item in items],
        options=options,
    )
    return plan_rasters(manifest, "elevation/dem", items)


def code_of(*items: FoundRaster, **options: Any) -> str:
    with pytest.raises(SpatialEtlError) as refused:
        plan(*items, **options)
    return refused.value.reason.code


def test_tables_are_named_by_the_file_the_dataset_or_the_manifest() -> None:
    assert [item.name for item in plan(found())] == ["dem"]
    assert [item.name for item in plan(found(name="a.tif"), found(name="b.tif"))] == ["a", "b"]
    assert [item.name for item in plan(found(table="heights"))] == ["heights"]


def test_names_that_differ_by_case_only_are_refused() -> None:
    assert code_of(found(name="a.tif"), found(name="A.img")) == "source.table_names_clash"


def test_a_raster_is_not_warped_unless_asked() -> None:
    assert plan(found())[0].target is None
    assert plan(found(), target_crs="source")[0].target is None
    assert plan(found(), target_crs="EPSG:25832")[0].target is None
    assert plan(found(), target_crs="EPSG:4326")[0].target.name == "EPSG:4326"


def test_asking_for_the_default_is_not_the_default() -> None:
    hashes = {
        content_hash(examples.manifest(intent="ingest_raster", files=[RASTER], options=options), ())
        for options in ({}, {"target_crs": "EPSG:4326"})
    }
    assert len(hashes) == 2


RASTER = {"path": f"s3://{examples.BUCKET}/a.tif", "type": "raster"}


def test_a_declared_crs_stands_in_for_a_missing_one() -> None:
    (planned,) = plan(found(description(crs=None), crs="EPSG:25832"))
    assert planned.crs.name == "EPSG:25832"
    assert planned.assigned_wkt == planned.crs.wkt
    assert plan(found())[0].assigned_wkt is None


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (found(description(crs=None)), "crs.missing"),
        (found(crs="EPSG:4326"), "crs.contradiction"),
        (found(description(geotransform=None)), "source.not_georeferenced"),
        (found(description(geotransform=None, gcps=4)), "source.not_georeferenced"),
        (found(description(geotransform=(0, 1, 0, 0, 0, 1))), "source.not_georeferenced"),
        (found(description(geotransform=(0, 1, 2, 0, 1, 2))), "source.broken_georeference"),
    ],
)
def test_a_raster_without_a_place_is_refused(item: FoundRaster, code: str) -> None:
    assert code_of(item) == code


@pytest.mark.parametrize(
    ("described", "code"),
    [
        (description(width=65_535, height=65_535), "source.raster_too_large"),
        (description(band(block=(30_000, 30_000)), width=30_000, height=30_000),
         "source.raster_block_too_large"),
    ],
)  # fmt: skip
def test_a_header_that_claims_too_much_is_refused(
    bench: Workbench, tmp_path: Path, described: Any, code: str
) -> None:
    path = tmp_path / "dem.tif"
    path.write_bytes(bytes(300))
    raster = replace(found().raster, path=path)
    with pytest.raises(SpatialEtlError) as refused:
        require_within_limits(bench, raster, described)
    assert refused.value.reason.code == code


@pytest.mark.parametrize(
    ("described", "code"),
    [
        (description(subdatasets=2), "source.several_rasters"),
        (description(band(mask_flags=0), band(mask_flags=0)), "source.band_masks"),
        (description(band(nodata="0.0"), band()), "source.band_nodata"),
    ],
)
def test_what_no_cog_can_hold_is_refused(described: Any, code: str) -> None:
    with pytest.raises(SpatialEtlError) as refused:
        require_one_raster(found().raster, described)
    assert refused.value.reason.code == code


def test_a_file_outside_the_folder_is_refused() -> None:
    described = description(files=("/folder/dem.tif", "/folder/../etc/passwd"))
    with pytest.raises(SpatialEtlError, match="passwd"):
        require_inside(found().raster, described)
