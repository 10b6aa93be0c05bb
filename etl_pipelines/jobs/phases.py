"""A phase as a Dagster step: its answer to the user, its record in the ledger, its metadata.

What belongs here: translating between `libs.pipeline` and Dagster, once for all phases.
What does not: what a phase does (`libs.pipeline`), how they are wired (`ingest`).
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from dagster import (
    DagsterExecutionInterruptedError,
    Failure,
    MetadataValue,
    OpExecutionContext,
)
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from libs.disk_full import disk_full, is_disk_full
from libs.ledger.ledger import now
from libs.models.errors import ComputeError, InternalError, SpatialEtlError
from libs.models.receipt import PhaseRecord
from libs.pipeline.answer import answer_error
from libs.pipeline.state import Facts
from libs.pipeline.workbench import Workbench

PHASES = ("intake", "fetch", "load", "transform", "check", "dump", "publish")
KIB = 1024
DROP_TAG, ATTEMPT_TAG = "spatial_etl/drop", "spatial_etl/attempt"


class Reporting(Protocol):
    """A phase's result."""

    @property
    def facts(self) -> Facts:
        """What the phase reports."""


Result = TypeVar("Result", bound=Reporting)


def run_phase(
    context: OpExecutionContext,
    name: str,
    drop_id: str,
    attempt: int,
    phase: Callable[[Workbench], Result],
    is_last: Callable[[Result], bool] = lambda _: False,
) -> Result:
    """Run `phase`, record it in the ledger and in a step of its name, and return its result.

    That it ended is recorded when the next one begins, or at once where `is_last`.
    An error is answered to the user and raised as a `Failure` that carries the reason.
    """
    with answering(context, name, drop_id, attempt):
        bench = context.resources.workbench.get_workbench(context.run_id, drop_id, attempt)
        record = PhaseRecord(name=name, started_at=now())
        if name != PHASES[0]:
            _record(bench, drop_id, attempt, record)
        started = time.monotonic()
        result = phase(bench)
        facts = {**result.facts, "peak_memory_bytes": _peak_memory_bytes()}
        record = record.model_copy(
            update={
                "seconds": round(time.monotonic() - started, 3),
                "facts": facts,
                "parts": bench.stopwatch.take(),
            }
        )
        bench.ended.append(record)
        if is_last(result):
            _record(bench, drop_id, attempt)
    if context.op.name == name:
        parts = {f"seconds_{part}": seconds for part, seconds in record.parts.items()}
        context.add_output_metadata({**record.facts, "seconds": record.seconds or 0.0, **parts})
    return result


@contextmanager
def answering(context: OpExecutionContext, name: str, drop_id: str, attempt: int) -> Iterator[None]:
    """Answer an error in phase `name` to the user; raise it as a `Failure` with the reason.

    An interrupt is the end of a run whose attempt was taken from it, or a user's wish: the first is
    an error, the second passes and is answered by the next look.
    """
    try:
        yield
    except SpatialEtlError as err:
        raise _answered(context, drop_id, attempt, err) from err
    except DagsterExecutionInterruptedError as err:
        lost = context.resources.workbench.lost
        if lost is None:
            raise
        raise _answered(context, drop_id, attempt, lost) from err
    except Exception as err:
        raise _answered(context, drop_id, attempt, _named(name, err)) from err


def _named(phase: str, err: Exception) -> SpatialEtlError:
    """Return our error for one that nobody below translated."""
    if isinstance(err, OSError) and is_disk_full(err):
        return disk_full(f"phase {phase}", str(err))
    if isinstance(err, DagsterPostgresException | OperationalError):
        return ComputeError(
            "compute.dagster_unavailable",
            f"expected Dagster's database to take note of phase {phase}, found: {err}.",
            remedy="Check Dagster's PostgreSQL with `spatial-etl doctor`; the drop is tried again.",
        )
    return InternalError(
        "internal.unexpected",
        f"expected phase {phase} to end or to say why not, found {type(err).__name__}: {err}.",
        remedy="This is a defect of the service: report it with the run's log.",
    )


def _peak_memory_bytes() -> int:
    """Return the largest resident size that this process, a child or a reader had so far."""
    from libs.spatial_utils.ogr import READERS

    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own = max(resource.getrusage(user).ru_maxrss for user in users) * KIB
    return max(own, READERS.peak_memory_bytes)


def _record(bench: Workbench, drop_id: str, attempt: int, *begun: PhaseRecord) -> None:
    """Tell the ledger of phases that have ended, and in the same update of one that begins."""
    records = {PHASES.index(record.name): record for record in (*bench.ended, *begun)}
    bench.clients.ledger.record_phases(drop_id, attempt, records)
    bench.ended.clear()


def _answered(
    context: OpExecutionContext, drop_id: str, attempt: int, error: SpatialEtlError
) -> Failure:
    workbench = context.resources.workbench
    workbench.give_lease_back()
    run_id = workbench.run_id_of(context.run_id)
    status = answer_error(workbench.get_clients(), drop_id, attempt, error, run_id=run_id)
    reason = error.reason.model_dump(exclude_none=True)
    return Failure(
        description=str(error),
        metadata={
            "drop_status": status,
            "peak_memory_bytes": _peak_memory_bytes(),
            **{name: MetadataValue.text(str(value)) for name, value in reason.items()},
        },
        allow_retries=False,
    )
