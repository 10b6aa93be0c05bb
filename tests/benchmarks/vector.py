"""P1, P2, P5, P6 and P8: building footprints through the service and through its rivals.

What belongs here: what is measured of vector data. What does not: the rivals (`rivals`).
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import rivals
from tests.benchmarks.footprints import CRS, write_footprints
from tests.benchmarks.service import Answer, BenchService, MemorySampler

FORMATS = (".fgb", ".gpkg")


@dataclass(frozen=True)
class Race:
    """The service and its rivals on one file, each as often as the others and in turn."""

    name: str
    size_bytes: int
    answers: list[Answer]
    rivals: dict[str, list[float]]


def race_formats(service: BenchService, folder: Path, rows: int, repeats: int) -> list[Race]:
    """Race FlatGeobuf and GeoPackage against DuckDB and against the plain way."""
    races = []
    for suffix in FORMATS:
        path = folder / f"footprints{suffix}"
        write_footprints(path, rows)
        uploaded = service.upload(path)
        race = Race(suffix, path.stat().st_size, [], {"duckdb": [], "plain": []})
        for _ in range(repeats):
            race.answers.append(service.time_drop(uploaded))
            race.rivals["duckdb"].append(rivals.time_duckdb(path, CRS, folder))
            race.rivals["plain"].append(rivals.time_plain(path, service.env, folder))
        path.unlink()
        races.append(race)
    return races


def race_geojson(service: BenchService, folder: Path, rows: int, repeats: int) -> Race:
    """Race GeoJSON against a plain load of it into PostGIS."""
    source, path = folder / "source.fgb", folder / "footprints.geojson"
    write_footprints(source, rows)
    subprocess.run(
        ["ogr2ogr", "-f", "GeoJSON", "-t_srs", "EPSG:4326", "-lco", "COORDINATE_PRECISION=12",
         str(path), str(source)],
        check=True,
    )  # fmt: skip
    source.unlink()
    uploaded = service.upload(path)
    race = Race(".geojson", path.stat().st_size, [], {"plain load": []})
    for _ in range(repeats):
        race.answers.append(service.time_drop(uploaded))
        race.rivals["plain load"].append(rivals.time_plain_load(path, service.env))
    path.unlink()
    return race


@dataclass(frozen=True)
class Growth:
    """What one number of rows took: an answer a drop, and the peak memory of its run."""

    answers: list[Answer]
    peak_bytes: list[int]


def grow(service: BenchService, folder: Path, sizes: dict[int, int]) -> dict[int, Growth]:
    """Publish FlatGeobufs of growing numbers of rows, each as often as `sizes` says."""
    growth: dict[int, Growth] = {}
    for rows, repeats in sizes.items():
        path = folder / "footprints.fgb"
        write_footprints(path, rows)
        uploaded = service.upload(path)
        path.unlink()
        growth[rows] = Growth([], [])
        for _ in range(repeats):
            with MemorySampler(service.processes) as memory:
                growth[rows].answers.append(service.time_drop(uploaded))
            growth[rows].peak_bytes.append(memory.peak_bytes)
    return growth
