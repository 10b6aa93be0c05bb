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
            facts = ["count"] if order.is_warped else ["count", "shape"]
            # An ASCII grid names no type: GDAL reads single precision, the service every digit.
            is_text = before.driver == "AAIGrid"
            facts += [] if is_text else ["dtypes"] if order.is_warped else ["dtypes", "crs"]
            for fact in facts:
                left, right = getattr(before, fact), getattr(after, fact)
                if left != right and not (fact == "crs" and (left is None or order.crs)):
                    found.append(Difference(fact, f"{left} became {right}"))
            if not found and not order.is_warped:
                for band in before.indexes:
                    if not _are_equal(before.read(band), after.read(band), is_text=is_text):
                        found.append(Difference("pixels", f"of band {band} changed"))
            return found
    except (RasterioError, TypeError) as err:
        raise NotReadError(str(err)) from err


def _are_equal(left: np.ndarray, right: np.ndarray, *, is_text: bool) -> bool:
    if is_text:
        return np.array_equal(left, right.astype(left.dtype), equal_nan=left.dtype.kind == "f")
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")
