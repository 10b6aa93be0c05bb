"""Where the seconds of a phase go, by part.

What belongs here: adding up. What does not: which parts a phase has (`libs.pipeline.kinds`).
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

MEASURE = "measure"
"""The part of the fidelity ledger: taking the facts of a hop."""


class Stopwatch:
    """Seconds by part, since the last `take`."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time inside to `part`, however it ends."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds[part] += time.monotonic() - started

    def move(self, seconds: float, origin: str, part: str) -> None:
        """Give `seconds` of `origin` to `part`: what a child spent there on something else."""
        self._seconds[origin] -= seconds
        self._seconds[part] += seconds

    def take(self) -> dict[str, float]:
        """Return the seconds of each part, to the millisecond, and begin anew."""
        taken = {part: round(seconds, 3) for part, seconds in self._seconds.items()}
        self._seconds.clear()
        return taken
