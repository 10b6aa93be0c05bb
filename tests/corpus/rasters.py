"""Is a published COG what the source raster holds? Read with rasterio's own GDAL.

What belongs here: pixels and their description. What does not: vectors (`comparison`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from tests.corpus.comparison import Difference
from tests.corpus.independent import NotReadError

if TYPE_CHECKING:
    from tests.corpus.comparer import TableOrder


def raster_differences(source: Path, order: "TableOrder") -> list[Difference]:
    """Return what differs; where the raster was warped, its bands only."""
    if "!/" in str(source):
        raise NotReadError("a raster in an archive")
    try:
        with rasterio.open(source) as before, rasterio.open(order.published) as after:
            found = []
            facts = ["count", "dtypes"] if order.is_warped else ["count", "dtypes", "shape", "crs"]
            for fact in facts:
                left, right = getattr(before, fact), getattr(after, fact)
                if left != right and not (fact == "crs" and (left is None or order.crs)):
                    found.append(Difference(fact, f"{left} became {right}"))
            if not found and not order.is_warped:
                for band in before.indexes:
                    if not np.array_equal(
                        before.read(band), after.read(band), equal_nan=False
                    ) and (not np.array_equal(before.read(band), after.read(band), equal_nan=True)):
                        found.append(Difference("pixels", f"of band {band} changed"))
            return found
    except (RasterioError, TypeError) as err:
        raise NotReadError(str(err)) from err
