"""`spatial-etl status`: what is in progress and what was answered lately.

What belongs here: the overview. What does not: the story of one drop (`services.cli.explain`), the
health of a service (`services.cli.doctor`).
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import click

from libs.ledger.ledger import now
from libs.ledger.records import DropRecord
from libs.models.errors import TransientError
from libs.models.receipt import ACTIVE_STATUSES, FINAL_STATUSES
from services.cli.connections import Connections, connections
from services.cli.explaining import short_id
from services.cli.output import json_option, moment, print_json, print_lines, say, span, table
from services.cli.webserver import QueueCounts, WebserverError, queue_counts

NAMED_FILES = 2


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True,
              help="How many answered drops to list.")  # fmt: skip
@json_option
@click.pass_context
def status(context: click.Context, /, limit: int, as_json: bool) -> None:
    """List drops in progress and the latest answers.

    Drops in progress are listed oldest first, answered ones newest first.
    """
    servers = connections(context)
    active = servers.ledger.with_status(*ACTIVE_STATUSES)
    answered = servers.ledger.find(
        {"status": {"$in": list(FINAL_STATUSES)}}, limit=limit, newest_first=True
    )
    unclaimed = _unclaimed(servers)
    runs = _queue_counts(servers)
    counts = {name: Counter(drop.status for drop in active)[name] for name in ACTIVE_STATUSES}
    if as_json:
        print_json(
            {
                "counts": {**counts, "unclaimed": unclaimed},
                "runs": {"queued": runs.queued, "started": runs.started} if runs else None,
                "in_progress": [summary(drop) for drop in active],
                "answered": [summary(drop) for drop in answered],
            }
        )
        return
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print_lines([f"drops    {shown or 'none in progress'}",
                 f"landing  {_number(unclaimed)} manifests not claimed yet",
                 f"dagster  {_number(runs.queued if runs else None)} runs queued, "
                 f"{_number(runs.started if runs else None)} started"])  # fmt: skip
    print_lines(["", *_listing("in progress", active), "", *_listing("answered", answered)])


def summary(drop: DropRecord) -> dict[str, Any]:
    """Return a drop in a few facts."""
    return {
        "drop_id": drop.id,
        "batch_id": drop.batch_id,
        "status": drop.status,
        "dataset_id": drop.dataset_id,
        "version": drop.version,
        "attempt": drop.attempt,
        "run_id": drop.current.run_id if drop.current else None,
        "received_at": drop.received_at.isoformat(),
        "updated_at": drop.updated_at.isoformat(),
        "missing": list(drop.missing) if drop.status == "waiting" else [],
        "held": drop.held.model_dump() if drop.held else None,
        "reason": drop.reason.model_dump() if drop.reason else None,
    }


def _listing(title: str, drops: Iterable[DropRecord]) -> list[str]:
    rows = [
        (short_id(drop), drop.status, drop.batch_id or drop.delivery.key, _target(drop),
         moment(drop.received_at), _age(drop), _note(drop))
        for drop in drops
    ]  # fmt: skip
    if not rows:
        return [f"{title}: none"]
    heads = ("DROP", "STATUS", "BATCH", "DATASET", "RECEIVED", "TOOK>", "NOTE")
    return [f"{title}:", *(f"  {line}" for line in table(heads, rows))]


def _target(drop: DropRecord) -> str:
    version = f"@{drop.version}" if drop.version is not None else ""
    return f"{drop.dataset_id or '-'}{version}"


def _age(drop: DropRecord) -> str:
    until = now()
    if drop.receipt is not None:
        until = datetime.fromisoformat(drop.receipt["answered_at"])
    return span(max((until - drop.received_at).total_seconds(), 0))


def _note(drop: DropRecord) -> str:
    if drop.status == "waiting":
        more = " ..." if len(drop.missing) > NAMED_FILES else ""
        names = (PurePosixPath(path).name for path in drop.missing[:NAMED_FILES])
        return f"for {', '.join(names)}{more}"
    if drop.reason is not None:
        return drop.reason.code
    if drop.held is not None:
        return drop.held.code
    if drop.is_active and drop.current is not None and drop.current.phases:
        return f"attempt {drop.attempt}, {drop.current.phases[-1].name}"
    return f"attempt {drop.attempt}" if drop.attempt > 1 else ""


def _unclaimed(servers: Connections) -> int | None:
    """Return how many manifests lie in the landing zone that the ledger does not work on."""
    known = servers.ledger.claimed_deliveries() | {
        (drop.delivery.key, drop.delivery.etag) for drop in servers.ledger.with_status("waiting")
    }
    try:
        lying = servers.landing.list_manifests()
    except TransientError as err:
        say(str(err))
        return None
    return sum((item.key, item.etag) not in known for item in lying)


def _queue_counts(servers: Connections) -> QueueCounts | None:
    try:
        return queue_counts(servers.service.webserver_url)
    except WebserverError as err:
        say(f"the Dagster webserver does not tell its runs: {err}")
        return None


def _number(count: int | None) -> str:
    return "unknown" if count is None else str(count)
