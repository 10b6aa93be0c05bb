"""How data and messages look: aligned tables, JSON, sizes, times, progress.

What belongs here: form. What does not: content, which each command makes.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from libs.models.errors import Reason

Json = dict[str, Any] | list[Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

KIB = 1024
MINUTE_S = 60
REDRAW_S = 0.1


def say(text: str) -> None:
    """Print a message to stderr."""
    click.echo(text, err=True)


def say_reason(reason: Reason) -> None:
    """Print why something was not done to stderr."""
    (_, code), *pairs = reason_pairs(reason)
    say("\n".join([f"error: {code}", *fields(pairs)]))


def reason_pairs(reason: Reason) -> list[tuple[str, str]]:
    """Return code, place, message and remedy with their names."""
    parts = (
        reason.file,
        f"layer {reason.layer}" if reason.layer is not None else None,
        f"row {reason.row}" if reason.row is not None else None,
    )
    place = ", ".join(part for part in parts if part)
    pairs = [
        ("code", reason.code),
        ("where", place),
        ("what", reason.message),
        ("remedy", reason.remedy),
    ]
    return [(name, value) for name, value in pairs if value]


def print_json(document: Json) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    for line in lines:
        click.echo(line)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return lines of aligned columns; a head that ends in `>` aligns its column to the right."""
    names = [head.removesuffix(">") for head in heads]
    cells = [names, *[[clean(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return [
        "  ".join(
            text.rjust(width) if head.endswith(">") else text.ljust(width)
            for head, text, width in zip(heads, row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def fields(pairs: Iterable[tuple[str, str]], indent: int = 2) -> list[str]:
    """Return `name  value` lines, the values aligned."""
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0)
    return [f"{'':{indent}}{name:{width}}  {clean(value)}".rstrip() for name, value in pairs]


def clean(text: str) -> str:
    """Return `text` on one line, without characters that steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def size(size_bytes: int) -> str:
    """Return a size for people."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < KIB:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= KIB
    return f"{amount:.1f} TiB"


def moment(when: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


class Progress:
    """How far a transfer is, on one line of stderr; silent where stderr is no terminal."""

    def __init__(self, label: str, total_bytes: int) -> None:
        self.label, self.total_bytes = label, total_bytes
        self.done_bytes = 0
        self._is_shown = sys.stderr.isatty()
        self._drawn_at = 0.0

    def set_meta(self, object_name: str, total_length: int) -> None:
        """Take what the minio client tells before a transfer; known already."""

    def update(self, length: int) -> None:
        """Count `length` more bytes."""
        self.done_bytes += length
        if self._is_shown and time.monotonic() - self._drawn_at >= REDRAW_S:
            self._drawn_at = time.monotonic()
            share = self.done_bytes / self.total_bytes if self.total_bytes else 1.0
            click.echo(f"\r\x1b[K{self.label}  {share:4.0%} of {size(self.total_bytes)}",
                       err=True, nl=False)  # fmt: skip

    def close(self) -> None:
        """Take the line away."""
        if self._is_shown and self._drawn_at:
            click.echo("\r\x1b[K", err=True, nl=False)
