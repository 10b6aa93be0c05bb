"""Receipts, phases and facts in words.

What belongs here: rendering that `submit`, `explain` and `show` share. What does not: getting them.
"""

from collections.abc import Iterable, Mapping

from libs.models.receipt import PhaseRecord, Receipt
from libs.models.version import TableVersion, Warn
from services.cli.output import clean, fields, moment, reason_pairs, size, span, table

SHORT_HASH = 12


def receipt_lines(receipt: Receipt, lake_bucket: str) -> list[str]:
    """Return an answer: what was published, or why nothing was."""
    took = (receipt.answered_at - receipt.received_at).total_seconds()
    pairs = [("answered", f"{moment(receipt.answered_at)}, after {span(max(took, 0))}")]
    if receipt.note:
        pairs.append(("note", receipt.note))
    if receipt.reason:
        pairs += reason_pairs(receipt.reason)
    if receipt.run_url:
        pairs.append(("run", receipt.run_url))
    return [
        headline(receipt),
        *fields(pairs),
        *file_lines(receipt.tables, lake_bucket),
        *warning_lines(receipt.warnings),
    ]


def headline(receipt: Receipt) -> str:
    """Return the status and the version or dataset it is about."""
    name = receipt.dataset_id or receipt.batch_id or receipt.manifest
    version = f"@{receipt.version}" if receipt.version is not None else ""
    return clean(f"{receipt.status} {name}{version}")


def file_lines(tables: Iterable[TableVersion], lake_bucket: str) -> list[str]:
    """Return a line for each published file."""
    rows = [
        (item.name, f"{item.rows}", output.format, size(output.size_bytes),
         f"s3://{lake_bucket}/{output.key}")
        for item in tables
        for output in item.outputs
    ]  # fmt: skip
    if not rows:
        return []
    return [f"  {line}" for line in table(("TABLE", "ROWS>", "FORMAT", "SIZE>", "FILE"), rows)]


def warning_lines(warnings: Iterable[Warn]) -> list[str]:
    """Return a line for each warning."""
    return [clean(f"  warning  {item.code}{_place(item)}: {item.message}") for item in warnings]


def _place(item: Warn) -> str:
    place = ", layer ".join(text for text in (item.file, item.layer) if text)
    return f" ({place})" if place else ""


def phase_line(phase: PhaseRecord, *, is_over: bool) -> str:
    """Return a phase with its seconds and facts; `is_over` where its attempt has ended."""
    if phase.seconds is not None:
        took = f"{phase.seconds:.2f} s"
    else:
        took = "stopped" if is_over else "runs"
    return clean(f"{phase.name:9}  {took:>9}  {facts_text(phase.facts)}".rstrip())


def facts_text(facts: Mapping[str, int | float | str]) -> str:
    """Return facts in words, sizes and hashes short."""
    return ", ".join(_fact(name, value) for name, value in facts.items())


def _fact(name: str, value: float | str) -> str:
    if name.endswith("size_bytes") and isinstance(value, int):
        return size(value)
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{name.removesuffix('_bytes').replace('_', ' ')} {size(value)}"
    if name.endswith("_hash") and isinstance(value, str):
        value = value[:SHORT_HASH]
    return f"{name.replace('_', ' ')} {value}"
