"""Small rasters for tests, made by the GDAL of the machine; read back by rasterio's own."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import rasterio

MAKER = """
import json, sys
import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
order = json.loads(sys.argv[1])
width, height = order["size"]
kind = gdal.GetDataTypeByName(order["type"])
rng = np.random.default_rng(7)
image = gdal.GetDriverByName("MEM").Create("", width, height, order["bands"], kind)
if order["geotransform"]:
    image.SetGeoTransform(order["geotransform"])
if order["crs"]:
    srs = osr.SpatialReference()
    srs.SetFromUserInput(order["crs"])
    image.SetSpatialRef(srs)
if order["gcps"]:
    image.SetGCPs([gdal.GCP(*gcp) for gcp in order["gcps"]], srs)
image.SetMetadata(order["metadata"])
for number in range(1, order["bands"] + 1):
    band = image.GetRasterBand(number)
    pixels = rng.integers(*order["values"], (height, width)).astype("f8")
    if order["missing"] is not None:
        pixels[: height // 4] = float(order["missing"])
    band.WriteArray(pixels)
    if order["nodata"] is not None:
        band.SetNoDataValue(float(order["nodata"]))
    for name, value in order["facts"].items():
        getattr(band, f"Set{name}")(f"{value} {number}" if name == "Description" else value)
    if order["palette"]:
        table = gdal.ColorTable()
        for entry, color in enumerate(order["palette"]):
            table.SetColorEntry(entry, tuple(color))
        band.SetColorTable(table)
        band.SetColorInterpretation(gdal.GCI_PaletteIndex)
if order["mask"]:
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    image.CreateMaskBand(gdal.GMF_PER_DATASET)
    valid = np.full((height, width), 255, "u1")
    valid[:, : width // 3] = 0
    image.GetRasterBand(1).GetMaskBand().WriteArray(valid)
gdal.GetDriverByName(order["driver"]).CreateCopy(order["path"], image, options=order["options"])
"""
DEFAULTS: dict[str, Any] = {
    "driver": "GTiff",
    "size": (700, 600),
    "type": "Byte",
    "bands": 1,
    "geotransform": (500000, 10, 0, 5500000, 0, -10),
    "crs": "EPSG:25832",
    "gcps": [],
    "metadata": {},
    "values": (1, 200),
    "missing": None,
    "nodata": None,
    "facts": {},
    "palette": [],
    "mask": False,
    "options": [],
}


def make_raster(path: Path, **changes: Any) -> Path:
    """Make a raster of random integers; `changes` replace `DEFAULTS`."""
    order = json.dumps({**DEFAULTS, **changes, "path": str(path)})
    subprocess.run(["/usr/bin/python3", "-I", "-c", MAKER, order], check=True)
    return path


def band_hashes(path: Path) -> list[str]:
    """Return the sha256 of each band's pixels in row order, as rasterio reads them."""
    with rasterio.open(path) as source:
        return [hashlib.sha256(source.read(n).tobytes()).hexdigest() for n in source.indexes]


def header_only_tiff(width: int, height: int) -> bytes:
    """Return a TIFF of 222 bytes whose header claims so many pixels, in one strip."""
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200),
        (277, 3, 1), (278, 4, height), (279, 4, min(width * height, 2**32 - 1)),
    ]  # fmt: skip
    content = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    for tag, kind, value in entries:
        parts = ((tag, 2), (kind, 2), (1, 4), (value, 4))
        content += b"".join(number.to_bytes(size, "little") for number, size in parts)
    return content + bytes(104)
