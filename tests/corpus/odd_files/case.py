"""A case of the corpus: files that are odd in one way, and the answer the service owes them.

What belongs here: the form of a case and the registry. What does not: any case.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from math import isclose
from pathlib import Path
from typing import Any

from tests.corpus.drops import Drop

Write = Callable[[Path], Path | list[Path]]


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    status: str
    code: str
    warnings: tuple[str, ...]
    rows: int | None
    bbox: tuple[float, ...] | None


@dataclass(frozen=True)
class Expectation:
    """The answer that is owed: published, or rejected with one of some codes.

    Codes and warnings may end in `*`, and every warning must be there. Where both answers are
    honest, `codes` are given and `may_publish` is true. `bbox` is that of the only table; `cells`
    gives the values of columns as their author knows them.
    """

    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rows: int | None = None
    bbox: tuple[float, ...] | None = None
    cells: dict[str, list[Any]] = field(default_factory=dict)
    may_publish: bool = False

    def judge(self, outcome: Outcome) -> str:
        """Return `met`, or `unmet: ` and what was expected; cells are compared elsewhere."""
        if outcome.status != "published":
            is_met = outcome.status == "rejected" and _matches(outcome.code, self.codes)
            return "met" if is_met else f"unmet: expected {self}"
        if self.codes and not self.may_publish:
            return f"unmet: expected {self}"
        missing = [w for w in self.warnings if not any(_matches(c, (w,)) for c in outcome.warnings)]
        if missing:
            return f"unmet: expected the warning {', '.join(missing)}"
        if self.rows is not None and outcome.rows != self.rows:
            return f"unmet: expected {self.rows} rows, found {outcome.rows}"
        if self.bbox is not None and not _is_near(self.bbox, outcome.bbox):
            return f"unmet: expected the extent {self.bbox}, found {outcome.bbox}"
        return "met"

    def __str__(self) -> str:
        refused = f"rejected with {' or '.join(self.codes)}"
        if not self.codes:
            return "published"
        return f"published or {refused}" if self.may_publish else refused


def _matches(code: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(code, pattern) for pattern in patterns)


def _is_near(wanted: tuple[float, ...], found: tuple[float, ...] | None) -> bool:
    return found is not None and all(
        isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for a, b in zip(wanted, found, strict=True)
    )


@dataclass(frozen=True)
class Case:
    """A named case; `write` makes its files in an empty folder and returns them, the main first."""

    name: str
    write: Write
    expectation: Expectation
    kind: str = "vector"
    is_lean: bool = False
    file_fields: dict[str, Any] = field(default_factory=dict)
    manifest_fields: dict[str, Any] = field(default_factory=dict)

    def drop(self, folder: Path) -> Drop:
        """Make the files in a folder of their own and return their drop."""
        own = folder / self.name
        own.mkdir(parents=True)
        made = self.write(own)
        files = tuple(made) if isinstance(made, list) else (made,)
        return Drop(
            self.name, files, self.kind, own, self.file_fields, self.manifest_fields
        )  # fmt: skip


CASES: dict[str, Case] = {}


def published(*warnings: str, rows: int | None = None) -> Expectation:
    """Expect the data whole in the lake, with these warnings at least."""
    return Expectation(warnings=warnings, rows=rows)


def rejected(*codes: str) -> Expectation:
    """Expect a refusal with one of these codes."""
    return Expectation(codes=codes)


def published_or_rejected(*codes: str, **fields: Any) -> Expectation:
    """Expect either answer: both are honest."""
    return Expectation(codes=codes, may_publish=True, **fields)


def register(name: str, write: Write, expectation: Expectation, **fields: Any) -> None:
    """Register a case."""
    assert name not in CASES, f"two cases are called {name}"
    CASES[name] = Case(name, write, expectation, **fields)


def case(expectation: Expectation, **fields: Any) -> Callable[[Write], Write]:
    """Register the decorated writer as the case that its function is named after."""

    def decorate(write: Write) -> Write:
        register(write.__name__.strip("_").replace("_", "-"), write, expectation, **fields)
        return write

    return decorate
