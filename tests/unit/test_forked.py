"""The fork server: every way one of its children can end, and what a child has of its parents."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.spatial_utils import forked
from libs.spatial_utils.child import ChildEnd, Limits, is_readable
from libs.spatial_utils.forked import ForkServer
from libs.spatial_utils.ogr import READERS
from tests.unit.conftest import MIB
from tests.unit.test_ogr import interrupted_once_written, wait_until_gone, wait_until_written

Read = Callable[..., ChildEnd]
ENV = {"PATH": "/usr/bin:/bin", "ANSWER": "42"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return what runs Python in a child of the server that all drops use."""

    def run(code: str, *, server: ForkServer = READERS, **limits: float) -> ChildEnd:
        bounds = {"timeout_s": 10, "memory_bytes": 1024 * MIB, "file_bytes": 8 * MIB, **limits}
        reader = "tests.readers.in_python"
        return server.run(reader, code, env=ENV, cwd=tmp_path, limits=Limits(**bounds))

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    """Return a server that a test may kill, and which loads nothing, that it starts at once."""
    monkeypatch.setattr(forked, "PROGRAM", Path(__file__).with_name("bare_fork_server.py"))
    server = ForkServer({"PATH": "/usr/bin:/bin"})
    yield server
    server.close()


SERVER = "import os; print(os.getppid())"


def test_a_child_has_its_own_folder_environment_and_outputs(read: Read, tmp_path: Path) -> None:
    end = read(
        "import os, sys; print(os.getcwd(), dict(os.environ)); print('odd', file=sys.stderr)"
    )
    assert end.stdout == f"{tmp_path} {ENV}\n"
    assert (end.returncode, end.stderr, end.timed_out) == (0, "odd\n", False)
    assert 0 < end.seconds < 10


def test_what_one_child_changes_no_other_sees(read: Read) -> None:
    assert read("import os; os.environ['X'] = '1'; os.trace = 1").returncode == 0
    assert read("import os; print('X' in os.environ, hasattr(os, 'trace'))").stdout == (
        "False False\n"
    )


def test_no_thread_runs_where_children_are_forked(read: Read) -> None:
    threads = "import os; print(len(os.listdir(f'/proc/{os.getppid()}/task')))"
    assert read(threads).stdout == "1\n"


def test_the_server_knows_no_secret_of_its_parent(
    read: Read, monkeypatch: pytest.MonkeyPatch, server: ForkServer
) -> None:
    monkeypatch.setenv("MINIO_SECRET_KEY", "hunter2")
    environ = "import os; print(open(f'/proc/{os.getppid()}/environ').read())"
    assert "hunter2" not in read(environ, server=server).stdout


@pytest.mark.parametrize(
    ("code", "returncode"),
    [
        ("raise SystemExit(3)", 1),
        ("1 / 0", 1),
        ("import os; os._exit(7)", 7),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_an_end_is_told_as_it_was(read: Read, code: str, returncode: int) -> None:
    assert read(code).returncode == returncode
    assert read("print(1)").stdout == "1\n"


def test_an_exception_stands_on_stderr(read: Read) -> None:
    assert "ZeroDivisionError: division by zero" in read("1 / 0").stderr


def test_a_child_that_takes_too_much_memory_is_stopped(read: Read) -> None:
    end = read("bytearray(10 << 30)")
    assert (end.returncode, "MemoryError" in end.stderr) == (1, True)


def test_a_child_that_floods_a_file_is_stopped(read: Read) -> None:
    end = read("open('flood', 'wb').write(bytes(20_000_000))")
    assert "File too large" in end.stderr


def test_the_memory_of_children_is_known(read: Read) -> None:
    before = READERS.peak_memory_bytes
    read(f"held = b'x' * {before + 64 * MIB}", memory_bytes=before + 1024 * MIB)
    assert READERS.peak_memory_bytes >= before + 64 * MIB


def test_a_child_that_hangs_is_ended_with_all_it_started(read: Read, tmp_path: Path) -> None:
    code = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    read("")
    started = time.monotonic()
    end = read(code, timeout_s=0.3)
    assert (end.timed_out, end.returncode) == (True, -signal.SIGTERM)
    assert time.monotonic() - started < 4
    wait_until_gone(int((tmp_path / "child").read_text()))


def test_a_child_that_ignores_sigterm_is_killed(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "STOP_GRACE_S", 0.2)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    read("")
    assert read(code, timeout_s=0.3).returncode == -signal.SIGKILL


def test_an_interrupt_reaches_the_child(read: Read, tmp_path: Path) -> None:
    with interrupted_once_written(tmp_path / "pid"):
        read("import os, time; print(os.getpid(), file=open('pid', 'w')); time.sleep(60)")
    wait_until_gone(int((tmp_path / "pid").read_text()))


def test_children_of_several_threads_run_side_by_side(read: Read, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "open('{own}', 'w').close()\n"
        "while not os.path.exists('{other}'): time.sleep(0.01)\n"
        "print('{own}')"
    )
    ends: dict[str, ChildEnd] = {}

    def run(own: str, other: str) -> None:
        ends[own] = read(code.format(own=own, other=other))

    threads = [threading.Thread(target=run, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: end.stdout for name, end in ends.items()} == {"a": "a\n", "b": "b\n"}


def test_a_killed_server_is_a_killed_child_and_the_next_one_has_another(
    read: Read, server: ForkServer, tmp_path: Path
) -> None:
    first = int(read(SERVER, server=server).stdout)
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); os.kill(os.getppid(), 9); "
    end = read(f"{code} time.sleep(60)", server=server)
    assert (end.returncode, end.timed_out) == (-signal.SIGKILL, False)
    wait_until_gone(int((tmp_path / "pid").read_text()))
    second = int(read(SERVER, server=server).stdout)
    assert first != second


def test_a_server_that_is_not_seen_to_have_ended_is_replaced(
    read: Read, server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = int(read(SERVER, server=server).stdout)
    os.kill(first, signal.SIGKILL)
    assert server._process
    server._process.wait()
    monkeypatch.setattr(server._process, "poll", lambda: None)
    assert int(read(SERVER, server=server).stdout) != first


def test_a_child_that_is_another_program_by_now_ends_no_server() -> None:
    code = (
        "import os, subprocess\n"
        "from libs.spatial_utils.fork_server import set_group\n"
        "with subprocess.Popen(['sleep', '5'], process_group=0) as child:\n"
        "    set_group(child.pid)\n"
        "    print(os.getpgid(child.pid) == child.pid)\n"
        "    child.kill()"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=Path(__file__).parents[2]) == b"True\n"


def test_readers_find_no_pandas(read: Read) -> None:
    asked = "import pyarrow as pa, sys; pa.array([1]); print('pandas' in sys.modules)"
    assert read(asked).stdout == "False\n"


def test_server_and_children_die_with_the_process_that_asked(tmp_path: Path) -> None:
    code = (
        "import pathlib\n"
        "from libs.spatial_utils.child import Limits\n"
        "from libs.spatial_utils.ogr import READERS\n"
        "READERS.run('tests.readers.in_python', \"import json, os, time; "
        "print(json.dumps([os.getpid(), os.getppid()]), file=open('pids', 'w')); time.sleep(60)\", "
        f"env={{}}, cwd=pathlib.Path({str(tmp_path)!r}), limits=Limits(60, 2**30, 2**20))"
    )
    pids = tmp_path / "pids"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        wait_until_written(pids)
        os.kill(parent.pid, signal.SIGKILL)
    for pid in json.loads(pids.read_text()):
        wait_until_gone(pid)


def test_a_child_that_can_say_nothing_leaves_others_alone(
    read: Read, server: ForkServer, tmp_path: Path
) -> None:
    ends: list[ChildEnd] = []
    code = (
        "import os, time\n"
        "print('begun', file=open('begun', 'w'))\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "print('fine')"
    )
    other = threading.Thread(target=lambda: ends.append(read(code, server=server)))
    other.start()
    wait_until_written(tmp_path / "begun")
    assert read("print('x' * 9999)", server=server, file_bytes=1).returncode == 1
    (tmp_path / "go").touch()
    other.join()
    assert (ends[0].returncode, ends[0].stdout) == (0, "fine\n")


def test_a_forked_process_asks_the_server_it_was_forked_with_and_then_its_own(
    read: Read, server: ForkServer, tmp_path: Path
) -> None:
    ours = int(read(SERVER, server=server).stdout)

    def ask_thrice() -> list[int]:
        shared = int(read(SERVER, server=server).stdout)
        os.kill(ours, signal.SIGKILL)
        assert is_readable(server.start().fileno(), 5)
        own = [int(read(SERVER, server=server).stdout) for _ in range(2)]
        server.close()
        return [shared, *own]

    found = in_fork(ask_thrice, tmp_path / "found")

    assert found[0] == ours
    assert found[1] == found[2] != ours
    wait_until_gone(found[1])
    assert int(read(SERVER, server=server).stdout) not in {ours, found[1]}


def in_fork(function: Callable[[], list[int]], path: Path) -> list[int]:
    """Call a function in a process forked from this one, and return what it returned."""
    child = os.fork()
    if child == 0:
        try:
            path.write_text(json.dumps(function()))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return json.loads(path.read_text())
