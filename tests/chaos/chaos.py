"""A chaos: drops keep coming, a process is killed at a random moment, again and again.

Everything runs on a stack of its own, on the loopback interface; only its own processes are killed.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.ground import DOWN, POLL_S, Ground, Say, in_progress
from tests.chaos.processes import TARGETS
from tests.crash.audit import Audit

SETTINGS = {
    # A drop may be hit again and again: it must be published all the same.
    "SPATIAL_ETL_MAX_ATTEMPTS": "1000",
    "SPATIAL_ETL_RETRY_BACKOFF_S": "0",
    "SPATIAL_ETL_LEASE_S": "20",
    "SPATIAL_ETL_SENSOR_INTERVAL_S": "1",
}
IN_FLIGHT = 4
LONGEST_PAUSE_S = 3.0
WAIT_FOR_TARGET_S = 5.0
WAIT_FOR_WORK_S = 10.0
DOWN_S = 30.0


@dataclass(frozen=True)
class Trial:
    """One kill: what was hit, and in which phases the drops in flight were."""

    target: str
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a chaos showed."""

    trials: list[Trial]
    drops: int
    attempts: int
    seconds: float
    audit: Audit


class Chaos(Ground):
    """One chaos on one stack."""

    def __init__(self, state_dir: Path, seed: int, say: Say) -> None:
        super().__init__(state_dir, seed, say, SETTINGS)

    def run(self, trials: int, patience_s: float) -> Outcome:
        """Kill `trials` times under a stream of drops, wait until all is quiet, reap and audit."""
        started = time.monotonic()
        self.learn(patience_s)
        done = [self._trial(number, trials) for number in range(1, trials + 1)]
        self.wait_for_quiet(patience_s)
        audit = self.reap_and_audit()
        drops, seconds = len(self.stream.dropped), time.monotonic() - started
        return Outcome(done, drops, self.attempts(), seconds, audit)

    def _trial(self, number: int, trials: int) -> Trial:
        self._fill()
        self.wait_for_work(WAIT_FOR_WORK_S)
        time.sleep(self.rng.uniform(0, LONGEST_PAUSE_S))
        target = self.rng.choice(TARGETS)
        phases: tuple[str, ...] = ()
        until = time.monotonic() + WAIT_FOR_TARGET_S
        while True:
            phases = self.phases() or phases
            if self.processes.kill(target) is not None:
                break
            if time.monotonic() > until:
                target = self.rng.choice(TARGETS)
                until = time.monotonic() + WAIT_FOR_TARGET_S
            time.sleep(POLL_S / 10)
        self.say(f"{number}/{trials}: killed {target} during {', '.join(phases) or 'no phase'}")
        return Trial(target, phases)

    def _fill(self) -> None:
        """Keep some drops in flight; a user tries again while a server is down."""
        until = time.monotonic() + DOWN_S
        while time.monotonic() < until:
            try:
                if self.ledger.manifests.count_documents(in_progress()) < IN_FLIGHT:
                    self.stream.drop()
                    self.stream.drop()
            except DOWN:
                time.sleep(POLL_S)
            else:
                return
