"""Values of a DBF that a user must be told of: how many, and where the first ones are.

What belongs here: counting and showing places. What does not: why a value is told of (`dbf_text`,
`dbf_values`).
"""

from dataclasses import dataclass, field

MAX_PLACES = 5
MAX_SHOWN_BYTES = 40


@dataclass(frozen=True)
class Place:
    """A value; `row` is counted from 1 with deleted records, 0 for the name of the column."""

    row: int
    column: str
    value: bytes

    def __str__(self) -> str:
        """Return row, column and bytes."""
        where = f"row {self.row}, column {self.column!r}" if self.row else "a column's name"
        return f"{where}: {self.shown}"

    @property
    def shown(self) -> str:
        """The bytes as text, those that are not printable ASCII as escapes."""
        return repr(self.value[:MAX_SHOWN_BYTES])[1:]


@dataclass
class Places:
    """A growing number of places, of which the first are kept."""

    count: int = 0
    first: list[Place] = field(default_factory=list)

    def add(self, place: Place) -> None:
        """Count a place."""
        self.count += 1
        if len(self.first) < MAX_PLACES:
            self.first.append(place)

    def __str__(self) -> str:
        """Return the first places."""
        return "; ".join(map(str, self.first))
