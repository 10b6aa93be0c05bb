"""A run in a process of its own, from the claim of its drop to the answer.

Forked from a server that has imported everything, so that a run costs a second.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL, Signals

from dagster import DagsterInstance

from etl_pipelines.definitions import build_defs
from libs.ledger.catalog import Catalog
from libs.pipeline.attempts import RunOrder
from libs.pipeline.reception import look
from libs.pipeline.workbench import Clients
from tests.crash.tripwire import Tripwire

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Work:
    """What a run is to do: take the due drops, of which a tripwire stops it at step `at`.

    `stale_number` is what it is told the next version's number were when it asks first.
    """

    journal: Path
    at: int | None = None
    signal: Signals = SIGKILL
    stale_number: int | None = None
    lease_s: float = 60


def start(environment: Mapping[str, str], work: Work) -> ForkServerProcess:
    """Start a run and return its process, the leader of a group of its own."""
    process = CONTEXT.Process(target=_live, args=(dict(environment), work), daemon=True)
    process.start()
    return process


def all_clients() -> Clients:
    """Return the clients of the environment, as a run has them."""
    return build_defs().resources["workbench"].get_clients()


def run_orders(orders: Sequence[RunOrder]) -> bool:
    """Run attempts as the code server would, in this process; return whether all runs succeeded."""
    runs: dict[str, list[RunOrder]] = {}
    for order in orders:
        runs.setdefault(order.run_key, []).append(order)
    return all([_run(run) for run in runs.values()])


def _run(orders: list[RunOrder]) -> bool:
    drops = [{"drop_id": order.drop_id, "attempt": order.attempt} for order in orders]
    job, op, config = "ingest", "intake", drops[0]
    if len(orders) > 1:
        job, op, config = "ingest_many", "ingest_each", {"drops": drops}
    with DagsterInstance.ephemeral() as instance:
        return (
            build_defs()
            .resolve_job_def(job)
            .execute_in_process(
                run_config={"ops": {op: {"config": config}}},
                instance=instance,
                raise_on_error=False,
            )
            .success
        )


def _live(environment: dict[str, str], work: Work) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment, SPATIAL_ETL_LEASE_S=str(work.lease_s))
    log = os.open(work.journal.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if work.stale_number is not None:
        _answer_once(work.stale_number)
    Tripwire(work.journal, work.at, work.signal).install()
    clients = all_clients()
    sys.exit(0 if run_orders(look(clients, lambda *_: "active").orders) else 1)


def _answer_once(number: int) -> None:
    real, answers = Catalog.next_version, iter([number])

    def next_version(self: Catalog, dataset_id: str) -> int:
        return next(answers, None) or real(self, dataset_id)

    Catalog.next_version = next_version  # type: ignore[method-assign]
