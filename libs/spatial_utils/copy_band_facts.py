"""Copy what a raster says about its bands: a program for the Python with GDAL's bindings.

Run as `python3 copy_band_facts.py SOURCE DRIVER TARGET` in a child process of its own. gdalwarp
leaves names, units and metadata of bands behind where it adds an alpha band.

What belongs here: the copy, band by band. What does not: deciding when it is needed
(`libs.spatial_utils.cog`).
"""

import sys

from osgeo import gdal


def main(source_path: str, driver: str, target_path: str) -> None:
    """Copy the facts; bands beyond the source's are left as they are."""
    gdal.UseExceptions()
    source = gdal.OpenEx(source_path, gdal.OF_RASTER, allowed_drivers=[driver])
    target = gdal.OpenEx(target_path, gdal.OF_RASTER | gdal.OF_UPDATE, allowed_drivers=["GTiff"])
    for number in range(1, source.RasterCount + 1):
        before, after = source.GetRasterBand(number), target.GetRasterBand(number)
        after.SetDescription(before.GetDescription())
        after.SetUnitType(before.GetUnitType() or "")
        after.SetMetadata(before.GetMetadata_Dict())
    target.FlushCache()


if __name__ == "__main__":
    main(*sys.argv[1:])
