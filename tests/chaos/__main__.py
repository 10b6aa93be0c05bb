"""`make chaos N=200`: kill at random, and print what was hit and what was found afterwards.

With `--outages`, stop each server for some seconds instead; with `--flood N`, drop N manifests at
once and watch.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos import flood, outages
from tests.chaos.chaos import Chaos, Outcome
from tests.crash.audit import Audit

PHASES = ("intake", "fetch", "load", "transform", "check", "dump", "publish", "none")


def main() -> int:
    """Run a chaos, outages or a flood; 0 where nothing was lost, duplicate, half or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience-s", type=float, default=900)
    parser.add_argument("--outages", action="store_true", help="stop servers instead of killing")
    parser.add_argument("--server", choices=outages.SERVERS, help="stop this one only")
    parser.add_argument("--seconds", type=float, default=30, help="how long an outage lasts")
    parser.add_argument("--flood", type=int, metavar="N", help="drop N manifests at once instead")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell lets what it starts in the background ignore the first; the second would leave the
        # stack behind.
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    state_dir = Path(tempfile.mkdtemp(prefix="spatial-etl-chaos-")) / "state"
    is_answered = True
    if options.outages:
        with outages.Outages(state_dir, options.seed, say) as ground:
            done, audit = ground.run(
                [options.server] if options.server else outages.SERVERS,
                options.seconds,
                options.patience_s,
            )
        lines = outages.report(done, options.seconds)
    elif options.flood:
        with flood.Flood(state_dir, say) as ground:
            seen = ground.run(options.flood, options.patience_s)
        lines, audit, is_answered = flood.report(seen), seen.audit, seen.is_answered
    else:
        with Chaos(state_dir, options.seed, say) as ground:
            outcome = ground.run(options.trials, options.patience_s)
        lines, audit = report(outcome, options.seed), outcome.audit
    print("\n".join([*lines, *audit_lines(audit)]))
    return 0 if is_answered and audit.is_clean else 1


def say(text: str) -> None:
    """Print a line of progress to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def report(outcome: Outcome, seed: int) -> list[str]:
    """Return the table of what was hit when."""
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
    return lines


def audit_lines(audit: Audit) -> list[str]:
    """Return what the audit found."""
    lines = []
    for name in ("lost", "duplicate", "half", "leaked"):
        found = getattr(audit, name)
        lines.append(f"{name} {len(found)}")
        lines += [f"  {item}" for item in found]
    return lines


if __name__ == "__main__":
    sys.exit(main())
