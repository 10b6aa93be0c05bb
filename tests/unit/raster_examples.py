"""Values that raster tests start from: a band, a description, a raster as it was found."""

from pathlib import Path
from typing import Any

from pyproj import CRS

from libs.models.manifest import ManifestFile
from libs.pipeline.kinds.raster_files import RasterFile
from libs.pipeline.kinds.raster_sources import FoundRaster
from libs.spatial_utils.rasters import Band, BandPixels, RasterCrs, RasterDescription
from tests.unit import examples


def band(kind: str = "Byte", distinct: int | None = 257, **changes: Any) -> Band:
    """Return a band of a type with so many distinct values."""
    size_bytes = {"Byte": 1, "UInt16": 2, "Int16": 2, "Int32": 4, "Float32": 4}.get(kind, 8)
    pixels = BandPixels(sha256="a" * 64, min=1, max=9, distinct=distinct)
    values: dict[str, Any] = {
        "type": kind,
        "is_signed_byte": False,
        "size_bytes": size_bytes,
        "bits": 8 * size_bytes,
        "nodata": None,
        "color_interpretation": "Gray",
        "color_table": (),
        "description": "",
        "scale": 1.0,
        "offset": 0.0,
        "unit": "",
        "mask_flags": 1,
        "overviews": (),
        "block": (256, 256),
        "metadata": {},
        "categories": 0,
        "attribute_columns": (),
        "pixels": pixels,
        **changes,
    }
    return Band(**values)


def description(*bands: Band, **changes: Any) -> RasterDescription:
    """Return a raster in EPSG:25832."""
    values: dict[str, Any] = {
        "driver": "GTiff",
        "width": 100,
        "height": 50,
        "geotransform": (500000, 10, 0, 5500000, 0, -10),
        "crs": RasterCrs(wkt=CRS.from_epsg(25832).to_wkt("WKT2_2019"), epoch=None),
        "crs_beside": None,
        "gcps": 0,
        "has_rpc": False,
        "has_geolocation": False,
        "metadata": {},
        "structure": {},
        "domains": (),
        "subdatasets": 0,
        "files": (),
        "open_options": (),
        "mask_sha256": None,
        "bands": bands or (band(),),
        **changes,
    }
    return RasterDescription(**values)


def found(
    described: RasterDescription | None = None, *, name: str = "dem.tif", **file: Any
) -> FoundRaster:
    """Return a raster as it was found in the manifest's file `name`; `file` sets its fields."""
    path = f"s3://{examples.BUCKET}/uploads/{name}"
    named = ManifestFile(path=path, type="raster", **file)
    raster = RasterFile(Path("/folder") / name, path, name, named, "GTiff", {})
    return FoundRaster(raster, described or description())
