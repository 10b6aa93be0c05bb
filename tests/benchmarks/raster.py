"""P7: a raster of 16-bit pixels to a COG, beside gdal_translate with the same options."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from tests.benchmarks import rivals
from tests.benchmarks.service import Answer, BenchService

STRIP = 500


def race_raster(
    service: BenchService, folder: Path, side: int, repeats: int
) -> tuple[list[Answer], list[float]]:
    """Return the answers of the service, and the seconds of gdal_translate, taken in turn."""
    path = folder / "terrain.tif"
    write_terrain(path, side)
    uploaded = service.upload(path)
    file = {"path": uploaded, "type": "raster"}
    answers, plain = [], []
    for _ in range(repeats):
        answers.append(service.time_drop(uploaded, intent="ingest_raster", files=[file]))
        plain.append(rivals.time_gdal_translate(path, folder))
    path.unlink()
    return answers, plain


def write_terrain(path: Path, side: int, *, seed: int = 1) -> None:
    """Write hills with noise: side x side pixels of UInt16, in EPSG:32633."""
    random = np.random.default_rng(seed)
    x = np.linspace(0, 40, side)
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint16",
        crs="EPSG:32633", transform=from_origin(380_000, 5_900_000, 10, 10), tiled=True,
    ) as target:  # fmt: skip
        for row in range(0, side, STRIP):
            rows = min(STRIP, side - row)
            y = np.linspace(0, 40, side)[row : row + rows, None]
            hills = 2000 + 900 * np.sin(x) * np.cos(y) + random.normal(0, 3, (rows, side))
            target.write(hills.astype(np.uint16), 1, window=Window(0, row, side, rows))
