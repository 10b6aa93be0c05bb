"""Dagster's code server whose runs are forked from a process that has loaded what runs need.

Dagster starts each run in a new interpreter, whose imports take most of a small run's time. Here
they are done once, by multiprocessing's fork server; each run is still a process of its own. The
arguments are those of `dagster api grpc`, the module with the definitions by `-m`.

What belongs here: where runs come from. What does not: what is loaded (`services.dagster.warm`).
"""

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from typing import Any

from dagster._cli.api import api_cli
from dagster._grpc.server import DagsterApiServer

# A thread that is there before a fork is not there after it.
SINGLE_THREADED = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def main() -> None:
    """Serve until told to stop."""
    arguments = sys.argv[1:]
    definitions = arguments[arguments.index("-m") + 1]
    os.environ.update(SINGLE_THREADED)
    fork_runs([definitions, "services.dagster.warm"])
    multiprocessing.forkserver.ensure_running()
    api_cli(["grpc", *arguments])


def fork_runs(preload: list[str]) -> None:
    """Have every code server of this process fork its runs from a process that loaded `preload`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    begin = DagsterApiServer.__init__

    def begin_warm(self: DagsterApiServer, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        if "_mp_ctx" not in vars(self):
            raise RuntimeError("this version of Dagster starts runs in another way")
        self._mp_ctx = context  # type: ignore[assignment]

    DagsterApiServer.__init__ = begin_warm  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
