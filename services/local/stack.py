"""Start, look at and end a whole stack.

What belongs here: the order of things, and what is done when something fails. What does not: what
each service is (`services`, `programs`, `health`) and how people ask for it (`__main__`).
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.local.bring_up import BringUp
from services.local.errors import StackError
from services.local.health import PROBE_ERRORS
from services.local.identities import write_identities
from services.local.layout import CHECKOUT, Layout
from services.local.ports import Ports, choose_ports
from services.local.postgres import BIN_DIR
from services.local.programs import programs, seaweed_sockets, supervisor_conf
from services.local.services import Service, place, services
from services.local.settings import (
    ENDPOINTS,
    Plan,
    child_environment,
    given_services,
    load_plan,
    load_secrets,
    make_plan,
    read_env_file,
    save_plan,
)
from services.local.supervision import ENDED_STATES, Process, Supervisor, end_strays

# Ended first, while the servers they write to still answer.
_DAGSTER = ("user-code", "webserver", "daemon")


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `status`; `state` is the supervisor's word, or `GIVEN` for a server not ours."""

    name: str
    state: str
    pid: int | None
    place: str
    is_healthy: bool
    detail: str


def start_stack(
    state_dir: Path | str,
    *,
    ports: Ports = "free",
    only: Collection[str] | None = None,
    environ: Mapping[str, str] | None = None,
    definitions: str = "etl_pipelines.definitions",
    say: Callable[[str], None] = lambda _message: None,
) -> dict[str, str]:
    """Start what does not run yet, wait until all is healthy, and return the stack's settings.

    `only` names the services to start; all of them by default. `environ` (`os.environ` by default)
    may give endpoints of servers to use in place of our own. `definitions` is the module that the
    code server loads. `say` hears of progress. Raises StackError; a stack that this call began is
    then ended again.
    """
    environ = os.environ if environ is None else environ
    layout = Layout.of(state_dir)
    with _locked(layout):
        layout.create()
        supervisor = Supervisor(layout)
        is_new = not supervisor.is_running()
        try:
            if is_new:
                plan = _launch(layout, supervisor, ports, environ, definitions, say)
            else:
                plan = _running_plan(layout, environ)
            wanted = _wanted(_services(layout, plan, supervisor), only)
            BringUp(layout, plan, supervisor, say).all(wanted)
        except BaseException:
            if is_new:
                _end(layout, supervisor)
            raise
    return dict(plan.settings)


def stop_stack(state_dir: Path | str) -> bool:
    """End every process of the stack, cleanly; its data stays. Return whether anything ran."""
    layout = Layout.of(state_dir)
    if not layout.state_dir.exists():
        return False
    with _locked(layout):
        return _end(layout, Supervisor(layout))


def remove_stack(state_dir: Path | str) -> None:
    """End the stack and delete its data, passwords and logs: all that `start_stack` made."""
    layout = Layout.of(state_dir)
    stop_stack(state_dir)
    layout.remove()


def stack_status(state_dir: Path | str) -> list[ServiceStatus]:
    """Return the state and health of each service, asked for at the same time."""
    layout = Layout.of(state_dir)
    plan = load_plan(layout)
    if plan is None:
        return []
    supervisor = Supervisor(layout)
    processes = supervisor.processes() if supervisor.is_running() else {}
    known = _services(layout, plan, supervisor).values()
    with ThreadPoolExecutor(len(known)) as pool:
        return list(pool.map(lambda service: _status(service, plan, processes), known))


def stack_environment(state_dir: Path | str) -> dict[str, str]:
    """Return the settings of the last `up`."""
    plan = load_plan(Layout.of(state_dir))
    if plan is None:
        raise StackError(f"no stack has been started in {state_dir}: run `make up`")
    return dict(plan.settings)


def admin_environment(state_dir: Path | str) -> dict[str, str]:
    """Return the settings of the last `up` with the keys of who may do everything."""
    settings = stack_environment(state_dir)
    own = Layout.of(state_dir).identity_env("admin")
    if not own.exists():
        raise StackError(f"{own} is missing: the S3 server or the ledger is given from outside")
    kept = {name: value for name, value in settings.items() if "_REAPER_" not in name}
    return kept | read_env_file(own)


def _wanted(known: Mapping[str, Service], only: Collection[str] | None) -> list[Service]:
    unknown = set(only or ()) - set(known)
    if unknown:
        names = ", ".join(known)
        raise StackError(f"no service is called {', '.join(sorted(unknown))}; there are {names}")
    return [service for name, service in known.items() if only is None or name in only]


def _launch(
    layout: Layout,
    supervisor: Supervisor,
    ports: Ports,
    environ: Mapping[str, str],
    definitions: str,
    say: Callable[[str], None],
) -> Plan:
    strays = end_strays(layout)
    if strays:
        say(f"ended {len(strays)} processes that a killed supervisor had left behind")
    last = load_plan(layout)
    given = given_services(environ, last)
    if {"postgis", "dagster-postgres"} - given:
        _require_postgres(layout, say)
    chosen = choose_ports(ports, last.ports if last else {}, say)
    plan = make_plan(layout, chosen, given, environ)
    save_plan(layout, plan)
    keys = load_secrets(layout.secrets)
    write_identities(layout, plan, keys)
    shutil.copy(CHECKOUT / "services" / "dagster" / "dagster.yaml", layout.dagster_home)
    layout.supervisor_conf.write_text(supervisor_conf(layout, programs(layout, plan, definitions)))
    signing_key = {"SEAWEED_SIGNING_KEY": keys["s3_signing_key"]}
    supervisor.launch(child_environment(os.environ, plan) | signing_key)
    return plan


def _require_postgres(layout: Layout, say: Callable[[str], None]) -> None:
    if not (BIN_DIR / "initdb").exists():
        raise StackError(f"{BIN_DIR}/initdb is missing: run services/local/bootstrap.sh")
    root = layout.postgres_root()
    if root != layout.state_dir:
        say(f"user postgres cannot enter {layout.state_dir}: PostgreSQL's data is in {root}")


def _running_plan(layout: Layout, environ: Mapping[str, str]) -> Plan:
    plan = load_plan(layout)
    if plan is None:
        raise StackError(f"{layout.stack_env} is gone while the stack runs: run `make down` first")
    changed = [
        names[0]
        for service, names in ENDPOINTS.items()
        if (service in given_services(environ, plan)) != (service in plan.given)
    ]
    if changed:
        raise StackError(
            f"the stack runs with another {', '.join(changed)} than the environment gives: "
            "run `make down` first"
        )
    return plan


def _services(layout: Layout, plan: Plan, supervisor: Supervisor) -> dict[str, Service]:
    def daemon_started_at() -> float:
        return supervisor.processes()["daemon"].started_at

    return services(layout, plan, load_secrets(layout.secrets), daemon_started_at)


def _status(service: Service, plan: Plan, processes: Mapping[str, Process]) -> ServiceStatus:
    process = processes.get(service.name)
    where = place(service.name, plan.settings)
    state = process.state if process else "GIVEN" if service.name in plan.given else "STOPPED"
    pid = process.pid or None if process else None
    if state in ENDED_STATES:
        return ServiceStatus(service.name, state, pid, where, False, "")
    try:
        service.probe()
    except PROBE_ERRORS as err:
        return ServiceStatus(service.name, state, pid, where, False, str(err).strip())
    return ServiceStatus(service.name, state, pid, where, True, "")


def _end(layout: Layout, supervisor: Supervisor) -> bool:
    has_run = supervisor.is_running()
    if has_run:
        names = supervisor.processes().keys()
        supervisor.stop([name for name in names if name in _DAGSTER])
        supervisor.stop(names)
        supervisor.shut_down()
    strays = end_strays(layout)
    last = load_plan(layout)
    for socket in seaweed_sockets(last.ports) if last else ():
        socket.unlink(missing_ok=True)
    shutil.rmtree(layout.run_dir, ignore_errors=True)
    return has_run or bool(strays)


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Let one `up` or `down` of a stack at a time go ahead."""
    layout.state_dir.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
