"""Child processes under limits: their arguments, their environment, their end.

What belongs here: starting programs without a shell, bounding their time, memory and output, taking
their process groups down on every way out. What does not: what a program's output means
(`libs.spatial_utils.ogr`), children that are forked and not started (`libs.spatial_utils.forked`).
"""

import errno
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STOP_GRACE_S = 5
READ_BACK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What a child may use."""

    timeout_s: float
    memory_bytes: int
    file_bytes: int


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended; a negative `returncode` is the signal that ended it."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool


@dataclass(frozen=True)
class Output:
    """Where a child's stdout and stderr go."""

    descriptors: tuple[int, int]

    def end(self, returncode: int, started: float, *, timed_out: bool) -> ChildEnd:
        """Return the end of a child that began at `started` of the monotonic clock."""
        stdout, stderr = map(_read_back, self.descriptors)
        seconds = time.monotonic() - started
        return ChildEnd(returncode, stdout, stderr, seconds, timed_out)


@contextmanager
def captured(cwd: Path) -> Iterator[Output]:
    """Yield the output of a child: files without a name, in its own folder."""
    with tempfile.TemporaryFile(dir=cwd) as out, tempfile.TemporaryFile(dir=cwd) as err:
        yield Output((out.fileno(), err.fileno()))


def run_children(
    commands: Sequence[Sequence[str]], *, env: Mapping[str, str], cwd: Path, limits: Limits
) -> list[ChildEnd]:
    """Run commands at the same time, to the end of all; the children die with this process.

    Raises `FileNotFoundError` where a program does not exist. An interrupt reaches the children,
    which then have `STOP_GRACE_S` seconds each.
    """
    for program, *_ in commands:
        if shutil.which(program, path=env.get("PATH")) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    started = time.monotonic()
    with ExitStack() as outputs:
        taken = [outputs.enter_context(captured(cwd)) for _ in commands]
        with ExitStack() as children:
            processes = []
            for args, output in zip(commands, taken, strict=True):
                processes.append(_start(args, output, env=env, cwd=cwd, limits=limits))
                children.callback(_stop, processes[-1])
            until = started + limits.timeout_s
            timed_out = [not _has_ended(process, until) for process in processes]
        return [
            output.end(process.returncode, started, timed_out=is_late)
            for process, output, is_late in zip(processes, taken, timed_out, strict=True)
        ]


def _start(
    args: Sequence[str], output: Output, *, env: Mapping[str, str], cwd: Path, limits: Limits
) -> subprocess.Popen[bytes]:
    out, err = output.descriptors
    return subprocess.Popen(
        # A parent started in the background ignores signals, and would pass that on to the child.
        ["env", "--default-signal", "setpriv", "--pdeathsig", "KILL",
         "prlimit", f"--as={limits.memory_bytes}", f"--fsize={limits.file_bytes}", "--core=0", "--",
         *args],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    )  # fmt: skip


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Return whether something can be read within `timeout_s` seconds, an end included."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group, whether or not there is one still."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _has_ended(process: subprocess.Popen[bytes], until: float) -> bool:
    """Wait for the end of a process, of which `Popen.wait` hears up to 50 ms late."""
    descriptor = os.pidfd_open(process.pid)
    try:
        return is_readable(descriptor, max(0.0, until - time.monotonic()))
    finally:
        os.close(descriptor)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
    signal_group(process.pid, signal.SIGKILL)


def _read_back(descriptor: int) -> str:
    """Return what was written; of a flood, its beginning and its end."""
    size = os.fstat(descriptor).st_size
    if size <= READ_BACK_BYTES:
        content = os.pread(descriptor, size, 0)
    else:
        half = READ_BACK_BYTES // 2
        content = os.pread(descriptor, half, 0) + b"\n" + os.pread(descriptor, half, size - half)
    return content.decode("utf-8", "replace")
