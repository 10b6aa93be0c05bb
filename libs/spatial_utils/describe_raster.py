"""Describe a raster as GDAL reads it: a program for the Python that has GDAL's bindings.

Run as `python3 describe_raster.py PATH DRIVER[,DRIVER…] header|pixels [OPTION=VALUE…]` in a
child process of its own; prints one JSON document. `header` reads no pixel. It imports nothing of
this project: it runs under Debian's interpreter, beside the libgdal that gdal_translate uses.

What belongs here: facts. What does not: whether they are acceptable (`libs.pipeline.kinds`).
"""

import hashlib
import json
import os
import sys
from typing import Any

import numpy as np
from osgeo import gdal, osr

STRIP_SHARE = 4
MAX_DISTINCT = 256
PRJ_BYTES = 1024 * 1024
SMALL_BITS = 16
LARGEST_PALETTE = 65_536

PROBLEMS: list[dict[str, Any]] = []


def collect_problem(error_class: int, number: int, message: str) -> None:
    """Keep what GDAL says; class 2 is a warning, 3 and above an error."""
    if error_class >= gdal.CE_Warning:
        is_error = error_class >= gdal.CE_Failure
        PROBLEMS.append({"is_error": is_error, "number": number, "message": message})


def has_failed() -> bool:
    """Return whether GDAL reported an error so far."""
    return any(problem["is_error"] for problem in PROBLEMS)


def describe_crs(srs: Any) -> dict[str, Any] | None:
    """Return a CRS as WKT2, and the epoch of its coordinates."""
    if srs is None:
        return None
    wkt = srs.ExportToWkt(["FORMAT=WKT2_2019"]) or srs.ExportToWkt()
    return {"wkt": wkt, "epoch": srs.GetCoordinateEpoch() or None} if wkt else None


def is_local(srs: Any) -> bool:
    """Return whether a CRS says nothing about the place on Earth."""
    return srs is not None and bool(srs.IsLocal())


def crs_beside(path: str) -> dict[str, Any] | None:
    """Return the CRS of the .prj that lies beside a raster whose driver does not read it."""
    beside = os.path.splitext(path)[0] + ".prj"  # noqa: PTH122
    if not os.path.isfile(beside):  # noqa: PTH113
        return None
    with open(beside, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        text = file.read(PRJ_BYTES)
    srs = osr.SpatialReference()
    if srs.ImportFromESRI([text]) != 0:
        return None
    return describe_crs(srs)


def numpy_type(band: Any) -> Any:
    """Return numpy's type of a band's pixels."""
    if band.GetMetadataItem("PIXELTYPE", "IMAGE_STRUCTURE") == "SIGNEDBYTE":
        return np.dtype("i1")
    names = {"Byte": "u1", "UInt16": "u2", "Int16": "i2", "UInt32": "u4", "Int32": "i4",
             "UInt64": "u8", "Int64": "i8", "Float32": "f4", "Float64": "f8", "CInt16": "V4",
             "CInt32": "V8", "CFloat32": "c8", "CFloat64": "c16"}  # fmt: skip
    return np.dtype(names[gdal.GetDataTypeName(band.DataType)])


def nodata_text(band: Any) -> str | None:
    """Return a band's nodata value as text that can be read back exactly."""
    value = band.GetNoDataValue()
    return None if value is None else repr(value)


def color_table(band: Any) -> list[list[int]]:
    """Return the entries of a band's colour table as red, green, blue, alpha."""
    table = band.GetColorTable()
    count = min(table.GetCount(), LARGEST_PALETTE) if table else 0
    return [list(table.GetColorEntry(number)) for number in range(count)]


def attribute_columns(band: Any) -> list[str]:
    """Return the columns of a band's attribute table that say more than colours and counts."""
    table = band.GetDefaultRAT()
    numbers = range(table.GetColumnCount()) if table else ()
    return [
        table.GetNameOfCol(number)
        for number in numbers
        if table.GetUsageOfCol(number) in {gdal.GFU_Generic, gdal.GFU_Name}
    ]


def describe_band(band: Any) -> dict[str, Any]:
    """Return what the header says about a band."""
    scale, offset = band.GetScale(), band.GetOffset()
    bits = band.GetMetadataItem("NBITS", "IMAGE_STRUCTURE")
    overviews = [band.GetOverview(number) for number in range(band.GetOverviewCount())]
    return {
        "type": gdal.GetDataTypeName(band.DataType),
        "is_signed_byte": numpy_type(band) == np.dtype("i1"),
        "size_bytes": gdal.GetDataTypeSize(band.DataType) // 8,
        "bits": int(bits) if bits else gdal.GetDataTypeSize(band.DataType),
        "nodata": nodata_text(band),
        "color_interpretation": gdal.GetColorInterpretationName(band.GetColorInterpretation()),
        "color_table": color_table(band),
        "description": band.GetDescription(),
        "scale": 1.0 if scale is None else scale,
        "offset": 0.0 if offset is None else offset + 0.0,
        "unit": band.GetUnitType() or "",
        "mask_flags": band.GetMaskFlags(),
        "overviews": [[item.XSize, item.YSize] for item in overviews if item is not None],
        "block": band.GetBlockSize(),
        "metadata": band.GetMetadata_Dict(),
        "categories": len(band.GetCategoryNames() or []),
        "attribute_columns": attribute_columns(band),
    }


class BandReading:
    """What all pixels of a band amount to, strip by strip."""

    def __init__(self, band: Any) -> None:
        self.band = band
        self.dtype = numpy_type(band)
        self.digest = hashlib.sha256()
        self.least: Any = None
        self.greatest: Any = None
        self.distinct: set[int] | None = set() if self.dtype.kind in "iu" else None
        nodata = band.GetNoDataValue()
        self.nodata = nodata if band.GetMaskFlags() & gdal.GMF_NODATA else None

    def add(self, top: int, rows: int) -> None:
        """Read some rows over the full width; an error is left to `PROBLEMS`."""
        width = self.band.XSize
        content = self.band.ReadRaster(0, top, width, rows)
        if content is None or has_failed():
            return
        self.digest.update(content)
        if self.dtype.kind in "iuf":
            self._measure(np.frombuffer(content, dtype=self.dtype), top, rows)

    def _measure(self, pixels: Any, top: int, rows: int) -> None:
        is_valid = self._validity(pixels, top, rows)
        if is_valid is not None:
            pixels = pixels[is_valid]
        if pixels.size == 0:
            return
        least, greatest = pixels.min().item(), pixels.max().item()
        self.least = least if self.least is None else min(self.least, least)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
        if self.distinct is not None and len(self.distinct) <= MAX_DISTINCT:
            self.distinct |= self._values(pixels)

    def _validity(self, pixels: Any, top: int, rows: int) -> Any:
        """Return which pixels count for min and max; None for all."""
        is_valid = np.isfinite(pixels) if self.dtype.kind == "f" else None
        flags = self.band.GetMaskFlags()
        if flags & gdal.GMF_ALL_VALID:
            return is_valid
        if self.nodata is not None:
            here = pixels != self._nodata_here()
        else:
            mask = self.band.GetMaskBand().ReadRaster(0, top, self.band.XSize, rows)
            if mask is None:
                return is_valid
            here = np.frombuffer(mask, dtype="u1") != 0
        return here if is_valid is None else here & is_valid

    def _nodata_here(self) -> Any:
        """Return nodata in the pixels' type, as it is where that cannot hold it."""
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return self.dtype.type(self.nodata)
        return self.nodata

    def _values(self, pixels: Any) -> set[int]:
        if self.dtype.itemsize * 8 <= SMALL_BITS:
            unsigned = pixels.view(f"u{self.dtype.itemsize}")
            return set(np.flatnonzero(np.bincount(unsigned)).tolist())
        return set(np.unique(pixels).tolist())

    def facts(self) -> dict[str, Any]:
        """Return them; `distinct` is one more than `MAX_DISTINCT` where there are more."""
        counted = None if self.distinct is None else min(len(self.distinct), MAX_DISTINCT + 1)
        return {
            "sha256": self.digest.hexdigest(),
            "min": self.least,
            "max": self.greatest,
            "distinct": counted,
        }


def strip_rows(band: Any) -> int:
    """Return how many rows are read at once: whole blocks where these fit a share of the cache."""
    row_bytes = band.XSize * gdal.GetDataTypeSize(band.DataType) // 8
    rows: int = max(1, min(band.YSize, gdal.GetCacheMax() // STRIP_SHARE // row_bytes))
    block_rows: int = band.GetBlockSize()[1]
    return rows - rows % block_rows if rows >= block_rows else rows


def read_pixels(source: Any) -> tuple[list[dict[str, Any]], str | None]:
    """Return the facts of each band's pixels, and the sha256 of a mask that is none of a band.

    Hashes are over full rows from the top, so that they do not depend on blocks.
    """
    bands = [source.GetRasterBand(number + 1) for number in range(source.RasterCount)]
    readings = [BandReading(band) for band in bands]
    flags = bands[0].GetMaskFlags()
    has_mask = flags & gdal.GMF_PER_DATASET and not flags & (gdal.GMF_ALPHA | gdal.GMF_NODATA)
    mask = hashlib.sha256()
    rows = min(map(strip_rows, bands))
    for top in range(0, source.RasterYSize, rows):
        height = min(rows, source.RasterYSize - top)
        for reading in readings:
            reading.add(top, height)
        if has_mask:
            mask.update(
                bands[0].GetMaskBand().ReadRaster(0, top, source.RasterXSize, height) or b""
            )
        if has_failed():
            break
    return [reading.facts() for reading in readings], mask.hexdigest() if has_mask else None


def describe(source: Any, path: str, open_options: list[str], with_pixels: bool) -> dict[str, Any]:
    """Return the facts about an open raster."""
    srs = source.GetSpatialRef()
    geotransform = source.GetGeoTransform(can_return_null=True)
    crs = None if is_local(srs) else describe_crs(srs)
    description = {
        "driver": source.GetDriver().ShortName,
        "width": source.RasterXSize,
        "height": source.RasterYSize,
        "geotransform": list(geotransform) if geotransform else None,
        "crs": crs,
        "crs_beside": None if crs else crs_beside(path),
        "gcps": source.GetGCPCount(),
        "has_rpc": bool(source.GetMetadata_Dict("RPC")),
        "has_geolocation": bool(source.GetMetadata_Dict("GEOLOCATION")),
        "metadata": source.GetMetadata_Dict(),
        "structure": source.GetMetadata_Dict("IMAGE_STRUCTURE"),
        "domains": source.GetMetadataDomainList() or [],
        "subdatasets": len(source.GetSubDatasets()),
        "files": source.GetFileList() or [],
        "open_options": open_options,
        "mask_sha256": None,
        "bands": [
            describe_band(source.GetRasterBand(number + 1)) for number in range(source.RasterCount)
        ],
    }
    if with_pixels and source.RasterCount and not has_failed():
        facts, description["mask_sha256"] = read_pixels(source)
        for band, pixels in zip(description["bands"], facts, strict=True):
            band["pixels"] = pixels
    return description


def main(path: str, drivers: str, what: str, *open_options: str) -> None:
    """Print the description of the raster at `path`, read by one of `drivers`."""
    gdal.PushErrorHandler(collect_problem)
    gdal.DontUseExceptions()
    osr.DontUseExceptions()
    source = gdal.OpenEx(
        path, gdal.OF_RASTER | gdal.OF_READONLY, allowed_drivers=drivers.split(","),
        open_options=list(open_options),
    )  # fmt: skip
    found = None
    if source is not None:
        found = describe(source, path, list(open_options), what == "pixels")
    print(json.dumps({"raster": found, "problems": PROBLEMS}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
