"""Attempts at drops: opening them, noticing that one is over, trying again.

What belongs here: what follows from the state of an attempt's run, its lease and its process. What
does not: manifests at the door (`libs.pipeline.reception`), what a run does while it works.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Literal

from libs.ledger.ledger import now
from libs.ledger.records import AttemptRecord, DropRecord
from libs.models.errors import Reason, SupersededError
from libs.models.receipt import FINAL_STATUSES
from libs.models.version import Version
from libs.patience import holding_up_nobody
from libs.pipeline.admission import Gate
from libs.pipeline.answer import answer, answer_published, give_up, receipt_of
from libs.pipeline.recipe import RECIPE_VERSION
from libs.pipeline.workbench import Clients

RunState = Literal["active", "ended", "canceled"]
FindRun = Callable[[str, str | None], RunState | None]
AT_WORK = ("running", "publishing")
IN_HAND = ("queued", *AT_WORK)
# With the pauses between them, an hour for whoever mends what keeps runs from beginning.
MAX_UNSTARTED = 10
LONGEST_PAUSE_S = 600


@dataclass(frozen=True)
class RunOrder:
    """An attempt that should be run; starting it twice is prevented by its key.

    Orders with the same key are for one run.
    """

    drop_id: str
    attempt: int
    batch_id: str
    dataset_id: str
    shared_key: str | None = None

    @property
    def run_key(self) -> str:
        """`<drop id>:<attempt>`, where a run is shared that of its first drop."""
        return self.shared_key or run_key(self.drop_id, self.attempt)


@dataclass(frozen=True)
class Reconciled:
    """What reconciling gave: runs to start, and versions whose runs died before they said so."""

    orders: tuple[RunOrder, ...] = ()
    published: tuple[Version, ...] = ()


def reconcile(clients: Clients, find_run: FindRun) -> Reconciled:
    """Compare the attempts in hand with their runs, and end those that are over.

    `find_run` tells what became of a run, given its key and, where it began, its id; None where
    there is none.
    """
    orders, published = [], []
    find_run = cache(find_run)
    for drop in clients.ledger.with_status(*IN_HAND):
        run_id = drop.current.shown_run_id if drop.current else None
        state = find_run(_order(drop).run_key, run_id)
        if state is None and drop.status == "queued" and run_id is None:
            orders.append(_order(drop))
        elif state != "active" or drop.status in AT_WORK:
            with holding_up_nobody(f"drop {drop.id[:12]}"):
                version = _end_if_over(clients, drop, state)
                published += [version] if version else []
    return Reconciled(tuple(orders), tuple(published))


def open_attempts(clients: Clients) -> list[RunOrder]:
    """Open the attempts that are due, in order of arrival, as far as the gate lets them.

    Small drops share runs where more of them are due than may run.
    """
    gate = Gate(clients.settings, clients.ledger.with_status(*IN_HAND))
    orders: list[RunOrder] = []
    small: list[DropRecord] = []
    for drop in () if gate.is_closed else clients.ledger.in_order("received"):
        if not _is_due(clients, drop):
            continue
        if gate.is_closed_to(drop):
            break
        reason = gate.reason_to_wait(drop)
        if reason is not None:
            clients.ledger.hold(drop, reason)
            continue
        gate.admit(drop)
        if not gate.may_share(drop):
            orders += _open(clients, [drop])
        else:
            small.append(drop)
    for shared in gate.shares(small):
        orders += _open(clients, shared)
    return orders


def _open(clients: Clients, drops: Sequence[DropRecord]) -> list[RunOrder]:
    """Open the next attempts of drops that share a run; its key is that of the first."""
    orders: list[RunOrder] = []
    for drop in drops:
        shared_key = None
        if len(drops) > 1:
            shared_key = orders[0].run_key if orders else run_key(drop.id, drop.attempt + 1)
        number = clients.ledger.open_attempt(drop, shared_key=shared_key)
        if number is not None:
            orders.append(
                RunOrder(drop.id, number, drop.batch_id or "", drop.dataset_id or "", shared_key)
            )
    return orders


def run_key(drop_id: str, attempt: int) -> str:
    """Return the key of an attempt's run, by which Dagster starts it once."""
    return f"{drop_id}:{attempt}"


def take_again(
    clients: Clients,
    drop_id: str,
    attempt: int,
    run_id: str,
    *,
    dagster_run_id: str | None = None,
) -> int | None:
    """Open a new attempt for run `run_id`, which a user made from the run of `attempt`.

    `dagster_run_id` is Dagster's, which other drops may share. Returns the number of the attempt
    that the run may begin; None where the drop is published already, so that there is nothing to
    do. Raises `SupersededError` while another attempt has the drop in hand.
    """
    drop = clients.ledger.get(drop_id)
    if drop is not None and drop.status in {"published", "unchanged"}:
        return None
    if drop is not None and drop.status == "queued" and drop.attempt == attempt:
        return attempt
    if drop is not None and drop.status in FINAL_STATUSES:
        more = clients.settings.max_attempts
        clients.ledger.reopen(drop, drop.delivery, more_attempts=more, recipe=RECIPE_VERSION)
        drop = clients.ledger.get(drop_id)
    number = (
        clients.ledger.open_attempt(drop, run_id=run_id, dagster_run_id=dagster_run_id)
        if drop is not None and drop.status == "received"
        else None
    )
    if number is None:
        found = f"attempt {drop.attempt}, {drop.status}" if drop else "no such drop"
        raise SupersededError(
            "attempt.superseded",
            f"expected drop {drop_id[:12]} to have an answer or to wait, found {found}.",
            remedy="Wait for the answer of the attempt that works on the drop.",
        )
    return number


def give_back(clients: Clients, attempts: Sequence[tuple[str, int]]) -> None:
    """Let drops have another run whose attempts wait behind one that takes long in theirs."""
    for drop_id, number in attempts:
        with holding_up_nobody(f"drop {drop_id[:12]}"):
            drop = clients.ledger.get(drop_id)
            if drop is not None and drop.status == "queued" and drop.attempt == number:
                clients.ledger.release(drop, _given_back(drop), has_begun=False)


def _given_back(drop: DropRecord) -> Reason:
    return Reason(
        code="attempt.given_back",
        message=f"expected attempt {drop.attempt} to begin soon, found it behind a drop of the "
        "same run that takes long.",
        remedy="Nothing to do: the drop gets another run.",
    )


def is_over(clients: Clients, attempt: AttemptRecord | None, state: RunState | None) -> bool:
    """Return whether nobody works on an attempt that began.

    Its lease says so, by the ledger server's clock. Before it runs out: a run that has ended, or
    that nobody knows, is over as soon as its process is gone; one that lives on, because its code
    server was killed alone, may finish.
    """
    if attempt is None or attempt.lease_expires_at is None or attempt.owner is None:
        return state != "active"
    if attempt.lease_expires_at <= clients.ledger.server_time():
        return True
    return state != "active" and attempt.owner.standing() == "gone"


def end_lost_attempt(clients: Clients, drop: DropRecord) -> Version | None:
    """Let a drop whose attempt is over wait for the next one, or answer it with the last.

    Returns the version that the attempt published all the same. An attempt that never began costs
    the drop none, so that an overloaded machine does not use them up; but not for ever.
    """
    version = give_up(clients, drop)
    if version is not None:
        answer_published(clients, drop.id, version)
        return version
    attempt = drop.current
    run_id = attempt.run_id if attempt else None
    has_begun = attempt is not None and attempt.started_at is not None
    reason = _lost(drop) if has_begun else _never_began(drop)
    has_more = drop.attempt < drop.attempt_limit
    if has_more if has_begun else drop.unstarted + 1 < MAX_UNSTARTED:
        clients.ledger.release(drop, reason, run_id=run_id, has_begun=has_begun)
    else:
        answer(clients, drop, receipt_of(clients, drop, "failed", reason=reason))
    return None


def _lost(drop: DropRecord) -> Reason:
    return Reason(
        code="attempt.lost",
        message=f"expected attempt {drop.attempt} to give an answer, found its run over without "
        "one.",
        remedy="See the run's log in the webserver; drop the manifest again once it is mended.",
    )


def _never_began(drop: DropRecord) -> Reason:
    return Reason(
        code="attempt.never_began",
        message=f"expected the run of attempt {drop.attempt} to begin, found it over before that, "
        f"as {drop.unstarted} in a row before it.",
        remedy="Check the code server and how busy its machine is, with `spatial-etl doctor` and "
        "the run's events in the webserver; then drop the manifest again.",
    )


def _end_if_over(clients: Clients, seen: DropRecord, state: RunState | None) -> Version | None:
    """End the attempt where it is over; return the version that it published all the same."""
    drop = clients.ledger.get(seen.id)
    if drop is None or drop.attempt != seen.attempt or drop.status not in IN_HAND:
        return None
    is_canceled = state == "canceled"
    if drop.status in AT_WORK and not is_canceled and not is_over(clients, drop.current, state):
        return None
    if not is_canceled:
        return end_lost_attempt(clients, drop)
    version = give_up(clients, drop)
    if version is not None:
        answer_published(clients, drop.id, version)
        return version
    reason = Reason(
        code="attempt.canceled",
        message="expected the run to end by itself, found it canceled in the webserver.",
        remedy="Drop the manifest again, or re-execute the run, to run it again.",
    )
    answer(clients, drop, receipt_of(clients, drop, "canceled", reason=reason))
    return None


def _is_due(clients: Clients, drop: DropRecord) -> bool:
    last = drop.current
    if last is None or last.ended_at is None or drop.delivery.received_at >= last.ended_at:
        return True
    settings = clients.settings
    tries = settings.max_attempts - (drop.attempt_limit - last.number) + drop.unstarted
    longest_s = max(settings.retry_backoff_s, LONGEST_PAUSE_S)
    pause_s = min(settings.retry_backoff_s * 2 ** (tries - 1), longest_s)
    # A clock that was set back must not keep the drop waiting.
    return not last.ended_at <= now() < last.ended_at + timedelta(seconds=pause_s)


def _order(drop: DropRecord) -> RunOrder:
    shared_key = drop.current.shared_key if drop.current else None
    return RunOrder(drop.id, drop.attempt, drop.batch_id or "", drop.dataset_id or "", shared_key)
