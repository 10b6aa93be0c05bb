"""Bring services up together, each as soon as those before it are healthy.

What belongs here: waiting, and telling why a service does not get healthy. What does not: the
steps of a service (`services`), and ending a stack that failed (`stack`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from services.local.errors import StackError
from services.local.health import PROBE_ERRORS, Probe
from services.local.layout import Layout
from services.local.services import Service, place
from services.local.settings import Plan
from services.local.supervision import Supervisor

POLL_S = 0.1
# A server that is given from outside may still be starting, but is not ours to wait for long.
GIVEN_TIMEOUT_S = 10
# A process that keeps ending is given this long, in which the supervisor tries it once more.
BACKOFF_PATIENCE_S = 3
# Enough for a chain of two Python tracebacks, whose cause is printed first.
LOG_TAIL_LINES = 60


class BringUp:
    """One bringing up of a stack's services."""

    def __init__(
        self, layout: Layout, plan: Plan, supervisor: Supervisor, say: Callable[[str], None]
    ) -> None:
        self._layout = layout
        self._plan = plan
        self._supervisor = supervisor
        self._say = say
        self._is_abandoned = threading.Event()
        self._began = time.monotonic()

    def all(self, wanted: Sequence[Service]) -> None:
        """Return when every service is healthy; raise the first StackError, abandoning the rest."""
        futures: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(len(wanted)) as pool:
            for service in wanted:
                before = [futures[name] for name in service.after if name in futures]
                futures[service.name] = pool.submit(self._one, service, before)
            try:
                wait(futures.values(), return_when=FIRST_EXCEPTION)
            finally:
                self._is_abandoned.set()
        failures = [error for future in futures.values() if (error := future.exception())]
        if failures:
            raise next((e for e in failures if not isinstance(e, _AbandonedError)), failures[0])

    def _one(self, service: Service, before: Sequence[Future[None]]) -> None:
        for future in before:
            if future.exception() is not None:
                raise _AbandonedError
        if service.name in self._plan.given:
            self._await(service, service.probe)
        else:
            self._start(service)
        seconds = time.monotonic() - self._began
        where = place(service.name, self._plan.settings)
        self._say(f"{service.name:17} healthy after {seconds:4.1f} s  {where}".rstrip())

    def _start(self, service: Service) -> None:
        if self._supervisor.processes()[service.name].is_ended:
            if service.prepare is not None:
                service.prepare()
            self._supervisor.start(service.name)
            if service.listens is not None:
                self._await(service, service.listens)
            if service.initialise is not None:
                service.initialise()
        self._await(service, service.probe)

    def _await(self, service: Service, probe: Probe) -> None:
        is_given = service.name in self._plan.given
        deadline = time.monotonic() + (GIVEN_TIMEOUT_S if is_given else service.timeout_s)
        backoff_since: float | None = None
        while not self._is_abandoned.is_set():
            try:
                probe()
            except PROBE_ERRORS as err:
                reason = str(err).strip()
            else:
                return
            now = time.monotonic()
            state = self._process_state(service.name)
            if state == "BACKOFF":
                backoff_since = backoff_since or now
            elif state == "RUNNING":
                backoff_since = None
            is_failing = backoff_since is not None and now - backoff_since > BACKOFF_PATIENCE_S
            if now > deadline or is_failing or state in ("EXITED", "FATAL", "STOPPED"):
                raise self._failure(service, state, reason)
            time.sleep(POLL_S)
        raise _AbandonedError

    def _process_state(self, name: str) -> str:
        if name in self._plan.given:
            return "GIVEN"
        return self._supervisor.processes()[name].state

    def _failure(self, service: Service, state: str, reason: str) -> StackError:
        where = place(service.name, self._plan.settings)
        if state == "GIVEN":
            return StackError(
                f"{service.name} is given by the environment as {where}, but: {reason}\n"
                "start that server, correct its settings, or unset them to have one started here"
            )
        log = self._layout.log(service.name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines[-LOG_TAIL_LINES:])
        return StackError(
            f"{service.name} ({where}) did not get healthy; its process is {state}: {reason}\n"
            f"last lines of {log}:\n{tail}\n"
            "correct the cause, then run `make up` again"
        )


class _AbandonedError(StackError):
    """Another service failed first."""
