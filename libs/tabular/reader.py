"""What a reader of tables must be able to do.

A table is read twice: the survey reads all of it and says what it holds, so that the table in
PostGIS can be planned; then its batches are read. Neither keeps more than a batch in memory. The
rows that the survey counted are compared with the rows that arrived.

Rows are counted from 1; a header is not counted.

What belongs here: the interface. What does not: formats (a module each) or tables in PostGIS
(`libs.pipeline.kinds.tabular`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from libs.models.errors import SourceError
from libs.models.version import Warn

MIB = 1024 * 1024
BATCH_ROWS = 16_384
BATCH_BYTES = 8 * MIB


@dataclass(frozen=True)
class ReadOrder:
    """A file to read and how; `file` and `layer` are what a user calls it."""

    path: Path
    file: str
    layer: str
    encoding: str | None = None
    delimiter: str | None = None
    declared: Mapping[str, str] = field(default_factory=dict)
    guess_types: bool = False
    keep_bad_rows: bool = False
    max_record_bytes: int = 16 * MIB

    def refusal(
        self, code: str, message: str, *, remedy: str, row: int | None = None
    ) -> SourceError:
        """Return an error that names this table."""
        return SourceError(
            f"source.{code}", message, remedy=remedy, file=self.file, layer=self.layer, row=row
        )

    def warn(self, code: str, message: str) -> Warn:
        """Return a warning that names this table."""
        return Warn(code=code, message=message, file=self.file, layer=self.layer)


@dataclass(frozen=True)
class FoundColumn:
    """A column; where `type` is None, `kinds` of its values decide (`types.resolve`).

    `mixed` is the type of a column whose values have no common one.
    """

    name: str
    type: str | None = None
    kinds: frozenset[str] = frozenset()
    mixed: str = "text"


@dataclass(frozen=True)
class Survey:
    """What reading all of a table found."""

    columns: tuple[FoundColumn, ...]
    rows: int
    warnings: tuple[Warn, ...] = ()


class TableReader(ABC):
    """One table of a file."""

    def __init__(self, order: ReadOrder) -> None:
        self.order = order

    @abstractmethod
    def survey(self) -> Survey:
        """Read all of the table; raises `SourceError` where it cannot be read as it should."""

    @abstractmethod
    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, the columns of the survey in `types`; call `survey` before.

        Raises `SourceError` naming row, column and value where one does not fit its type.
        """
