"""The report of a benchmark: ratios beside what they should reach, seconds by hop, plots.

What belongs here: words and pictures. What does not: measuring.
"""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from tests.benchmarks.service import Answer
from tests.benchmarks.vector import Growth

MIB = 1024 * 1024


@dataclass(frozen=True)
class Figure:
    """One measured figure of a benchmark: its samples, and the most or the least it should be."""

    id: str
    work: str
    samples: Sequence[float]
    reach: float
    is_least: bool = False
    unit: str = ""

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def is_reached(self) -> bool:
        """Whether the median is what it should be."""
        return self.median >= self.reach if self.is_least else self.median <= self.reach

    @property
    def line(self) -> str:
        """The figure as a line of a table."""
        sign = "≥" if self.is_least else "≤"
        return (
            f"| {self.id} | {self.work} | {sign} {self.reach:g}{self.unit} | "
            f"{spread(self.samples)}{self.unit} | {'yes' if self.is_reached else '**no**'} |"
        )


def spread(samples: Sequence[float]) -> str:
    """Return the median with its extremes."""
    median = statistics.median(samples)
    return f"{median:.3g} ({min(samples):.3g} to {max(samples):.3g})"


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return each sample beside the one that was taken next to it."""
    return [a / b for a, b in zip(over, under, strict=True)]


def figures_table(figures: Sequence[Figure]) -> list[str]:
    """Return the table of figures, as Markdown."""
    head = [
        "| # | work | reach | measured: median (min to max) | reached |",
        "|---|---|---|---|---|",
    ]
    return [*head, *(figure.line for figure in figures)]


def seconds_table(title: str, answers: Sequence[Answer], **rivals: Sequence[float]) -> list[str]:
    """Return where the seconds of drops go: phases, their parts, and the rivals' seconds."""
    rows = [("drop -> published", [answer.seconds for answer in answers])]
    for phase in answers[0].phases:
        rows.append((phase, [answer.phases[phase] for answer in answers]))
        rows += [
            (f"&nbsp;&nbsp;{part}", [answer.parts.get(part, 0.0) for answer in answers])
            for part in answers[0].parts
            if part.startswith(f"{phase}: ")
        ]
    rows += [(f"*{name.replace('_', ' ')}*", list(seconds)) for name, seconds in rivals.items()]
    head = [f"### {title}", "", "| | seconds: median (min to max) |", "|---|---|"]
    return [*head, *(f"| {name} | {spread(samples)} |" for name, samples in rows), ""]


def machine() -> str:
    """Return the facts of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def plot_growth(growth: dict[int, Growth], folder: Path) -> None:
    """Write the plots of seconds and of memory over rows."""
    rows = list(growth)
    _plot(
        folder / "seconds.svg", rows, "seconds, drop to published",
        [statistics.median(answer.seconds for answer in growth[n].answers) for n in rows],
        is_log=True,
    )  # fmt: skip
    _plot(
        folder / "memory.svg", rows, "peak memory of a run's processes, MiB",
        [max(growth[n].peak_bytes) / MIB for n in rows], is_log=False,
    )  # fmt: skip


def _plot(path: Path, rows: list[int], label: str, values: list[float], *, is_log: bool) -> None:
    mpl.rcParams["svg.hashsalt"] = "spatial-etl"
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(rows, values, marker="o")
    axes.set_xscale("log")
    if is_log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("features")
    axes.set_ylabel(label)
    axes.grid(visible=True, alpha=0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
