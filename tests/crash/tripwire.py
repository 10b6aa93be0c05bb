"""Steps of a run that change something outside its process, and a signal at one of them.

Installed in a process of its own, around the drivers of the servers: production code knows nothing
of it. A crash between two steps is a crash after the first of them, since nothing else changes in
between; so a run killed after each step has been killed everywhere.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from pymongo import monitoring

from libs.compute.postgis import PostGIS
from libs.spatial_utils import ogr

WRITES = ("insert", "update", "delete")
CHANGES = ("create", "drop", "copy", "truncate")
UPLOADS = ("PUT", "POST", "DELETE")


class Tripwire(monitoring.CommandListener):
    """Counts the steps, writes their names to `journal`, and sends `number` at step `at`.

    What the lease's thread does is no step of the run.
    """

    def __init__(self, journal: Path, at: int | None, number: signal.Signals) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._at, self._number = at, number
        self._count = 0
        self._texts: dict[int, str] = {}

    def install(self) -> None:
        """Watch every client that this process makes from now on."""
        monitoring.register(self)
        self._wrap(urllib3.PoolManager, "urlopen", _request)
        self._wrap(PostGIS, "run", _statement)
        self._wrap(ogr, "run_children", _programs)

    def step(self, name: str) -> None:
        """Take note of a step that has just been done."""
        self._count += 1
        os.write(self._journal, f"{name}\n".encode())
        if self._count == self._at:
            os.killpg(0, self._number)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Keep what a command will do for when it has been done."""
        if event.command_name in WRITES and threading.current_thread() is threading.main_thread():
            collection = event.command[event.command_name]
            self._texts[event.request_id] = f"ledger {event.command_name} {collection}"

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count a command that was done."""
        if event.request_id in self._texts:
            self.step(self._texts.pop(event.request_id))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Forget a command that changed nothing."""
        self._texts.pop(event.request_id, None)

    def _wrap(self, owner: Any, name: str, describe: Callable[..., str | None]) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            said = describe(*args, **kwargs)
            if said is not None:
                self.step(said)
            return result

        setattr(owner, name, wrapped)


def _request(_: Any, method: str, url: str, *args: Any, **kwargs: Any) -> str | None:
    bucket, _, key = urlsplit(url).path.strip("/").partition("/")
    return f"s3 {method} {bucket} {key.partition('/')[0]}" if method in UPLOADS else None


def _statement(_: Any, statement: Any, schema: str | None = None) -> str | None:
    text = str(statement).lower()
    return "postgis" if any(word in text for word in CHANGES) else None


def _programs(commands: Any, **kwargs: Any) -> str:
    return f"program {Path(commands[0][0]).name}"
