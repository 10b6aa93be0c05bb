"""Is a run over? Only with proof, since what it left is then deleted.

A run is over where its process is gone from this machine. Of a process that cannot be seen from
here (another machine, another container) only its lease tells: the run is over once that ran out
`ServiceSettings.reap_after_s` ago by the ledger server's clock. A process that lives, even a
stopped one, is never over: it cleans up after itself when it wakes.

What belongs here: the verdict on a run. What does not: deleting (`libs.pipeline.reaping`).
"""

from dataclasses import dataclass
from datetime import timedelta

from libs.ledger.records import AttemptRecord
from libs.models.owner import RunMark
from libs.pipeline.workbench import Clients


@dataclass(frozen=True)
class Verdict:
    """Whether a run is over, and how that is known."""

    is_over: bool
    why: str


def judge(clients: Clients, run_id: str, mark: RunMark | None = None) -> Verdict:
    """Return the verdict on a run, from the ledger and the mark it left, if it left one."""
    if mark is not None and mark.ledger != clients.ledger.identity:
        return Verdict(False, "it belongs to the service of another ledger")
    attempt = _attempt_of(clients, run_id)
    if attempt is not None and attempt.owner is not None and attempt.lease_expires_at is not None:
        owner, last_sign = attempt.owner, attempt.lease_expires_at
    elif mark is not None:
        owner, last_sign = mark.owner, mark.made_at
    else:
        return Verdict(False, "nothing tells whose it is")
    standing = owner.standing()
    if standing != "elsewhere":
        return Verdict(standing == "gone", f"{owner} is {standing}")
    over_from = last_sign + timedelta(seconds=clients.settings.reap_after_s)
    if clients.ledger.server_time() < over_from:
        return Verdict(False, f"{owner} cannot be seen from here and may live")
    return Verdict(True, f"{owner} has given no sign of life since {last_sign:%Y-%m-%d %H:%M:%S}Z")


def _attempt_of(clients: Clients, run_id: str) -> AttemptRecord | None:
    drop = clients.ledger.find_by_run(run_id)
    if drop is None:
        return None
    return next(attempt for attempt in drop.attempts if attempt.run_id == run_id)
