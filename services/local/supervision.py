"""The process supervisor (supervisord), spoken to over its socket.

What belongs here: starting and ending supervised processes, and finding what a killed supervisor
left behind. What does not: which processes there are (`programs`), their health (`health`).
"""

import http.client
import os
import signal
import socket
import subprocess
import time
import xmlrpc.client
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.errors import StackError
from services.local.layout import Layout
from services.local.programs import VENV_BIN

START_TIMEOUT_S = 15
STOP_TIMEOUT_S = 45
POLL_S = 0.05
# Set for the supervisor alone and inherited by all it starts: the proof that a process is ours.
OWNER_VARIABLE = "SPATIAL_ETL_SUPERVISED_BY"

ENDED_STATES = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})


@dataclass(frozen=True)
class Process:
    """What the supervisor knows of one process; `pid` is 0 while it does not run."""

    name: str
    state: str
    pid: int
    started_at: float
    message: str

    @property
    def is_ended(self) -> bool:
        """Whether the supervisor will not start it again by itself."""
        return self.state in ENDED_STATES


class Supervisor:
    """The supervisor of one stack, which may or may not run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def is_running(self) -> bool:
        """Return whether the supervisor answers."""
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start the supervisor, which then starts nothing by itself."""
        supervisord = [str(VENV_BIN / "supervisord"), "-c", str(self._layout.supervisor_conf)]
        # Started from a background job the services would ignore interrupts for ever, and Dagster
        # would then ignore the canceling of a run.
        command = ["env", "--default-signal", *supervisord]
        owner = {OWNER_VARIABLE: str(self._layout.state_dir)}
        done = subprocess.run(
            command, env={**environment, **owner}, capture_output=True, text=True, check=False
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.is_running():
                return
            time.sleep(POLL_S)
        log = self._layout.log("supervisord")
        raise StackError(f"supervisord did not start: {done.stdout}{done.stderr} (log: {log})")

    def processes(self) -> dict[str, Process]:
        """Return what the supervisor knows of each process, by name."""
        every = self._call("getAllProcessInfo")
        return {
            info["name"]: Process(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                started_at=float(info["start"]),
                message=info["spawnerr"] or info["description"],
            )
            for info in every
        }

    def start(self, name: str) -> None:
        """Start a process without waiting for it."""
        self._call("startProcess", name, False)

    def stop(self, names: Collection[str]) -> None:
        """Stop processes together, and wait until they are gone."""
        alive = [process.name for process in self.processes().values() if not process.is_ended]
        for name in alive:
            if name in names:
                # A process may end by itself between the look and the call.
                with suppress(xmlrpc.client.Fault):
                    self._call("stopProcess", name, False)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if all(p.is_ended for p in self.processes().values() if p.name in names):
                return
            time.sleep(POLL_S)
        raise StackError(f"{', '.join(names)} did not stop within {STOP_TIMEOUT_S} s")

    def shut_down(self) -> None:
        """End the supervisor, once its processes are stopped, and wait until it is gone."""
        pid = int(self._call("getPID"))
        self._call("shutdown")
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while _is_alive(pid):
            if time.monotonic() > deadline:
                raise StackError(f"supervisord (process {pid}) did not end")
            time.sleep(POLL_S)

    def _call(self, method: str, *arguments: str | bool) -> Any:
        """Call a method of supervisord's XML-RPC interface; raise its Fault, or OSError."""
        body = xmlrpc.client.dumps(arguments, f"supervisor.{method}").encode()
        with closing(_SocketConnection(self._layout.socket)) as connection:
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            answer = connection.getresponse().read()
        return xmlrpc.client.loads(answer)[0][0]


def end_strays(layout: Layout, timeout_s: float = 10) -> list[int]:
    """End what this stack's supervisor started and no longer keeps; return the process ids."""
    strays = _supervised_pids(layout)
    for pid in strays:
        _signal(pid, signal.SIGINT if _command(pid) == "postgres" else signal.SIGTERM)
    _wait_for_none(layout, timeout_s)
    for pid in _supervised_pids(layout):
        _signal(pid, signal.SIGKILL)
    _wait_for_none(layout, timeout_s)
    return strays


def _wait_for_none(layout: Layout, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while _supervised_pids(layout) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _supervised_pids(layout: Layout) -> list[int]:
    marker = f"{OWNER_VARIABLE}={layout.state_dir}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        # Another user's process, or one that has just ended.
        with suppress(OSError):
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=STOP_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in place of a TCP port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
