"""Building footprints that look like a city's: generated, the same ones for the same seed.

What belongs here: the data of the benchmarks. What does not: measuring.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

CRS = "EPSG:32633"
CHUNK_ROWS = 100_000
DRIVERS = {".fgb": "FlatGeobuf", ".gpkg": "GPKG", ".geojson": "GeoJSON"}
_ORIGIN = np.array([380_000.0, 5_800_000.0])
_SPACING_M = 25.0
_USES = np.array(["residential", "garage", "retail", "school", "warehouse", "church"])
# Corners of an L, a T and a rectangle on a unit square; a rectangle has its corners halved.
_OUTLINES = np.array(
    [
        [[0, 0], [1, 0], [1, 0.4], [0.5, 0.4], [0.5, 1], [0, 1], [0, 0.5], [0, 0]],
        [[0, 0], [1, 0], [1, 0.3], [0.7, 0.3], [0.7, 1], [0.3, 1], [0.3, 0.3], [0, 0]],
        [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0]],
    ]
)


def write_footprints(path: Path, rows: int, *, seed: int = 1) -> None:
    """Write `rows` footprints in `CRS`, with six attributes; the suffix names the format."""
    reader = pa.RecordBatchReader.from_batches(_SCHEMA, _batches(rows, seed))
    pyogrio.write_arrow(
        reader,
        path,
        driver=DRIVERS[path.suffix],
        layer="footprints",
        geometry_name="geometry",
        geometry_type="Polygon",
        crs=CRS,
    )


_SCHEMA = pa.schema(
    {
        "building_id": pa.int64(),
        "municipality": pa.string(),
        "use": pa.string(),
        "levels": pa.int32(),
        "height_m": pa.float64(),
        "surveyed": pa.date32(),
        "geometry": pa.binary(),
    }
)


def _batches(rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(rows)))
    for begin in range(0, rows, CHUNK_ROWS):
        numbers = np.arange(begin, min(begin + CHUNK_ROWS, rows))
        count = len(numbers)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(numbers),
                pa.array(np.char.zfill((numbers % 16_000).astype(str), 5).tolist()),
                pa.array(random.choice(_USES, count).tolist()),
                pa.array(random.integers(1, 30, count).astype(np.int32)),
                pa.array(random.gamma(3, 4, count)),
                pa.array(random.integers(0, 20_000, count).astype(np.int32)).cast(pa.date32()),
                pa.array(shapely.to_wkb(_polygons(random, numbers, columns)), pa.binary()),
            ],
            schema=_SCHEMA,
        )


def _polygons(random: np.random.Generator, numbers: np.ndarray, columns: int) -> np.ndarray:
    count = len(numbers)
    outlines = _OUTLINES[random.integers(0, len(_OUTLINES), count)]
    sizes = random.uniform(5, 12, (count, 1, 2))
    angles = random.uniform(0, np.pi / 2, count)
    turn = np.stack(
        [np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], axis=1
    ).reshape(-1, 2, 2)
    places = _ORIGIN + _SPACING_M * np.stack([numbers % columns, numbers // columns], axis=1)
    corners = np.einsum("nij,nkj->nki", turn, outlines * sizes) + places[:, None, :]
    return shapely.polygons(corners)
