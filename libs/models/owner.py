"""Which process holds something, and whether it can be proved to be gone.

What belongs here: naming a process so that no later one is taken for it, and the mark a run leaves
on what it makes. What does not: what follows from its end (`libs.pipeline.attempts`,
`libs.pipeline.proof`).
"""

import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Standing = Literal["alive", "gone", "elsewhere"]

PROC = Path("/proc")
# Fields of /proc/<pid>/stat after the command's closing parenthesis (proc(5)): state, start time.
STATE_FIELD, STARTED_FIELD = 0, 19
ENDED_STATES = ("Z", "X")


class Owner(BaseModel):
    """A process: where it lives, and when it was started, as process ids are used again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started_ticks: int

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the process that asks."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            boot_id=(PROC / "sys/kernel/random/boot_id").read_text().strip(),
            pid_namespace=str((PROC / "self/ns/pid").readlink()),
            pid=pid,
            started_ticks=_started_ticks(pid) or 0,
        )

    def standing(self) -> Standing:
        """Tell whether the process lives, as far as this process can see.

        `elsewhere` is another machine, another boot or another container: nothing can be said. A
        stopped process is alive.
        """
        here = Owner.this_process()
        places = ((o.host, o.boot_id, o.pid_namespace) for o in (self, here))
        if len(set(places)) > 1:
            return "elsewhere"
        return "alive" if _started_ticks(self.pid) == self.started_ticks else "gone"

    def __str__(self) -> str:
        """Return the process in words."""
        return f"process {self.pid} on {self.host}"


class RunMark(BaseModel):
    """Whose an ephemeral schema or a work folder is: the schema's comment, the folder's file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    drop_id: str | None = None
    attempt: int | None = None
    ledger: str
    owner: Owner
    made_at: datetime


def _started_ticks(pid: int) -> int | None:
    """Return when a process was started, in ticks since boot; None where it does not run."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE_FIELD] in ENDED_STATES else int(fields[STARTED_FIELD])
