"""Rasters through the seven phases, and what independent readers find in the lake."""

import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import shape

from libs.models.errors import ContractError, CrsError, SourceError
from libs.models.version import TableVersion, Version
from libs.spatial_utils.ogr import Gdal
from tests.integration.line import Line
from tests.rasters import band_hashes, header_only_tiff, make_raster
from tests.support import make_manifest

PALETTE = [(0, 0, 0, 255), (200, 10, 10, 255), (10, 200, 10, 255), (10, 10, 200, 255)]
GCPS = [(9, 49, 0, 0, 0), (10, 49, 0, 700, 0), (9, 48, 0, 0, 600)]
MIB = 1024 * 1024
REFUSED_WITHIN_S = 10
SMALL_MEMORY_BYTES = 512 * MIB

SOURCES: dict[str, dict[str, Any]] = {
    "palette.tif": {"values": (1, 4), "palette": PALETTE, "nodata": 0},
    "nan.tif": {"type": "Float32", "missing": "nan", "nodata": "nan"},
    "float64.tif": {"type": "Float64", "missing": -9999, "nodata": -9999},
    "mask.tif": {"bands": 3, "mask": True},
    "scaled.tif": {"type": "Int16", "facts": {"Scale": 0.01, "Offset": -5.5, "UnitType": "m"}},
    "reflectance.tif": {
        "type": "UInt16", "bands": 5, "values": (0, 60000),
        "facts": {"Description": "Band", "Metadata": {"wavelength": "400"}},
        "metadata": {"SENSOR": "S2", "AREA_OR_POINT": "Point"},
    },
    "wide_integers.tif": {"type": "Int64", "values": (0, 2**40)},
    "twelve_bits.tif": {"type": "UInt16", "values": (0, 4096), "options": ["NBITS=12"]},
    "rotated.tif": {"geotransform": (500000, 10, 3, 5500000, 3, -10)},
    "imagine.img": {"driver": "HFA", "type": "Float32", "nodata": -9999},
    "N45E007.hgt": {
        "driver": "SRTMHGT", "type": "Int16", "size": (1201, 1201), "crs": "EPSG:4326",
        "geotransform": (7 - 0.5 / 1200, 1 / 1200, 0, 46 + 0.5 / 1200, 0, -1 / 1200),
    },
}  # fmt: skip


def manifest_of(name: str, paths: list[str], **changes: Any) -> dict[str, Any]:
    """Return a manifest over rasters; `crs` and `table` go to each file."""
    file = {key: changes.pop(key) for key in ("crs", "table", "layer") if key in changes}
    manifest = make_manifest(name, paths, intent="ingest_raster", **changes)
    manifest["files"] = [{"path": path, "type": "raster", **file} for path in paths]
    return manifest


def put(line: Line, name: str, *files: Path) -> list[str]:
    return [line.user.put(f"uploads/{name}/{file.name}", file) for file in files]


def run(line: Line, name: str, *files: Path, **changes: Any) -> Version:
    return line.run(name, manifest_of(name, put(line, name, *files), **changes))


def refusal(line: Line, name: str, *files: Path, **changes: Any) -> SourceError | CrsError:
    with pytest.raises((SourceError, CrsError)) as refused:
        run(line, name, *files, **changes)
    assert refused.value.reason.remedy
    assert line.clients.catalog.latest(f"test/{name}") is None
    return refused.value


def only_table(version: Version) -> TableVersion:
    (table,) = version.tables
    return table


def published(line: Line, table: TableVersion, folder: Path) -> Path:
    """Download a table's COG and check that it is one."""
    (output,) = table.outputs
    path = folder / f"published-{table.name}.tif"
    line.clients.lake.download(output.key, path)
    is_valid, errors, warnings = cog_validate(path, quiet=True)
    assert (is_valid, errors, warnings) == (True, [], [])
    return path


def facts(path: Path) -> dict[str, Any]:
    """Return what rasterio reads of a header, nodata as text since nan equals nothing."""
    with rasterio.open(path) as source:
        return {
            "size": source.shape,
            "dtypes": source.dtypes,
            "crs": source.crs.to_epsg(),
            "transform": tuple(round(number, 9) for number in source.transform),
            "nodata": str(source.nodata),
            "scales": source.scales,
            "offsets": source.offsets,
            "units": tuple(unit or "" for unit in source.units),
            "descriptions": tuple(text or "" for text in source.descriptions),
        }


@pytest.mark.parametrize("file", SOURCES)
def test_a_raster_becomes_a_cog_with_the_same_pixels_and_facts(
    line: Line, name: str, tmp_path: Path, file: str
) -> None:
    source = make_raster(tmp_path / file, **SOURCES[file])

    table = only_table(run(line, name, source))

    cog = published(line, table, tmp_path)
    assert band_hashes(cog) == band_hashes(source)
    assert [band.sha256 for band in table.raster.bands] == band_hashes(source)
    assert facts(cog) == facts(source)
    assert (table.rows, table.columns, table.geometry_types) == (1, (), ())
    assert table.hops.rows["written cog"] == 1
    assert (table.raster.overviews > 0, table.raster.is_warped) == (True, False)
    assert table.raster.compression == "DEFLATE"


def test_a_mask_is_kept(line: Line, name: str, tmp_path: Path) -> None:
    source = make_raster(tmp_path / "mask.tif", bands=3, mask=True)

    table = only_table(run(line, name, source))

    with rasterio.open(published(line, table, tmp_path)) as cog, rasterio.open(source) as before:
        assert (cog.dataset_mask() == before.dataset_mask()).all()
    assert {band.mask for band in table.raster.bands} == {"per_dataset"}


def test_a_palette_is_kept_and_its_overviews_hold_only_its_classes(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = make_raster(tmp_path / "palette.tif", values=(1, 4), palette=PALETTE)

    cog = published(line, only_table(run(line, name, source)), tmp_path)

    with rasterio.open(cog) as found:
        assert [found.colormap(1)[entry] for entry in range(4)] == PALETTE
    with rasterio.open(cog, overview_level=0) as overview:
        assert set(overview.read(1).flat) == {1, 2, 3}


@pytest.mark.parametrize(
    ("file", "driver"), [("scan.png", "PNG"), ("scan.jpg", "JPEG"), ("scan.asc", "AAIGrid")]
)
def test_a_raster_with_its_companions_takes_its_place_from_them(
    line: Line, name: str, tmp_path: Path, file: str, driver: str
) -> None:
    options = [] if driver == "AAIGrid" else ["WORLDFILE=YES"]
    source = make_raster(tmp_path / file, driver=driver, options=options)
    companion = source.with_suffix(".prj" if driver == "AAIGrid" else ".wld")
    crs = {} if driver == "AAIGrid" else {"crs": "EPSG:25832"}

    table = only_table(run(line, name, source, companion, **crs))

    assert (table.crs, table.bbox) == ("EPSG:25832", (500000, 5494000, 507000, 5500000))
    assert band_hashes(published(line, table, tmp_path)) == [
        band.sha256 for band in table.raster.bands
    ]


def test_a_prj_beside_a_png_is_its_crs(line: Line, name: str, tmp_path: Path) -> None:
    source = make_raster(tmp_path / "scan.png", driver="PNG", options=["WORLDFILE=YES"])
    make_raster(tmp_path / "other.asc", driver="AAIGrid")
    prj = (tmp_path / "other.prj").rename(tmp_path / "scan.prj")

    table = only_table(run(line, name, source, source.with_suffix(".wld"), prj))

    assert table.crs == "EPSG:25832"


def test_a_grid_keeps_numbers_that_come_late_or_are_long(
    line: Line, name: str, tmp_path: Path
) -> None:
    header = "ncols 300\nnrows 300\nxllcorner 0\nyllcorner 0\ncellsize 10\n"
    source = tmp_path / "grid.asc"
    source.write_text(header + "1 " * 89_999 + "123456.789\n")

    (band,) = only_table(run(line, name, source, crs="EPSG:25832")).raster.bands

    assert (band.type, band.min, band.max) == ("Float64", 1, 123456.789)


def test_the_version_says_where_the_raster_lies(line: Line, name: str, tmp_path: Path) -> None:
    source = make_raster(tmp_path / "a.tif")

    table = only_table(run(line, name, source))

    assert table.raster.resolution == (10, 10)
    outline = shape(table.raster.footprint)
    assert outline.is_valid
    assert outline.bounds == pytest.approx((9.0, 49.5984, 9.0970, 49.6527), abs=1e-3)
    assert len(table.raster.footprint["coordinates"][0]) > 50, "the sides are densified"


def test_a_footprint_across_the_antimeridian_is_cut_there(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = make_raster(
        tmp_path / "fiji.tif", crs="EPSG:32760", geotransform=(800000, 500, 0, 8100000, 0, -500)
    )

    footprint = only_table(run(line, name, source)).raster.footprint

    assert footprint["type"] == "MultiPolygon"
    assert shape(footprint).area < 20


def test_a_footprint_around_a_pole_is_a_box(line: Line, name: str, tmp_path: Path) -> None:
    source = make_raster(
        tmp_path / "arctic.tif", crs="EPSG:3413",
        geotransform=(-3500000, 10000, 0, 3000000, 0, -10000),
    )  # fmt: skip

    version = run(line, name, source)

    assert shape(only_table(version).raster.footprint).bounds[::2] == (-180, 180)
    assert "raster.footprint_box" in {warn.code for warn in version.warnings}


def test_several_rasters_are_several_tables(line: Line, name: str, tmp_path: Path) -> None:
    files = [make_raster(tmp_path / file) for file in ("north.tif", "south.tif")]

    version = run(line, name, *files)

    assert [table.name for table in version.tables] == ["north", "south"]
    assert {table.outputs[0].key.rpartition("/")[2] for table in version.tables} == {
        "north.tif", "south.tif",
    }  # fmt: skip


def test_a_zip_holds_one_raster_or_several(line: Line, name: str, tmp_path: Path) -> None:
    png = make_raster(tmp_path / "scan.png", driver="PNG", options=["WORLDFILE=YES"])
    tif = make_raster(tmp_path / "dem.tif")
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    with zipfile.ZipFile(one, "w") as archive:
        archive.write(png, "Data/SCAN.PNG")
        archive.write(png.with_suffix(".wld"), "Data/SCAN.WLD")
    with zipfile.ZipFile(two, "w") as archive:
        archive.write(tif, "a.tif")
        archive.write(tif, "b.tif")

    table = only_table(run(line, name, one, crs="EPSG:25832"))
    version = run(line, f"{name}-2", two)

    assert (table.name, table.source.file.rpartition("!")[2]) == (name, "/Data/SCAN.PNG")
    assert [item.name for item in version.tables] == ["a", "b"]


def test_names_that_clash_are_refused(line: Line, name: str, tmp_path: Path) -> None:
    files = [make_raster(tmp_path / file) for file in ("dem.tif", "DEM.tiff")]

    assert refusal(line, name, *files).reason.code == "source.table_names_clash"


@pytest.mark.parametrize(
    ("source", "target", "mask"),
    [
        ({"bands": 3, "facts": {"Description": "Band", "UnitType": "m"}}, "EPSG:3857",
         "per_dataset"),
        ({"type": "Float32", "nodata": "nan", "missing": "nan"}, "EPSG:4326", "nodata"),
        ({"values": (1, 4), "palette": PALETTE, "nodata": 0}, "EPSG:3857", "nodata"),
    ],
)  # fmt: skip
def test_a_target_crs_warps(
    line: Line, name: str, tmp_path: Path, source: dict[str, Any], target: str, mask: str
) -> None:
    path = make_raster(tmp_path / "a.tif", **source)

    version = run(line, name, path, options={"target_crs": target})

    table = only_table(version)
    assert (table.crs, table.raster.is_warped) == (target, True)
    assert table.transformations[0].source_crs == "EPSG:25832"
    assert {band.mask for band in table.raster.bands} == {mask}
    assert "raster.resampled" in {warn.code for warn in version.warnings}
    cog, before = facts(published(line, table, tmp_path)), facts(path)
    for fact in ("dtypes", "nodata", "units", "descriptions"):
        assert cog[fact] == before[fact]


def test_asking_for_the_default_crs_is_another_content(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = make_raster(tmp_path / "a.tif")

    kept = run(line, name, source)
    asked = manifest_of(
        f"{name}-2", put(line, f"{name}-2", source), options={"target_crs": "EPSG:4326"},
        dataset_id=f"test/{name}",
    )  # fmt: skip
    warped = line.run(f"{name}-2", asked)

    assert (only_table(kept).crs, only_table(warped).crs) == ("EPSG:25832", "EPSG:4326")
    assert kept.content_hash != warped.content_hash


def test_what_a_cog_cannot_hold_is_said(line: Line, name: str, tmp_path: Path) -> None:
    palette = [(*color[:3], 100) for color in PALETTE]
    source = make_raster(tmp_path / "a.png", driver="PNG", palette=palette, values=(1, 4))
    world = tmp_path / "a.pgw"
    world.write_text("10\n0\n0\n-10\n500005\n5499995\n")
    unread = tmp_path / "a.png.xml"
    unread.write_text("<metadata/>")

    version = run(line, name, source, world, unread, crs="EPSG:25832")

    assert {warn.code for warn in version.warnings} >= {
        "raster.color_table_opaque", "raster.companion_not_read",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("a.vrt", b"<VRTDataset/>", "source.unknown_format"),
        ("a.tif", b"<VRTDataset rasterXSize='1' rasterYSize='1'/>", "source.unknown_format"),
        ("a.wld", b"1\n0\n0\n-1\n0\n0\n", "source.lonely_companion"),
        ("a.asc", b"ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 x\n",
         "source.unreadable"),
        ("a.asc", b"ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3\n",
         "source.unreadable"),
    ],
)  # fmt: skip
def test_other_files_are_refused(
    line: Line, name: str, tmp_path: Path, file: str, content: bytes, code: str
) -> None:
    path = tmp_path / file
    path.write_bytes(content)

    assert refusal(line, name, path, crs="EPSG:25832").reason.code == code


def test_a_reference_to_a_file_elsewhere_is_refused(line: Line, name: str, tmp_path: Path) -> None:
    secret = make_raster(tmp_path / "secret.tif")
    source = make_raster(tmp_path / "a.tif")
    overviews = tmp_path / "a.tif.aux.xml"
    overviews.write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI>'
        "</Metadata></PAMDataset>"
    )

    error = refusal(line, name, source, overviews)

    assert error.reason.code == "source.foreign_reference"
    assert "secret.tif" in error.reason.message


def test_an_imagine_file_that_names_pixels_elsewhere_is_refused(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = make_raster(tmp_path / "12345678.img", driver="HFA", options=["USE_SPILL=YES"])
    source.with_suffix(".ige").unlink()
    content = source.read_bytes()
    place = content.index(b"12345678.ige")
    source.write_bytes(content[:place] + b"../../../../" + content[place + 12 :])

    error = refusal(line, name, source)

    assert error.reason.code == "source.foreign_reference"


@pytest.mark.parametrize(
    ("source", "changes", "code"),
    [
        ({"crs": None}, {}, "crs.missing"),
        ({}, {"crs": "EPSG:4326"}, "crs.contradiction"),
        ({"geotransform": None, "crs": None}, {"crs": "EPSG:4326"}, "source.not_georeferenced"),
        ({"geotransform": None, "gcps": GCPS}, {"crs": "EPSG:4326"}, "source.not_georeferenced"),
        ({}, {"layer": "band1"}, "source.no_such_layer"),
        ({"type": "Int64"}, {"options": {"target_crs": "EPSG:3857"}}, "source.unwarpable_type"),
    ],
)  # fmt: skip
def test_a_raster_without_a_place_is_refused(
    line: Line, name: str, tmp_path: Path, source: dict[str, Any], changes: Any, code: str
) -> None:
    path = make_raster(tmp_path / "a.tif", **source)

    assert refusal(line, name, path, **changes).reason.code == code


def test_a_header_that_claims_too_much_is_refused_before_anything_is_allocated(
    line: Line, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.tif"
    path.write_bytes(header_only_tiff(65_535, 65_535))
    limits = replace(line.clients.gdal.limits, memory_bytes=SMALL_MEMORY_BYTES)
    small = Line(replace(line.clients, gdal=Gdal(limits)), line.user)
    started = time.monotonic()

    error = refusal(small, name, path, crs="EPSG:25832")

    assert error.reason.code == "source.raster_too_large"
    assert "4294836225" in error.reason.message
    assert time.monotonic() - started < REFUSED_WITHIN_S


def test_a_raster_larger_than_the_memory_is_published(
    line: Line, name: str, tmp_path: Path
) -> None:
    options = ["TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1"]
    size = (12_000, 12_000)
    source = make_raster(tmp_path / "a.tif", size=size, bands=4, values=(1, 2), options=options)
    limits = replace(line.clients.gdal.limits, memory_bytes=SMALL_MEMORY_BYTES)
    small = Line(replace(line.clients, gdal=Gdal(limits)), line.user)

    table = only_table(run(small, name, source))

    assert table.raster.width * table.raster.height * 4 > SMALL_MEMORY_BYTES
    assert table.raster.overviews == 5


@pytest.mark.parametrize("driver", ["GTiff", "PNG", "JPEG", "HFA", "AAIGrid"])
def test_a_truncated_raster_is_refused(line: Line, name: str, tmp_path: Path, driver: str) -> None:
    suffix = {"GTiff": "tif", "HFA": "img", "AAIGrid": "asc"}.get(driver, driver.lower())
    world = ["WORLDFILE=YES"] if driver in {"PNG", "JPEG"} else []
    whole = make_raster(tmp_path / f"a.{suffix}", driver=driver, options=world)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    companions = [whole.with_suffix(".wld")] if world else []

    error = refusal(line, name, whole, *companions, crs="EPSG:25832")

    assert error.reason.code in {"source.unreadable", "source.not_georeferenced"}


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        ({"crs": "EPSG:4326"}, "contract.crs"),
        ({"bbox": [0, 0, 1, 1]}, "contract.bbox"),
        ({"geometry_types": ["Point"]}, "contract.geometry_types"),
        ({"columns": {"a": "text"}}, "contract.columns"),
        ({"key": ["a"]}, "contract.key"),
        ({"min_rows": 1}, "contract.rows"),
    ],
)
def test_a_breach_of_the_contract_is_refused(
    line: Line, name: str, tmp_path: Path, contract: dict[str, Any], code: str
) -> None:
    source = make_raster(tmp_path / "a.tif")

    with pytest.raises(ContractError) as refused:
        run(line, name, source, contract=contract)

    assert refused.value.reason.code == code


def test_a_kept_contract_is_published(line: Line, name: str, tmp_path: Path) -> None:
    contract = {"crs": "EPSG:25832", "bbox": [499999, 5490000, 510000, 5500001]}

    version = run(line, name, make_raster(tmp_path / "a.tif"), contract=contract)

    assert version.version == 1
