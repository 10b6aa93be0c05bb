"""A short chaos on a stack of its own; `make chaos N=200` is the long one."""

from pathlib import Path

import pytest

from tests.chaos.chaos import Chaos
from tests.crash.audit import Audit

TRIALS, SEED, PATIENCE_S = 20, 6, 600


@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_half_or_left_whatever_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    chaos = Chaos(tmp_path / "state", SEED, said.append)
    try:
        outcome = chaos.run(TRIALS, PATIENCE_S)
    finally:
        chaos.close()
    assert outcome.audit == Audit(), "\n".join(said)
    assert len(outcome.trials) == TRIALS
    assert outcome.drops > TRIALS // 2
