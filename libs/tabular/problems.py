"""Rows with something wrong: counted, the first ones remembered.

What belongs here: counting, and the words for what was counted. What does not: deciding what is
wrong (the readers) or what follows (`options.bad_rows`).
"""

from dataclasses import dataclass, field

SHOWN = 5


@dataclass
class Tally:
    """How many rows have a problem, and the first of them."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    last: int | None = None

    def add(self, row: int) -> None:
        """Count a row; rows come in ascending order, one is counted once."""
        if row == self.last:
            return
        self.last = row
        self.count += 1
        if len(self.rows) < SHOWN:
            self.rows.append(row)

    def take(self, later: "Tally") -> None:
        """Count the rows of another, all of which come later."""
        if later.last is not None:
            self.last = later.last
            self.count += later.count
            self.rows += later.rows[: SHOWN - len(self.rows)]

    @property
    def first(self) -> int | None:
        """The first row; None where it is the header."""
        return self.rows[0] or None

    @property
    def shown(self) -> str:
        """`3 rows (1, 7, 12)`; the header is row 0."""
        names = ", ".join("header" if row == 0 else str(row) for row in self.rows)
        more = ", …" if self.count > len(self.rows) else ""
        return f"{self.count} {'row' if self.count == 1 else 'rows'} ({names}{more})"
