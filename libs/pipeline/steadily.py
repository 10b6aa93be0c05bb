"""A phase that works in PostGIS, steadily: where PostGIS was lost, its work is done again.

Nothing in PostGIS is the only copy of anything, so the run starts over from the drop's files, in
the same attempt: its folder is emptied, since files there were mended in place, and the phases
before this one are done again.

What belongs here: noticing the loss and doing again. What does not: how the loss is known
(`libs.compute.scratch`), a new attempt (`libs.pipeline.attempts`).
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from libs.models.errors import ComputeError
from libs.pipeline.check import check
from libs.pipeline.fetch import fetch
from libs.pipeline.load import load
from libs.pipeline.state import Fetched, Loaded, Transformed
from libs.pipeline.transform import transform
from libs.pipeline.workbench import Workbench

logger = logging.getLogger(__name__)

# Each time anew: data that brings PostGIS down must not do so for ever.
STARTS = 3

BeforeT = TypeVar("BeforeT")
AfterT = TypeVar("AfterT")


def steadily(
    bench: Workbench, phase: Callable[[Workbench, BeforeT], AfterT], before: BeforeT
) -> AfterT:
    """Return what `phase` makes of `before`, or of the same made anew where PostGIS was lost.

    Raises what the phase raises while PostGIS kept what it held, and `ComputeError` where it was
    lost every time, or stays away.
    """
    start = 0
    while True:
        start += 1
        cause: Exception | None = None
        try:
            after = phase(bench, before if start == 1 else _remade(bench, before))
        except Exception as err:
            if bench.scratch.is_intact():
                raise
            cause = err
        else:
            if bench.scratch.is_intact():
                return after
        lost = ComputeError(
            "compute.unavailable",
            f"expected PostGIS to keep what phase {phase.__name__} needs, found that it ended "
            f"{start} times meanwhile.",
            remedy="See PostGIS' log and check it with `spatial-etl doctor`; the drop is tried "
            "again.",
        )
        if start == STARTS:
            raise lost from cause
        logger.warning("the run starts over from its files: %s", lost, exc_info=cause)
        bench.start_over()


def _remade(bench: Workbench, before: Any) -> Any:
    """Do all phases again that led to `before`."""
    if isinstance(before, Fetched):
        return fetch(bench, before.intake)
    if isinstance(before, Loaded):
        return load(bench, _remade(bench, before.fetched))
    if isinstance(before, Transformed):
        return transform(bench, _remade(bench, before.loaded))
    return check(bench, _remade(bench, before.transformed))
