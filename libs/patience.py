"""Waiting out an outage: a call to a server that does not answer is made again until it does.

Who is asked for patience says for how long: a run waits, since its work is worth more than a
minute; a look at the landing zone and a command do not, since they are repeated anyway.

What belongs here: the loop and its pauses. What does not: which error tells of an outage (the edges
name it `*.unavailable`), calls that must not be made twice (there are none: each query of the
ledger may be repeated).
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from libs.models.errors import TransientError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class HasPatience(Protocol):
    """A client that waits `patience_s` seconds for its server to come back."""

    @property
    def patience_s(self) -> float:
        """Seconds."""


SelfT = TypeVar("SelfT", bound=HasPatience)
P = ParamSpec("P")
T = TypeVar("T")


def is_outage(error: Exception) -> bool:
    """Return whether an error says that a server did not answer, and not what it answered."""
    return isinstance(error, TransientError) and error.reason.code.endswith(".unavailable")


@contextmanager
def holding_up_nobody(what: str) -> Iterator[None]:
    """Let a look go on behind `what` where a server refuses to take part in it.

    It is tried again at the next look. A server that does not answer at all ends the look.
    """
    try:
        yield
    except TransientError as err:
        if is_outage(err):
            raise
        logger.warning("%s has to wait for the next look: %s", what, err)


def wait_out(call: Callable[[], T], patience_s: float) -> T:
    """Return what `call` returns, made again while its server does not answer.

    Raises the last error once `patience_s` seconds have passed, and any other error at once.
    """
    until = time.monotonic() + patience_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return call()
        except TransientError as err:
            left_s = until - time.monotonic()
            if left_s <= 0 or not is_outage(err):
                raise
            logger.warning("waiting for %.0f s more at the longest: %s", left_s, err)
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def patient(
    method: Callable[Concatenate[SelfT, P], T],
) -> Callable[Concatenate[SelfT, P], T]:
    """Let a method of a client wait out an outage of its server."""

    @wraps(method)
    def patiently(self: SelfT, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return wait_out(lambda: method(self, *args, **kwargs), self.patience_s)

    return patiently
