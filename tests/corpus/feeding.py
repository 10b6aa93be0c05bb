"""Feed drops to a running service, many at a time, and collect the answers.

What belongs here: the user's side of the landing zone. What does not: starting the service
(`service`), judging the answers (`verdicts`).
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.corpus.drops import Drop
from tests.support import LandingUser

POLL_S = 0.3


@dataclass(frozen=True)
class Answer:
    """What became of a drop; `receipt` is None where none came in time."""

    drop: Drop
    name: str
    paths: dict[str, str]
    receipt: dict[str, Any] | None
    seconds: float

    @property
    def status(self) -> str:
        """The receipt's word, or that there is none."""
        return self.receipt["status"] if self.receipt else "no answer"

    @property
    def reason(self) -> dict[str, Any]:
        """The receipt's reason; empty where there is none."""
        return (self.receipt or {}).get("reason") or {}


@dataclass(frozen=True)
class _Waiting:
    drop: Drop
    paths: dict[str, str]
    since: float


def feed(
    user: LandingUser, drops: Iterable[Drop], *, prefix: str, at_once: int, timeout_s: float
) -> Iterator[Answer]:
    """Yield the answer of each drop as it comes; `at_once` drops are in flight."""
    waiting: dict[str, _Waiting] = {}
    numbered = enumerate(drops)
    is_more = True
    while is_more or waiting:
        while is_more and len(waiting) < at_once:
            number, drop = next(numbered, (0, None))
            if drop is None:
                is_more = False
            else:
                name = f"{prefix}-{number:05}"
                waiting[name] = _put(user, name, drop)
        yield from _answered(user, prefix, waiting, timeout_s)
        time.sleep(POLL_S)


def put_files(user: LandingUser, name: str, drop: Drop) -> dict[str, str]:
    """Upload the files of a drop; return where each lies here by its path in a manifest."""
    return {user.put(f"uploads/{name}/{drop.key(file)}", file): str(file) for file in drop.files}


def _put(user: LandingUser, name: str, drop: Drop) -> _Waiting:
    paths = put_files(user, name, drop)
    user.drop(name, drop.manifest(name, list(paths)))
    return _Waiting(drop, paths, time.monotonic())


def _answered(
    user: LandingUser, prefix: str, waiting: dict[str, _Waiting], timeout_s: float
) -> list[Answer]:
    found = user.client.list_objects(user.bucket, prefix=f"receipts/{prefix}-")
    names = [(item.object_name or "")[len("receipts/") : -len(".json")] for item in found]
    answers = []
    for name in [name for name in names if name in waiting]:
        entry = waiting.pop(name)
        seconds = time.monotonic() - entry.since
        receipt = user.read_json(f"receipts/{name}.json")
        answers.append(Answer(entry.drop, name, entry.paths, receipt, seconds))
    now = time.monotonic()
    for name in [name for name, entry in waiting.items() if now - entry.since > timeout_s]:
        entry = waiting.pop(name)
        answers.append(Answer(entry.drop, name, entry.paths, None, now - entry.since))
    return answers
