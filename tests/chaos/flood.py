"""A flood: drop many small manifests at once, and watch how they are worked off.

What it shows: manifests a minute, what was where over time, the peak memory of each service,
and what an audit finds. Everything runs on a stack of its own, with the settings a user has.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.chaos.ground import Ground, Say
from tests.chaos.stream import KINDS
from tests.crash.audit import FINAL, Audit

AT_ONCE = 8
SAMPLE_S = 2.0
SHOWN = 15
MIB = 1024 * 1024
LEDGER = ("unclaimed", "received", "queued", "working", "answered")
DAGSTER = ("runs queued", "runs started")
DAGSTER_STATES = {"QUEUED": "runs queued", "STARTING": "runs started", "STARTED": "runs started"}


@dataclass(frozen=True)
class Sample:
    """What was where, some seconds after the first manifest was dropped."""

    seconds: float
    counts: Counter[str]


@dataclass(frozen=True)
class Outcome:
    """What a flood showed; `seconds` from the first manifest to the last answer."""

    drops: int
    seconds: float
    samples: list[Sample]
    peak_bytes: dict[str, int]
    audit: Audit

    @property
    def answered(self) -> int:
        """How many drops had their answer in the end."""
        return self.samples[-1].counts["answered"]

    @property
    def is_answered(self) -> bool:
        """Whether all had."""
        return self.answered == self.drops


class Flood(Ground):
    """One flood on one stack."""

    def __init__(self, state_dir: Path, say: Say) -> None:
        super().__init__(state_dir, 1, say, {})

    def run(self, drops: int, patience_s: float) -> Outcome:
        """Drop `drops` manifests at once, and watch until all are answered or patience ends."""
        self.learn(patience_s)
        ready = [self.stream.prepare(KINDS[0]) for _ in range(drops)]
        before = self.ledger.manifests.count_documents({})
        started = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda drop: drop(), ready))
        self.say(f"{drops} manifests dropped in {time.monotonic() - started:.1f} s")
        samples, peaks = [], Counter[str]()
        while True:
            seconds = time.monotonic() - started
            samples.append(Sample(seconds, self._counts(before, drops)))
            peaks |= self.processes.memory_bytes()
            self.say(f"{seconds:6.0f} s  {dict(samples[-1].counts)}")
            if samples[-1].counts["answered"] >= drops or seconds > patience_s:
                break
            time.sleep(SAMPLE_S)
        self.wait_for_quiet(max(patience_s - seconds, 0))
        return Outcome(drops, seconds, samples, dict(peaks), self.reap_and_audit())

    def _counts(self, before: int, drops: int) -> Counter[str]:
        found = self.ledger.manifests.aggregate([{"$group": {"_id": "$status", "n": {"$sum": 1}}}])
        statuses = {document["_id"]: document["n"] for document in found}
        counts = Counter({name: statuses.get(name, 0) for name in ("received", "queued")})
        counts["working"] = statuses.get("running", 0) + statuses.get("publishing", 0)
        counts["answered"] = sum(statuses.get(name, 0) for name in FINAL) - before
        counts["unclaimed"] = drops + before - sum(statuses.values())
        return counts + self._dagster_counts()

    def _dagster_counts(self) -> Counter[str]:
        names = ("HOST", "PORT", "USER", "PASSWORD")
        place = {name.lower(): self.settings[f"DAGSTER_POSTGRES_{name}"] for name in names}
        connection = psycopg2.connect(**place, dbname=self.settings["DAGSTER_POSTGRES_DB"])
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT status, count(*) FROM runs GROUP BY status")
                rows = cursor.fetchall()
        finally:
            connection.close()
        counts = Counter[str]()
        for status, count in rows:
            if status in DAGSTER_STATES:
                counts[DAGSTER_STATES[status]] += count
        return counts


def report(outcome: Outcome) -> list[str]:
    """Return the tables."""
    columns = (*LEDGER, *DAGSTER)
    step = max(len(outcome.samples) // SHOWN, 1)
    shown = outcome.samples[::step]
    if shown[-1] is not outcome.samples[-1]:
        shown.append(outcome.samples[-1])
    lines = [f"{'seconds':>8} " + " ".join(f"{name:>12}" for name in columns)]
    lines += [
        f"{sample.seconds:8.0f} " + " ".join(f"{sample.counts[name]:12}" for name in columns)
        for sample in shown
    ]
    deepest = max(sample.counts["queued"] for sample in outcome.samples)
    lines += [
        f"{outcome.answered} of {outcome.drops} answered in {outcome.seconds:.0f} s: "
        f"{outcome.answered / outcome.seconds * 60:.1f} manifests a minute",
        f"at most {deepest} queued at once",
        "peak memory (proportional set size)",
        *(
            f"  {name:18} {size / MIB:8.0f} MiB"
            for name, size in sorted(outcome.peak_bytes.items())
        ),
    ]
    return lines
