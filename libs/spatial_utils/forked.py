"""Children forked from a server that has GDAL, Arrow and our readers loaded.

What belongs here: asking the server of this process, bounding the time of a child, hearing its end.
What does not: the server (`libs.spatial_utils.fork_server`), programs that are not ours
(`libs.spatial_utils.child`).
"""

import atexit
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from libs.spatial_utils.child import STOP_GRACE_S, ChildEnd, Limits, Output, captured, is_readable

PROGRAM = Path(__file__).with_name("fork_server.py")
REQUEST_DESCRIPTORS = 4
"""The order, stdout, stderr, and a socket that takes signals and tells the end."""
END = struct.Struct("!iq")
"""A return code as `ChildEnd` has it, and the most memory that was resident, in bytes."""


class ForkOrder(BaseModel):
    """What a child does: the module whose `main` it calls with `request`; and its limits."""

    model_config = ConfigDict(frozen=True)

    reader: str
    request: str
    env: dict[str, str]
    cwd: Path
    memory_bytes: int
    file_bytes: int


class ForkServer:
    """The server of this process, started when it is first needed, and again where it was lost.

    A process that was forked from one with a server asks that one, and has one of its own once that
    is gone. `env` is the server's whole environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.peak_memory_bytes = 0
        self._env = dict(env)
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._started_by = 0

    def start(self) -> socket.socket:
        """Have the server running, or loading, and return the socket it is asked on."""
        with self._starting:
            if self._control is not None and not self._is_known_to_be_gone():
                return self._control
            self._end()
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                # A parent started in the background ignores signals, and would pass that on.
                self._process = subprocess.Popen(
                    ["env", "--default-signal", sys.executable, "-I", str(PROGRAM),
                     str(theirs.fileno())],
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )  # fmt: skip
            self._started_by = os.getpid()
            atexit.register(self.close)
            return self._control

    def _is_known_to_be_gone(self) -> bool:
        """Return whether a server of this process has ended; of another's only asking tells."""
        return self._is_own() and self._process is not None and self._process.poll() is not None

    def _is_own(self) -> bool:
        return self._started_by == os.getpid()

    def close(self) -> None:
        """End the server and its children."""
        with self._starting:
            self._end()

    def _give_up(self, control: socket.socket) -> None:
        """End the server behind `control`, unless another has taken its place already."""
        with self._starting:
            if self._control is control:
                self._end()

    def _end(self) -> None:
        atexit.unregister(self.close)
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._is_own():
            self._process.wait()
        self._control = self._process = None

    def run(
        self, reader: str, request: str, *, env: Mapping[str, str], cwd: Path, limits: Limits
    ) -> ChildEnd:
        """Call `main(request)` of the module `reader` in a child, and return the child's end.

        A child whose server is lost counts as killed. An interrupt reaches the child, which then
        has `STOP_GRACE_S` seconds.
        """
        started = time.monotonic()
        order = ForkOrder(
            reader=reader,
            request=request,
            env=dict(env),
            cwd=cwd,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.file_bytes,
        )
        with captured(cwd) as output:
            told = self._ask(order, output)
            with told:
                timed_out = True
                try:
                    timed_out = not is_readable(told.fileno(), limits.timeout_s)
                finally:
                    if timed_out:
                        _stop(told)
                end = told.recv(END.size)
            returncode, peak_bytes = END.unpack(end) if end else (-signal.SIGKILL, 0)
            self.peak_memory_bytes = max(self.peak_memory_bytes, peak_bytes)
            return output.end(returncode, started, timed_out=timed_out)

    def _ask(self, order: ForkOrder, output: Output) -> socket.socket:
        """Hand an order to the server, and return the socket on which the child's end is told."""
        told, theirs = socket.socketpair()
        descriptor = os.memfd_create("order")
        with theirs:
            try:
                os.write(descriptor, order.model_dump_json().encode())
                passed = [descriptor, *output.descriptors, theirs.fileno()]
                control = self.start()
                try:
                    socket.send_fds(control, [b"\n"], passed)
                except (BrokenPipeError, ConnectionResetError):
                    # It is dying, and may not have been seen to end yet: nothing was begun.
                    self._give_up(control)
                    socket.send_fds(self.start(), [b"\n"], passed)
            except BaseException:
                told.close()
                raise
            finally:
                os.close(descriptor)
        return told


def _stop(told: socket.socket) -> None:
    """Have a child end, by itself or else by force."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        try:
            told.send(bytes([wish]), socket.MSG_NOSIGNAL)
        except BrokenPipeError:
            return
        if is_readable(told.fileno(), STOP_GRACE_S):
            return
