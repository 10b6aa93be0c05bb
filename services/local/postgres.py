"""PostgreSQL clusters of the stack: made with `initdb`, filled by an init script.

What belongs here: what must happen before and right after a server's first start. What does not:
the SQL and the server settings (`services/postgis`, `services/dagster`), starting it (`programs`).
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from services.local.errors import StackError
from services.local.layout import POSTGRES_OS_USER

BIN_DIR = Path("/usr/lib/postgresql/15/bin")
ADMIN = "postgres"
_PRIVATE = 0o700


@dataclass(frozen=True)
class Cluster:
    """One cluster: where it lives, who may administer it, and what makes it ours.

    `init_environment` is what the init script reads with psql's `getenv`.
    """

    data_dir: Path
    host: str
    port: int
    admin_password: str
    init_sql: Path
    init_environment: Mapping[str, str]
    conf: Path | None = None
    is_durable: bool = True

    def prepare(self) -> None:
        """Create the cluster where it does not exist, and install the present server settings."""
        if not (BIN_DIR / "initdb").exists():
            raise StackError(f"{BIN_DIR}/initdb is missing: run services/local/bootstrap.sh")
        if not self.data_dir.exists():
            self._initdb()
        if self.conf is not None:
            installed = self.data_dir / "postgresql.conf"
            installed.write_text(self.conf.read_text())

    def initialise(self) -> None:
        """Run the init script, which leaves alone what is already there."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PGPASSWORD": self.admin_password,
            **self.init_environment,
        }
        command = [
            *("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(self.init_sql)),
            *("-h", self.host, "-p", str(self.port), "-U", ADMIN, "-d", "postgres"),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"{self.init_sql} failed: {done.stderr.strip()}")

    def accepts_admin(self) -> None:
        """Raise psycopg2.OperationalError unless the administrator can log in."""
        psycopg2.connect(
            host=self.host,
            port=self.port,
            user=ADMIN,
            password=self.admin_password,
            dbname="postgres",
            connect_timeout=2,
        ).close()

    def _initdb(self) -> None:
        parent = self.data_dir.parent
        parent.mkdir(parents=True, exist_ok=True)
        draft = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=_PRIVATE)
        password_file = self.data_dir.with_name(self.data_dir.name + ".password")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self.admin_password)
            _give_to_postgres(draft, password_file)
            self._run_initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.data_dir)

    def _run_initdb(self, directory: Path, password_file: Path) -> None:
        command = [
            *(str(BIN_DIR / "initdb"), "-D", str(directory), "--username", ADMIN),
            *("--auth", "scram-sha-256", "--pwfile", str(password_file)),
            *("--encoding", "UTF8", "--lc-collate", "C", "--lc-ctype", "C.UTF-8"),
            *("--locale", "C.UTF-8", "--no-instructions"),
            *(() if self.is_durable else ("--no-sync",)),
        ]
        done = subprocess.run(
            command,
            user=_server_user(),
            group=_server_user(),
            extra_groups=None if _server_user() is None else [],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"initdb of {self.data_dir} failed: {done.stderr.strip()}")


def _server_user() -> str | None:
    """Return the user the server runs as, where that is not this one: it refuses root."""
    return POSTGRES_OS_USER if os.geteuid() == 0 else None


def _give_to_postgres(*paths: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(POSTGRES_OS_USER)
        for path in paths:
            os.chown(path, owner.pw_uid, owner.pw_gid)
