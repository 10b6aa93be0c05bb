"""Dagster's run queue, looked at as soon as the daemon puts a run into it.

Dagster looks at its queue every second: half a second, on average, of a small drop's time.

What belongs here: looking at once. What does not: which runs may leave the queue (`dagster.yaml`).
"""

import threading
import time
from typing import Any

from dagster import DagsterRun
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._daemon.daemon import DaemonIterator
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

ROUND_S = 1
_submitted = threading.Event()


class PromptRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, which tells the daemon of its process about each run that comes."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Put a run into the queue."""
        run = super().submit_run(context)
        _submitted.set()
        return run


class PromptQueueDaemon(QueuedRunCoordinatorDaemon):
    """Dagster's daemon of the queue; runs that other processes submit wait for its next round."""

    def run_iteration(self, *args: Any, **kwargs: Any) -> DaemonIterator:
        """Start the runs that may leave the queue, and for a round those that come."""
        until = time.monotonic() + ROUND_S
        _submitted.clear()
        yield from super().run_iteration(*args, **kwargs)
        while _submitted.wait(max(0.0, until - time.monotonic())):
            _submitted.clear()
            yield from super().run_iteration(*args, **kwargs)
