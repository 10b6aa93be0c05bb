"""The local stack itself: what `up` starts, `down` ends; nobody else may see its passwords.

Starts a stack of its own, the whole one, as the order in which things start and end is the point.
"""

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from services.local import bring_up
from services.local.errors import StackError
from services.local.layout import CHECKOUT, Layout
from services.local.stack import ServiceStatus, remove_stack, stack_status, start_stack, stop_stack
from services.local.supervision import OWNER_VARIABLE

RECOVERY_TIMEOUT_S = 60
SERVERS = ("postgis", "dagster-postgres", "s3", "mongo", "user-code", "webserver")
LOOPBACK_V4 = "0100007F"
LOOPBACK_V4_IN_V6 = "0000000000000000FFFF00000100007F"


@dataclass(frozen=True)
class RunningStack:
    """A stack that is up."""

    layout: Layout
    env: dict[str, str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start a whole stack on free ports, with no endpoint given."""
    state_dir = tmp_path_factory.mktemp("stack") / "state"
    env = start_stack(state_dir, environ={})
    yield RunningStack(Layout.of(state_dir), env)
    remove_stack(state_dir)


def pids(layout: Layout) -> dict[str, int | None]:
    """Return the process of each service."""
    return {status.name: status.pid for status in stack_status(layout.state_dir)}


def processes_of(layout: Layout) -> list[int]:
    """Return every process of the stack, those the supervisor does not know of included."""
    marker = f"{OWNER_VARIABLE}={layout.state_dir}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_ours = marker in environ.read_bytes().split(b"\0")
        except OSError:
            continue
        if is_ours:
            found.append(int(environ.parent.name))
    return found


def addresses_listened_on(pids: list[int]) -> list[str]:
    """Return the local address of each TCP listener of these processes, in the kernel's hex."""
    owned = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                owned.add(str(descriptor.readlink()))
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    listening = "0A"
    return [
        row[1].partition(":")[0]
        for row in rows
        if row[3] == listening and f"socket:[{row[9]}]" in owned
    ]


def wait_until_healthy(layout: Layout) -> list[ServiceStatus]:
    """Return the services' states once all are healthy, or as they are at the end of patience."""
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while True:
        statuses = stack_status(layout.state_dir)
        if all(status.is_healthy for status in statuses) or time.monotonic() > deadline:
            return statuses
        time.sleep(0.2)


def test_stack_env_is_private_and_what_start_returned(stack: RunningStack) -> None:
    assert stat.S_IMODE(stack.layout.stack_env.stat().st_mode) == 0o600
    names = {line.partition("=")[0] for line in stack.layout.stack_env.read_text().splitlines()}
    assert names == set(stack.env)
    assert {"MINIO_SECRET_KEY", "MONGO_URI", "POSTGRES_PASSWORD", "DAGSTER_HOME"} <= names


def test_no_password_is_seen_in_a_process_list_a_log_or_the_configuration(
    stack: RunningStack,
) -> None:
    secrets = json.loads(stack.layout.secrets.read_text()).values()
    texts = [stack.layout.supervisor_conf.read_text()]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            texts.append(command.read_text(errors="replace"))
    texts += [log.read_text(errors="replace") for log in stack.layout.log_dir.iterdir()]
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_nothing_listens_beyond_loopback(stack: RunningStack) -> None:
    addresses = addresses_listened_on(processes_of(stack.layout))
    assert len(addresses) > len(SERVERS)
    assert set(addresses) <= {LOOPBACK_V4, LOOPBACK_V4_IN_V6}


def test_nothing_runs_where_the_containers_passwords_are(stack: RunningStack) -> None:
    """`make env` writes `.env` into the checkout, and Dagster reads one where it is started."""
    folders = {Path(f"/proc/{pid}/cwd").readlink() for pid in processes_of(stack.layout)}
    assert stack.layout.dagster_home in folders
    assert CHECKOUT not in folders


def test_the_role_owns_its_database_and_is_no_superuser(stack: RunningStack) -> None:
    connection = psycopg2.connect(
        host=stack.env["POSTGRES_HOST"],
        port=int(stack.env["POSTGRES_PORT"]),
        user=stack.env["POSTGRES_USER"],
        password=stack.env["POSTGRES_PASSWORD"],
        dbname=stack.env["POSTGRES_DB"],
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA mine")
        cursor.execute("DROP SCHEMA mine")
        cursor.execute(
            "SELECT rolsuper, has_table_privilege('spatial_ref_sys', 'INSERT'),"
            " current_setting('fsync') FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, True, "off")
    connection.close()


def test_a_second_up_restarts_nothing(stack: RunningStack) -> None:
    before = pids(stack.layout)
    assert start_stack(stack.layout.state_dir, environ={}) == stack.env
    assert pids(stack.layout) == before


@pytest.mark.parametrize("service", ["postgis", "s3", "mongo", "user-code", "daemon"])
def test_a_killed_process_comes_back_healthy(stack: RunningStack, service: str) -> None:
    pid = pids(stack.layout)[service]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while pids(stack.layout)[service] == pid:
        time.sleep(0.1)
    statuses = wait_until_healthy(stack.layout)
    assert [status for status in statuses if not status.is_healthy] == []


def test_down_leaves_no_process_and_up_finds_the_data(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    layout = Layout.of(state_dir)
    try:
        env = start_stack(state_dir, only={"postgis", "s3", "mongo"}, environ={})
        assert stop_stack(state_dir)
        assert processes_of(layout) == []
        assert not layout.run_dir.exists()
        assert not stop_stack(state_dir)
        again = start_stack(state_dir, only={"postgis", "s3", "mongo"}, environ={})
        assert again == env
    finally:
        remove_stack(state_dir)
    assert processes_of(layout) == []
    assert not state_dir.exists()
    assert not layout.postgres_root().exists()


def test_a_server_that_is_given_but_absent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring_up, "GIVEN_TIMEOUT_S", 0.5)
    environ = {
        "MINIO_ENDPOINT": "127.0.0.1:9",
        "MINIO_ACCESS_KEY": "someone",
        "MINIO_SECRET_KEY": "geheim",
    }
    with pytest.raises(StackError, match=r"s3 is given .* as 127\.0\.0\.1:9") as caught:
        start_stack(tmp_path / "state", only={"s3"}, environ=environ)
    assert "geheim" not in str(caught.value)
    assert processes_of(Layout.of(tmp_path / "state")) == []
