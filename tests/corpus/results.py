"""The table of results: aligned text, CSV and JSON, and a line of totals.

What belongs here: how results look. What does not: how they came about (`verdicts`).
"""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.corpus.verdicts import Result

WIDTH = 60


def line_of(result: Result) -> str:
    """Return a result as a line of text; what is wrong stands on lines below it."""
    rows = "" if result.rows_out is None else f"{result.rows_in} > {result.rows_out}"
    columns = (
        f"{_shortened(result.file):{WIDTH}} {result.answer:10} {result.code:30} {rows:>15} "
        f"{result.seconds:6.1f} {result.compared:16} {' '.join(result.warnings)}"
    )
    below = [*result.details]
    below += [result.expectation] if result.expectation.startswith("unmet") else []
    below += [result.message] if result.answer != "published" and result.message else []
    return "\n".join([columns.rstrip(), *(f"      {text}" for text in below)])


def _shortened(label: str) -> str:
    return label if len(label) <= WIDTH else f"…{label[1 - WIDTH :]}"


def totals(results: Sequence[Result]) -> str:
    """Return the line of totals: by answer, by code, and what is wrong."""
    answers = Counter(result.answer for result in results)
    codes = Counter(result.code for result in results if result.code)
    compared = Counter(result.compared for result in results if result.compared != "-")
    unmet = sum(result.expectation.startswith("unmet") for result in results)
    return (
        f"{len(results)} drops: {_counted(answers)} | {_counted(codes) or 'no codes'} | "
        f"compared: {_counted(compared)} | "
        f"{sum(r.is_crash for r in results)} crashes, "
        f"{sum(r.is_silent_difference for r in results)} silent differences, {unmet} unmet "
        f"expectations"
    )


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counter.most_common())


def save(results: Sequence[Result], path: Path) -> None:
    """Write the results as CSV to `path`, and as JSON beside it."""
    records = [asdict(result) for result in results]
    path.with_suffix(".json").write_text(json.dumps(records, indent=1, ensure_ascii=False))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]) if records else [])
        writer.writeheader()
        for record in records:
            joined = {k: " ".join(v) if isinstance(v, tuple) else v for k, v in record.items()}
            writer.writerow(joined)
