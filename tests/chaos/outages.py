"""Outages: each server is stopped while runs work, stays away, and comes back.

Drops keep coming meanwhile, as far as the S3 server takes them.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.local.supervision import Supervisor
from tests.chaos.ground import DOWN, Ground, Say
from tests.chaos.stream import KINDS, Kind
from tests.crash.audit import Audit

SERVERS = ("s3", "mongo", "postgis", "dagster-postgres")
SETTINGS = {"SPATIAL_ETL_SENSOR_INTERVAL_S": "1"}
WAIT_FOR_WORK_S = 60.0
INTO_WORK_S = 0.7


@dataclass(frozen=True)
class Outage:
    """One outage: who was away, what it hit, what it cost, when all was answered again."""

    server: str
    phases: tuple[str, ...]
    drops: int
    attempts: int
    seconds_after: float


class Outages(Ground):
    """Outages of every server of one stack, with the settings a user has."""

    def __init__(self, state_dir: Path, seed: int, say: Say, kinds: Sequence[Kind] = KINDS) -> None:
        super().__init__(state_dir, seed, say, SETTINGS, kinds)
        self._supervisor = Supervisor(self.layout)

    def run(
        self, servers: Iterable[str], seconds: float, patience_s: float
    ) -> tuple[list[Outage], Audit]:
        """Stop each of `servers` for `seconds` in the middle of runs, and audit at the end."""
        self.learn(patience_s)
        done = [self._outage(server, seconds, patience_s) for server in servers]
        return done, self.reap_and_audit()

    def _outage(self, server: str, seconds: float, patience_s: float) -> Outage:
        drops, attempts = len(self.stream.dropped), self.attempts()
        for kind in self.stream.kinds:
            self.stream.drop(kind)
        self.wait_for_work(WAIT_FOR_WORK_S)
        time.sleep(INTO_WORK_S)
        phases = self.phases()
        self._supervisor.stop([server])
        self.say(f"{server} is away for {seconds:g} s during {', '.join(phases) or 'no phase'}")
        until = time.monotonic() + seconds
        self._drop_if_possible()
        time.sleep(max(until - time.monotonic(), 0))
        self._supervisor.start(server)
        back = time.monotonic()
        self.wait_for_quiet(patience_s)
        return Outage(
            server=server,
            phases=phases,
            drops=len(self.stream.dropped) - drops,
            attempts=self.attempts() - attempts,
            seconds_after=time.monotonic() - back,
        )

    def _drop_if_possible(self) -> None:
        """Drop while a server is away; without the S3 server a user cannot."""
        try:
            self.stream.drop()
        except DOWN as err:
            self.say(f"a user could not drop: {type(err).__name__}")


def report(outages: list[Outage], seconds: float) -> list[str]:
    """Return the table of outages."""
    head = f"{'stopped':18} {'drops':>5} {'attempts':>8} {'answered after':>14}  during"
    lines = [f"each server stopped for {seconds:g} s", head]
    lines += [
        f"{item.server:18} {item.drops:5} {item.attempts:8} {item.seconds_after:12.1f} s  "
        f"{', '.join(item.phases) or 'no phase'}"
        for item in outages
    ]
    return lines
