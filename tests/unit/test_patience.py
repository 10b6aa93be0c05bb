"""Waiting for a server that does not answer, and knowing a full disk."""

import errno
from collections.abc import Callable

import pytest

from libs import patience
from libs.disk_full import is_disk_full
from libs.models.errors import LedgerError, SpatialEtlError, StorageError
from libs.patience import wait_out

AWAY = LedgerError("ledger.unavailable", "expected an answer, found none.", remedy="Wait.")
DENIED = StorageError("storage.denied", "expected leave, found none.", remedy="Give it.")


def failing(*errors: SpatialEtlError) -> Callable[[], str]:
    """Return a call that raises `errors` one after another, and then answers."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return call


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)


def test_an_outage_that_ends_in_time_is_waited_out() -> None:
    assert wait_out(failing(AWAY, AWAY), 5) == "answer"


@pytest.mark.parametrize(("error", "patience_s"), [(AWAY, 0), (DENIED, 5)])
def test_no_patience_and_no_outage_are_errors_at_once(
    error: SpatialEtlError, patience_s: float
) -> None:
    with pytest.raises(type(error)):
        wait_out(failing(error), patience_s)


def test_an_outage_that_stays_is_an_error_when_patience_ends() -> None:
    with pytest.raises(LedgerError):
        wait_out(failing(*[AWAY] * 100), 0.05)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EACCES, "x"), False),
        ('could not extend file "base/1/2": No space left on device', True),
        ("ERROR 3: Failed to write: disk quota exceeded", True),
        ("no room for this geometry", False),
    ],
)
def test_a_full_disk_is_known_by_its_names(found: str | OSError, expected: bool) -> None:
    assert is_disk_full(found) is expected
