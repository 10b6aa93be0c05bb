"""`make bench`: the service beside what people would use instead, on the same data in one run.

Absolute times mean nothing on a shared machine: everything is a ratio of runs taken in turn.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.benchmarks.latency import time_small_drops
from tests.benchmarks.many import SHARED, time_many_drops
from tests.benchmarks.raster import race_raster
from tests.benchmarks.report import (
    MIB,
    Figure,
    figures_table,
    machine,
    plot_growth,
    ratios,
    seconds_table,
    spread,
)
from tests.benchmarks.service import Answer, BenchService, bench_service
from tests.benchmarks.vector import grow, race_formats, race_geojson

DOCS = Path(__file__).parents[2] / "docs"
MILLION = 1_000_000
RASTER_SIDE = 10_000
SMALL_DROPS = 10
LARGEST_ONCE = 10 * MILLION
MAX_MEMORY_MIB = 400
GROWTH_FREE_GIB = 60
"""The 45 that the service wants free for its largest drop, and what lies in the store by then."""

Found = tuple[list[Figure], list[str]]


def main() -> int:
    """Measure what is asked for and print the report; a whole run also writes it to docs."""
    asked = _arguments()
    if "growth" in asked.only:
        _refuse_small_disk()
    figures: list[Figure] = []
    details: list[str] = []
    with bench_service() as service, tempfile.TemporaryDirectory() as folder:
        for name, measure in MEASURES.items():
            if name in asked.only:
                found, said = measure(service, Path(folder), asked)
                print("\n".join([*figures_table(found), "", *said]), flush=True)
                figures += found
                details += said
    if set(asked.only) == set(MEASURES) and asked.rows == MILLION:
        (DOCS / "benchmarks.md").write_text("\n".join(_document(figures, details)) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--rows", type=int, default=MILLION, help="buildings of a race")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def _refuse_small_disk() -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / 1024**3
    if free < GROWTH_FREE_GIB:
        sys.exit(
            f"growth: expected {GROWTH_FREE_GIB} GiB free in {folder}, found {free:.1f}: its "
            "largest drop would wait for room. Free space, or leave growth out with --only."
        )


def _formats(service: BenchService, folder: Path, asked: argparse.Namespace) -> Found:
    figures, details = [], []
    for race in race_formats(service, folder, asked.rows, asked.repeats):
        own = [answer.seconds for answer in race.answers]
        work = f"{asked.rows:,} buildings, {race.name}, {race.size_bytes / MIB:.0f} MiB"
        figures += [
            Figure("P1", f"{work}: service / DuckDB", ratios(own, race.rivals["duckdb"]), 1.5),
            Figure(
                "P1", f"{work}: plain way / service", ratios(race.rivals["plain"], own), 3,
                is_least=True,
            ),
            Figure(
                "P8", f"{work}: fidelity ledger / run", list(map(_measured, race.answers)), 0.15
            ),
        ]  # fmt: skip
        details += seconds_table(work, race.answers, **race.rivals)
    return figures, details


def _measured(answer: Answer) -> float:
    """Return the share of a run that the fidelity ledger took."""
    spent = sum(seconds for part, seconds in answer.parts.items() if part.endswith(": measure"))
    return spent / answer.seconds


def _geojson(service: BenchService, folder: Path, asked: argparse.Namespace) -> Found:
    race = race_geojson(service, folder, asked.rows, asked.repeats)
    own = [answer.seconds for answer in race.answers]
    work = f"{asked.rows:,} buildings, .geojson, {race.size_bytes / MIB:.0f} MiB"
    figure = Figure(
        "P2", f"{work}: service / plain load", ratios(own, race.rivals["plain load"]), 0.6
    )
    return [figure], seconds_table(work, race.answers, plain_load=race.rivals["plain load"])


def _latency(service: BenchService, folder: Path, _asked: argparse.Namespace) -> Found:
    answers, empties = time_small_drops(service, folder, SMALL_DROPS)
    found = ratios([answer.seconds for answer in answers], empties)
    figures = [
        Figure("P3", "1,000 points: drop -> published / empty job", found, 1.5),
        Figure("P3", "the same, 95th percentile", [float(np.percentile(found, 95))], 2),
    ]
    more = [answer.seconds - empty for answer, empty in zip(answers, empties, strict=True)]
    work = "1,000 points, idle stack"
    return figures, seconds_table(work, answers, empty_job=empties, difference=more)


def _many(service: BenchService, folder: Path, asked: argparse.Namespace) -> Found:
    alone, shared = time_many_drops(service, folder, asked.repeats)
    work = f"{SHARED} manifests of 100 points at once: sharing runs / a run each"
    details = [
        f"### {SHARED} manifests of 100 points at once",
        "",
        "| | manifests a minute: median (min to max) |",
        "|---|---|",
        f"| sharing runs | {spread(shared)} |",
        f"| *a run each* | {spread(alone)} |",
        "",
    ]
    return [Figure("P4", work, ratios(shared, alone), 10, is_least=True)], details


def _growth(service: BenchService, folder: Path, asked: argparse.Namespace) -> Found:
    sizes = {n: asked.repeats for n in (10_000, 100_000, MILLION)} | {LARGEST_ONCE: 1}
    growth = grow(service, folder, sizes)
    plot_growth(growth, DOCS / "benchmarks")
    points = [(n, answer.seconds) for n, grown in growth.items() for answer in grown.answers]
    exponent = float(np.polyfit(*np.log(np.array(points)).T, 1)[0])
    memory = [
        Figure(
            "P5", f"{n:,} buildings: peak memory of a run",
            [peak / MIB for peak in grown.peak_bytes], MAX_MEMORY_MIB, unit=" MiB",
        )
        for n, grown in growth.items()
    ]  # fmt: skip
    work = "10,000 to 10,000,000 buildings: exponent of the time"
    details = [
        line
        for n, grown in growth.items()
        for line in seconds_table(f"{n:,} buildings, .fgb", grown.answers)
    ]
    return [*memory, Figure("P6", work, [exponent], 1.05)], details


def _raster(service: BenchService, folder: Path, asked: argparse.Namespace) -> Found:
    answers, plain = race_raster(service, folder, RASTER_SIDE, asked.repeats)
    work = f"{RASTER_SIDE:,} x {RASTER_SIDE:,} UInt16"
    own = [answer.seconds for answer in answers]
    figure = Figure("P7", f"{work}: service / gdal_translate", ratios(own, plain), 1.1)
    return [figure], seconds_table(work, answers, gdal_translate=plain)


MEASURES: dict[str, Callable[[BenchService, Path, argparse.Namespace], Found]] = {
    "formats": _formats,
    "geojson": _geojson,
    "latency": _latency,
    "many": _many,
    "growth": _growth,
    "raster": _raster,
}


def _document(figures: list[Figure], details: list[str]) -> list[str]:
    return [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}. Service and rival "
        "ran in turn on one machine; what counts is their ratio, sample by sample.",
        "",
        *figures_table(figures),
        "",
        "![seconds over features](benchmarks/seconds.svg)",
        "![memory over features](benchmarks/memory.svg)",
        "",
        "## Where the seconds go",
        "",
        *details,
    ]


if __name__ == "__main__":
    sys.exit(main())
