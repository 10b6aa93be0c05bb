"""The processes of the stack, as the supervisor is told of them.

What belongs here: command lines and how each process is stopped. What does not: server settings
(`services/<server>/`), secrets (inherited through the environment, never in a command line or in
the supervisor's configuration), and health (`health`).
"""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.local.layout import CHECKOUT, POSTGRES_OS_USER, Layout
from services.local.ports import GRPC_OFFSET, LOOPBACK
from services.local.postgres import BIN_DIR
from services.local.settings import Plan

VENV_BIN = Path(sys.executable).parent
WORKSPACE = CHECKOUT / "services" / "dagster" / "workspace.yaml"
MONGO_CONFIG = CHECKOUT / "services" / "mongodb" / "secantusd.toml"
RESTART_ATTEMPTS = 20


@dataclass(frozen=True)
class Program:
    """One process; `environment` maps a variable to the setting it is filled from."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_wait_s: int = 10
    start_s: int = 1
    is_stopped_as_group: bool = False


def programs(layout: Layout, plan: Plan, definitions: str) -> dict[str, Program]:
    """Return the processes of the services that are not given from outside, by name.

    `definitions` is the module that the code server loads.
    """
    every = (
        _postgres("postgis", layout, plan),
        _postgres("dagster-postgres", layout, plan),
        _s3(layout, plan),
        Program("mongo", mongo_command(layout, plan.ports["mongo"], has_users=True)),
        _user_code(plan, definitions),
        Program("webserver", _webserver_command(plan), start_s=5),
        Program("daemon", _module("daemon", "run", "-w", str(WORKSPACE)), start_s=5),
    )
    return {program.name: program for program in every if program.name not in plan.given}


def mongo_command(layout: Layout, port: int, *, has_users: bool) -> tuple[str, ...]:
    """Return the Mongo server's command; without users it is open, for making the first one."""
    return (
        *(str(VENV_BIN / "secantusd-py"), "--config", str(MONGO_CONFIG)),
        *("--host", LOOPBACK, "--port", str(port), "--storage-path", str(layout.mongo_dir)),
        *(("--auth",) if has_users else ()),
    )


def seaweed_sockets(ports: Mapping[str, int]) -> list[Path]:
    """Return the sockets SeaweedFS leaves in /tmp, which no option moves."""
    tmp = Path("/tmp")  # noqa: S108 - compiled into the server
    by_grpc_port = {
        "s3": ports["s3-grpc"],
        "master": ports["s3-master-grpc"],
        "volume": ports["s3-volume-grpc"],
        "filer": ports["s3-filer-grpc"],
        "admin": ports["s3-admin"] + GRPC_OFFSET,
    }
    return [tmp / f"seaweedfs-{name}-grpc-{port}.sock" for name, port in by_grpc_port.items()]


def supervisor_conf(layout: Layout, programs: Mapping[str, Program]) -> str:
    """Return the supervisor's configuration; nothing starts by itself.

    Dagster's programs read `.env` of the folder they are started in and let it go before their
    environment. In the checkout that file is the containers'.
    """
    head = f"""\
[unix_http_server]
file={_escaped(str(layout.socket))}
chmod=0700

[supervisord]
logfile={_escaped(str(layout.log("supervisord")))}
logfile_maxbytes=10MB
logfile_backups=2
pidfile={_escaped(str(layout.pid_file))}
directory={_escaped(str(layout.dagster_home))}
childlogdir={_escaped(str(layout.log_dir))}
{"user=root" if os.geteuid() == 0 else ""}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_section(layout, program) for program in programs.values())


def _section(layout: Layout, program: Program) -> str:
    environment = ",".join(
        f'{name}="%(ENV_{setting})s"' for name, setting in program.environment.items()
    )
    options = {
        "command": _escaped(shlex.join(program.command)),
        "environment": environment,
        "user": program.user or "",
        "autostart": "false",
        "autorestart": "true",
        "startsecs": program.start_s,
        "startretries": RESTART_ATTEMPTS,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        "stopasgroup": str(program.is_stopped_as_group).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _escaped(str(layout.log(program.name))),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 3,
    }
    lines = (f"{name}={value}\n" for name, value in options.items() if value != "")
    return f"\n[program:{program.name}]\n" + "".join(lines)


def _postgres(name: str, layout: Layout, plan: Plan) -> Program:
    return Program(
        name,
        (
            *(str(BIN_DIR / "postgres"), "-D", str(layout.postgres_dir(name))),
            *("-p", str(plan.ports[name])),
            *("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="),
        ),
        user=POSTGRES_OS_USER if os.geteuid() == 0 else None,
        # PostgreSQL's fast shutdown: sessions are rolled back, data is flushed.
        stop_signal="INT",
        stop_wait_s=30,
    )


def _s3(layout: Layout, plan: Plan) -> Program:
    ports = plan.ports
    admin_grpc = ports["s3-admin"] + GRPC_OFFSET
    buckets = f"{plan.settings['MINIO_LANDING_BUCKET']},{plan.settings['MINIO_LAKE_BUCKET']}"
    return Program(
        "s3",
        (
            *(str(VENV_BIN / "weed"), "-logtostderr=true", "mini"),
            *(f"-dir={layout.s3_dir}", f"-bucket={buckets}"),
            *(f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false"),
            f"-s3.config={layout.s3_config}",
            *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-s3.port={ports['s3']}", f"-s3.port.grpc={ports['s3-grpc']}"),
            *(f"-master.port={ports['s3-master']}", f"-master.port.grpc={ports['s3-master-grpc']}"),
            *(f"-volume.port={ports['s3-volume']}", f"-volume.port.grpc={ports['s3-volume-grpc']}"),
            *(f"-filer.port={ports['s3-filer']}", f"-filer.port.grpc={ports['s3-filer-grpc']}"),
            *(f"-admin.port={ports['s3-admin']}", f"-admin.port.grpc={admin_grpc}"),
            f"-filer.localSocket={layout.run_dir / 'filer.sock'}",
            f"-s3.localSocket={layout.run_dir / 's3.sock'}",
        ),
        # These keys close the filer's and the volume server's own HTTP ports to whoever else is on
        # this machine: without a token from the S3 gateway they answer 401.
        environment={
            "WEED_JWT_SIGNING_KEY": "SEAWEED_SIGNING_KEY",
            "WEED_JWT_SIGNING_READ_KEY": "SEAWEED_SIGNING_KEY",
            "WEED_JWT_FILER_SIGNING_KEY": "SEAWEED_SIGNING_KEY",
            "WEED_JWT_FILER_SIGNING_READ_KEY": "SEAWEED_SIGNING_KEY",
        },
        stop_wait_s=15,
    )


def _user_code(plan: Plan, definitions: str) -> Program:
    """Return the code server.

    The server of `dagster api grpc` and not that of `dagster code-server start`: the latter is a
    proxy before the same server which it does not start again when that dies, and one more import
    of Dagster. Runs are in the group of this process: a stop reaches them too, so that each cleans
    up after itself.
    """
    port = str(plan.ports["user-code"])
    return Program(
        "user-code",
        _module(
            *("code_server", "-m", definitions),
            *("--host", LOOPBACK, "--port", port, "--use-python-environment-entry-point"),
        ),
        stop_wait_s=30,
        start_s=5,
        is_stopped_as_group=True,
    )


def _webserver_command(plan: Plan) -> tuple[str, ...]:
    port = str(plan.ports["webserver"])
    return (str(VENV_BIN / "dagster-webserver"), "-h", LOOPBACK, "-p", port, "-w", str(WORKSPACE))


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(VENV_BIN / "python"), "-m", f"services.dagster.{name}", *arguments)


def _escaped(value: str) -> str:
    return value.replace("%", "%%")
