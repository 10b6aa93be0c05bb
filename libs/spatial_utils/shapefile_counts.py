"""How many shapes and how many records of attributes a shapefile claims.

GDAL reads the smaller number of both and says nothing.

What belongs here: these two headers (ESRI Shapefile Technical Description, 1998; dBASE III).
What does not: everything else about shapefiles, which is GDAL's.
"""

import struct
from pathlib import Path

HEADER_BYTES, ENTRY_BYTES = 100, 8
RECORDS = struct.Struct("<4xL")


def shapes_and_records(path: Path) -> tuple[int, int] | None:
    """Return the numbers in the index and in the table beside the .shp at `path`.

    None where it is no .shp, or where one of both is not there or has no header.
    """
    shx, dbf = path.with_suffix(".shx"), path.with_suffix(".dbf")
    if path.suffix != ".shp" or not (shx.exists() and dbf.exists()):
        return None
    index_bytes = shx.stat().st_size - HEADER_BYTES
    with dbf.open("rb") as file:
        head = file.read(RECORDS.size)
    if index_bytes < 0 or len(head) < RECORDS.size:
        return None
    (records,) = RECORDS.unpack(head)
    return index_bytes // ENTRY_BYTES, records
