"""A short chaos and short outages, each on a stack of its own; `tests.chaos` has the long ones."""

from pathlib import Path

import pytest

from tests.chaos.chaos import Chaos
from tests.chaos.outages import Outages
from tests.chaos.stream import KINDS
from tests.crash.audit import Audit

TRIALS, SEED, PATIENCE_S = 20, 6, 600


@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_half_or_left_whatever_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    with Chaos(tmp_path / "state", SEED, said.append) as chaos:
        outcome = chaos.run(TRIALS, PATIENCE_S)
    assert outcome.audit == Audit(), "\n".join(said)
    assert len(outcome.trials) == TRIALS
    assert outcome.drops > TRIALS // 2


# What the sensor and the daemon need: the outages that runs see are in tests/integration.
AWAY, AWAY_S = ("mongo", "dagster-postgres"), 4


@pytest.mark.timeout(600)
def test_sensor_and_daemon_recover_by_themselves_from_outages(tmp_path: Path) -> None:
    said: list[str] = []
    few = [kind for kind in KINDS if kind.name in ("points", "bad")]
    with Outages(tmp_path / "state", SEED, said.append, few) as outages:
        done, audit = outages.run(AWAY, AWAY_S, PATIENCE_S)
    assert audit == Audit(), "\n".join(said)
    assert [item.server for item in done] == list(AWAY)
