"""The processes of one stack by what they do, and the killing of one of them.

Only processes that carry the mark of this stack's supervisor, and their children, are looked at.
"""

import os
import re
import signal
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.local.layout import Layout
from services.local.supervision import OWNER_VARIABLE, Supervisor

SERVICES = {
    "code server": "user-code",
    "daemon": "daemon",
    "postgis": "postgis",
    "s3": "s3",
    "ledger": "mongo",
}
TARGETS = ("run", "gdal", *SERVICES)
KIB = 1024
FORKED, CODE_SERVER = b"multiprocessing.forkserver", b"services.dagster.code_server"
GDAL_NAMES = {"ogr2ogr", "ogrinfo", "gdalinfo", "gdalwarp", "gdal_translate", "setpriv", "prlimit"}


@dataclass(frozen=True)
class Processes:
    """The processes of the stack in `layout`."""

    layout: Layout

    def kill(self, target: str) -> int | None:
        """Kill (-9) a process of that kind; return its id, None where there is none now."""
        for pid in self._pids(target):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return pid
        return None

    def runs(self) -> list[int]:
        """Return the processes of runs, those included that outlived their code server."""
        forked = [pid for pid in self._own() if FORKED in _read(pid, "cmdline")]
        return [pid for pid in forked if CODE_SERVER not in _read(_parent(pid), "cmdline")]

    def readers(self) -> list[int]:
        """Return the processes that read files for runs, forked from a server that runs share."""
        own = set(self._own())
        servers = {pid for pid in _every() if _is_fork_server(pid) and _parent(pid) in own}
        return [pid for pid in _every() if _parent(pid) in servers]

    def memory_bytes(self) -> Counter[str]:
        """Return the proportional set size of each service with its children, and of all runs."""
        children: dict[int, list[int]] = {}
        for pid in _every():
            children.setdefault(_parent(pid), []).append(pid)
        runs = self.runs()
        sizes = Counter({"runs": sum(_tree_bytes(pid, children, ()) for pid in runs)})
        for process in Supervisor(self.layout).processes().values():
            sizes[process.name] = _tree_bytes(process.pid, children, runs) if process.pid else 0
        return sizes

    def are_all_up(self) -> bool:
        """Return whether the supervisor keeps every service running."""
        every = Supervisor(self.layout).processes().values()
        return all(process.state == "RUNNING" for process in every)

    def _pids(self, target: str) -> list[int]:
        if target == "run":
            return self.runs()
        if target == "gdal":
            runs = set(self.runs())
            programs = [pid for pid in _every() if _parent(pid) in runs and _is_gdal(pid)]
            return self.readers() + programs
        pid = Supervisor(self.layout).processes()[SERVICES[target]].pid
        return [pid] if pid else []

    def _own(self) -> Iterator[int]:
        mark = f"{OWNER_VARIABLE}={self.layout.state_dir}".encode()
        return (pid for pid in _every() if mark in _read(pid, "environ").split(b"\0"))


def _every() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _tree_bytes(pid: int, children: Mapping[int, list[int]], without: Collection[int]) -> int:
    if pid in without:
        return 0
    found = re.search(rb"^Pss:\s+(\d+) kB", _read(pid, "smaps_rollup"), re.M)
    own = int(found[1]) * KIB if found else 0
    return own + sum(_tree_bytes(child, children, without) for child in children.get(pid, ()))


def _is_gdal(pid: int) -> bool:
    name = _read(pid, "comm").decode().strip()
    return name in GDAL_NAMES or _is_fork_server(pid)


def _is_fork_server(pid: int) -> bool:
    return b"fork_server.py" in _read(pid, "cmdline")


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
