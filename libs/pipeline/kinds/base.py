"""What a kind of data must be able to do on its way through the phases.

What belongs here: the interface. What does not: the loops over tables and the comparisons that are
the same for all (`libs.pipeline`).
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic

from libs.compute.offenders import Rows
from libs.models.version import Kind as KindName
from libs.models.version import Output, TableVersion, Warn
from libs.pipeline.state import DumpedFile, DumpedTable, Fetched, Loaded, LoadedT, TransformedT
from libs.pipeline.workbench import Workbench


class Kind(ABC, Generic[LoadedT, TransformedT]):
    """A strategy: what differs between kinds of data, a method a phase."""

    name: ClassVar[KindName]

    @abstractmethod
    def load(self, bench: Workbench, fetched: Fetched) -> Loaded:
        """Open the fetched files and bring what they hold to where it is transformed."""

    @abstractmethod
    def transform(
        self, bench: Workbench, loaded: Loaded, table: LoadedT, number: int
    ) -> tuple[TransformedT, list[Warn]]:
        """Return table `number` as it will be published, measured."""

    def rows(self, bench: Workbench, table: TransformedT) -> Rows | None:  # noqa: ARG002
        """Return the rows of a table, for questions about them; None where it has none."""
        return None

    @abstractmethod
    def check(self, bench: Workbench, table: TransformedT) -> tuple[int, list[Warn]]:
        """Compare the hops of a table; return how many comparisons were made."""

    @abstractmethod
    def formats(
        self, table: TransformedT, wanted: tuple[str, ...] | None
    ) -> tuple[list[str], list[Warn]]:
        """Return the formats a table is written in: what was asked for, or what can hold it.

        None asks for the kind's own.
        """

    @abstractmethod
    def write(
        self, bench: Workbench, table: TransformedT, output_format: str, folder: Path
    ) -> tuple[DumpedFile, list[Warn]]:
        """Write a table into `folder` and read the file back."""

    @abstractmethod
    def describe(self, table: DumpedTable, outputs: tuple[Output, ...]) -> TableVersion:
        """Return the table as the version document shows it."""
