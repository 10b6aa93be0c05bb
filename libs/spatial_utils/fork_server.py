"""A process that has GDAL, Arrow and our readers loaded, and forks a child for each request.

Run as `python fork_server.py DESCRIPTOR`, a socket on which requests come: a byte, and the four
descriptors of a request (`libs.spatial_utils.forked`). Loading takes most of a second of a
processor, a fork a few milliseconds, and each file is still read in a process of its own. The
server opens no file and runs no thread, since a fork can share neither; it ends, and its children
with it, when its socket is closed.

What belongs here: forking, the limits of a child, telling its end. What does not: who asks
(`libs.spatial_utils.forked`), what is read (`libs.spatial_utils.describe_source`).
"""

import ctypes
import gc
import importlib
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

sys.path.append("/usr/lib/python3/dist-packages")

from libs.spatial_utils.child import signal_group
from libs.spatial_utils.forked import END, REQUEST_DESCRIPTORS, ForkOrder
from libs.without_pandas import hide_pandas

READERS = tuple(
    f"libs.spatial_utils.{name}" for name in ("describe_source", "describe_table", "list_sqlite")
)
PR_SET_PDEATHSIG = 1
KIB = 1024
FAILED = 1


class Server:
    """The children in hand, each a process group of its own."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._take)
        self._groups: set[int] = set()

    def serve(self) -> NoReturn:
        """Fork a child for each request; leaves by `SystemExit` when nobody can ask any more."""
        try:
            while True:
                for key, _ in self._selector.select():
                    # What came before it in this round may have closed it.
                    if key.fileobj in self._selector.get_map():
                        key.data()
        finally:
            for group in self._groups:
                signal_group(group, signal.SIGKILL)

    def _take(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, REQUEST_DESCRIPTORS)
        if not message:
            raise SystemExit
        order, out, err, told = descriptors
        child = os.fork()
        if child == 0:
            _read(order, out, err)
        for descriptor in (order, out, err):
            os.close(descriptor)
        set_group(child)
        self._watch(child, socket.socket(fileno=told))

    def _watch(self, child: int, client: socket.socket) -> None:
        """Pass the client's signals on to a child, and tell the client how it ended."""
        self._groups.add(child)
        ended = os.pidfd_open(child)

        def pass_on() -> None:
            wish = client.recv(1)
            signal_group(child, signal.Signals(wish[0]) if wish else signal.SIGKILL)
            if not wish:
                self._selector.unregister(client)

        def tell() -> None:
            # Until it is waited for, its number belongs to nobody else.
            signal_group(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            self._groups.remove(child)
            self._selector.unregister(ended)
            os.close(ended)
            if client in self._selector.get_map():
                self._selector.unregister(client)
            with client, suppress(BrokenPipeError):
                end = END.pack(os.waitstatus_to_exitcode(status), usage.ru_maxrss * KIB)
                client.send(end, socket.MSG_NOSIGNAL)

        self._selector.register(client, selectors.EVENT_READ, pass_on)
        self._selector.register(ended, selectors.EVENT_READ, tell)


def set_group(child: int) -> None:
    """Give a child its process group; it does so as well, that it is done whoever comes first."""
    # It has ended already, or it did it itself and has become another program since.
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(child, child)


def _read(order: int, out: int, err: int) -> NoReturn:
    """Become the child: do what the request says, within its limits, and end."""
    returncode = FAILED
    try:
        _leave_server(out, err)
        _run(ForkOrder.model_validate_json(os.pread(order, os.fstat(order).st_size, 0)))
        sys.stdout.flush()
        returncode = 0
    finally:
        # On a full disk nothing can be said, and a child that went on would be a second server.
        with suppress(Exception):
            if returncode:
                traceback.print_exc()
            sys.stderr.flush()
        # The answer is given: what a library does while an interpreter ends changes nothing.
        os._exit(returncode)


def _leave_server(out: int, err: int) -> None:
    """Have a process group and outputs of one's own, and die with the server."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(out, sys.stdout.fileno())
    os.dup2(err, sys.stderr.fileno())


def _run(order: ForkOrder) -> None:
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.env)
    for what, limit in (
        (resource.RLIMIT_AS, order.memory_bytes),
        (resource.RLIMIT_FSIZE, order.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    importlib.import_module(order.reader).main(order.request)


def main(descriptor: str) -> NoReturn:
    """Load what readers need, and serve the socket `descriptor`."""
    hide_pandas()
    for reader in READERS:
        importlib.import_module(reader)
    gc.freeze()
    Server(socket.socket(fileno=int(descriptor))).serve()


if __name__ == "__main__":
    main(sys.argv[1])
