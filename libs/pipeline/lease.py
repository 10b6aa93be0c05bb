"""The heartbeat of an attempt: its lease on the drop, renewed while the run works.

A lease tells others that somebody is at work; it does not guard what is published. That is the
fence's part (`Ledger.begin_publishing`, by the attempt's number): a run that cannot renew its lease
goes on, since nobody can take its drop while the ledger does not answer either, and learns at the
fence, or at the next renewal, whether somebody did when the ledger came back. All times are the
ledger server's, so the clocks of the machines need not agree.

What belongs here: the thread that renews, and what it found. What does not: what follows when a
lease runs out (`libs.pipeline.attempts`).
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from libs.ledger.ledger import Ledger
from libs.models.errors import LedgerError, SupersededError

logger = logging.getLogger(__name__)

BEATS_PER_LEASE = 4


class Lease:
    """An attempt's hold on a drop; `lost` is the reason once another attempt has the drop."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.lost: SupersededError | None = None
        self._on_lost = on_lost
        self._is_given_back = threading.Event()
        self._telling = threading.Lock()

    def keep(self, ledger: Ledger, drop_id: str, attempt: int, lease_s: float) -> None:
        """Renew the lease until it is given back or lost."""
        while not self._is_given_back.wait(lease_s / BEATS_PER_LEASE):
            try:
                ledger.renew_lease(drop_id, attempt, lease_s)
            except SupersededError as err:
                with self._telling:
                    if not self._is_given_back.is_set():
                        self.lost = err
                        self._on_lost()
                return
            except LedgerError as err:
                logger.warning("could not renew the lease on drop %s: %s", drop_id[:12], err)

    def give_back(self) -> None:
        """Stop renewing; what is lost from now on is nobody's concern, and nobody is told."""
        with self._telling:
            self._is_given_back.set()


@contextmanager
def hold(
    ledger: Ledger, drop_id: str, attempt: int, *, lease_s: float, on_lost: Callable[[], None]
) -> Iterator[Lease]:
    """Hold the lease of an attempt that has begun, from a thread of its own.

    `on_lost` is called in that thread once another attempt has the drop, or an answer was given.
    """
    lease = Lease(on_lost)
    keeper = threading.Thread(
        target=lease.keep,
        args=(ledger, drop_id, attempt, lease_s),
        name=f"lease {drop_id[:12]}:{attempt}",
        daemon=True,
    )
    keeper.start()
    try:
        yield lease
    finally:
        lease.give_back()
