"""`make chaos N=200`: kill at random, and print what was hit and what was found afterwards."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.chaos import Chaos, Outcome

PHASES = ("intake", "fetch", "load", "transform", "check", "dump", "publish", "none")


def main() -> int:
    """Run a chaos; 0 where nothing was lost, duplicate, half or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience-s", type=float, default=900)
    options = parser.parse_args()
    state_dir = Path(tempfile.mkdtemp(prefix="spatial-etl-chaos-")) / "state"
    chaos = Chaos(state_dir, options.seed, say)
    try:
        outcome = chaos.run(options.trials, options.patience_s)
    finally:
        chaos.close()
    print("\n".join(report(outcome, options.seed)))
    return 0 if outcome.audit.is_clean else 1


def say(text: str) -> None:
    """Print a line of progress to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def report(outcome: Outcome, seed: int) -> list[str]:
    """Return the table of what was hit when, and what the audit found."""
    hits = Counter(
        (trial.target, phase) for trial in outcome.trials for phase in set(trial.phases) or {"none"}
    )
    trials = Counter(trial.target for trial in outcome.trials)
    lines = [f"{'killed':12} {'trials':>6}  " + " ".join(f"{phase:>9}" for phase in PHASES)]
    for target, count in sorted(trials.items()):
        cells = " ".join(f"{hits[target, phase]:9}" for phase in PHASES)
        lines.append(f"{target:12} {count:6}  {cells}")
    lines.append(
        f"seed {seed}: {len(outcome.trials)} kills, {outcome.drops} drops in "
        f"{outcome.attempts} attempts, {outcome.seconds:.0f} s"
    )
    audit = outcome.audit
    for name in ("lost", "duplicate", "half", "leaked"):
        found = getattr(audit, name)
        lines.append(f"{name} {len(found)}")
        lines += [f"  {item}" for item in found]
    return lines


if __name__ == "__main__":
    sys.exit(main())
