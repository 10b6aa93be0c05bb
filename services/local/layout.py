"""Where a stack keeps its files: one state directory, and one short directory for its socket.

What belongs here: paths. What does not: their contents, written by `settings`, `programs`, `stack`.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.local.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_STATE_DIR = CHECKOUT / ".local"
POSTGRES_OS_USER = "postgres"


@dataclass(frozen=True)
class Layout:
    """Paths of one stack; `state_dir` is absolute and resolved, so it names the stack."""

    state_dir: Path

    @classmethod
    def of(cls, state_dir: Path | str) -> "Layout":
        """Return the layout of a state directory, which need not exist."""
        return cls(Path(state_dir).expanduser().resolve())

    @property
    def key(self) -> str:
        """Twelve hex digits that tell this stack from others on the machine."""
        return hashlib.sha256(str(self.state_dir).encode()).hexdigest()[:12]

    @property
    def run_dir(self) -> Path:
        """Directory of the supervisor's socket: short, as a socket path may have 107 bytes."""
        return Path("/tmp") / f"spatial-etl-{self.key}"  # noqa: S108 - owner and mode are checked

    @property
    def socket(self) -> Path:
        """Control socket of the supervisor."""
        return self.run_dir / "supervisor.sock"

    @property
    def pid_file(self) -> Path:
        """Process id of the supervisor."""
        return self.run_dir / "supervisord.pid"

    @property
    def supervisor_conf(self) -> Path:
        """Configuration of the supervisor; holds no secret."""
        return self.state_dir / "supervisord.conf"

    @property
    def stack_env(self) -> Path:
        """Settings of the stack as KEY=VALUE lines."""
        return self.state_dir / "stack.env"

    def identity_env(self, identity: str) -> Path:
        """Return the settings of a user who is not the pipeline, as KEY=VALUE lines."""
        return self.state_dir / f"{identity}.env"

    @property
    def s3_config(self) -> Path:
        """Identities of the S3 server and what each may do."""
        return self.state_dir / "s3.json"

    @property
    def secrets(self) -> Path:
        """Generated passwords, also those no client needs."""
        return self.state_dir / "secrets.json"

    @property
    def plan(self) -> Path:
        """Ports and given endpoints of the last `up`."""
        return self.state_dir / "plan.json"

    @property
    def log_dir(self) -> Path:
        """One log a service."""
        return self.state_dir / "log"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the stack."""
        return self.state_dir / "dagster_home"

    @property
    def work_dir(self) -> Path:
        """Work folders of runs."""
        return self.state_dir / "work"

    @property
    def s3_dir(self) -> Path:
        """Data of the S3 server."""
        return self.state_dir / "s3"

    @property
    def mongo_dir(self) -> Path:
        """Data of the Mongo server."""
        return self.state_dir / "mongo"

    @property
    def lock(self) -> Path:
        """Lock of `up` and `down`."""
        return self.state_dir / "lock"

    def log(self, service: str) -> Path:
        """Return the log of a service."""
        return self.log_dir / f"{service}.log"

    def postgres_dir(self, cluster: str) -> Path:
        """Return the data directory of a PostgreSQL cluster."""
        return self.postgres_root() / cluster

    def postgres_root(self) -> Path:
        """Return the parent of the clusters: the state directory where the server can reach it."""
        if os.geteuid() != 0 or _is_traversable_by_postgres(self.state_dir):
            return self.state_dir
        return Path("/var/lib/postgresql") / f"spatial-etl-{self.key}"

    @property
    def _private_dirs(self) -> tuple[Path, ...]:
        return (self.log_dir, self.dagster_home, self.work_dir, self.s3_dir, self.mongo_dir)

    def create(self) -> None:
        """Create the directories; the private ones are the owner's alone."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        for directory in self._private_dirs:
            directory.mkdir(mode=0o700, exist_ok=True)
        self.run_dir.mkdir(mode=0o700, exist_ok=True)
        status = self.run_dir.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise StackError(
                f"{self.run_dir} must be a directory of this user with mode 700, and is not: "
                "remove it and try again"
            )

    def remove(self) -> None:
        """Delete what a stack leaves in its state directory, and nothing else there."""
        clusters = (self.postgres_dir("postgis"), self.postgres_dir("dagster-postgres"))
        for directory in (*self._private_dirs, *clusters):
            shutil.rmtree(directory, ignore_errors=True)
        files = (self.supervisor_conf, self.s3_config, self.secrets, self.plan, self.lock)
        for file in (*files, *self.state_dir.glob("*.env")):
            file.unlink(missing_ok=True)
        for parent in {self.state_dir, self.postgres_root()}:
            if parent.exists() and not any(parent.iterdir()):
                parent.rmdir()


def _is_traversable_by_postgres(directory: Path) -> bool:
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    check = subprocess.run(
        ["test", "-x", str(nearest)],
        user=POSTGRES_OS_USER,
        group=POSTGRES_OS_USER,
        extra_groups=[],
        check=False,
    )
    return check.returncode == 0
