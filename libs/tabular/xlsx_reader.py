"""XLSX: a sheet is a table, its first row that is not empty the header.

A column has a type only where all its cells share one (whole numbers, numbers, booleans, dates,
times); in any other column the values are text, as they are stored: a number's format is not
applied. Formulas give the value that was saved with them. Rows at the end that hold nothing are no
rows; empty rows between others are rows of NULLs.

What belongs here: reading cells. What does not: what the package's XML tells (`xlsx_package`).
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, cast

import pyarrow as pa
from openpyxl.cell.cell import Cell

from libs.compute.tables import column_name
from libs.models.version import Warn
from libs.tabular.header import column_names
from libs.tabular.problems import Tally
from libs.tabular.reader import FoundColumn, ReadOrder, Survey, TableReader
from libs.tabular.values import as_text, column_array, kind_of
from libs.tabular.xlsx_package import Sheet, opened, read_package

BATCH_ROWS = 4096
_NO_CODE = re.compile(r'\[[^\]]*\]|"[^"]*"|\\.')


@dataclass
class _Facts:
    """What the survey found in a sheet."""

    header_row: int = 0
    header: list[Any] = field(default_factory=list)
    rows: int = 0
    kinds: list[set[str]] = field(default_factory=list)
    errors: Tally = field(default_factory=Tally)
    uncached: Tally = field(default_factory=Tally)


class XlsxReader(TableReader):
    """A sheet."""

    def __init__(self, order: ReadOrder, sheet: Sheet) -> None:
        super().__init__(order)
        self._sheet = sheet
        self._facts = _Facts()
        self._names: list[str] = []

    def survey(self) -> Survey:
        """Read all cells."""
        self._facts = facts = _Facts()
        for number, cells in self._rows():
            values = [_value(cell) for cell in cells]
            if not facts.header_row:
                facts.header_row = number
                facts.header = values
                continue
            row = number - facts.header_row
            facts.rows = row
            self._see(row, cells, values)
        if not facts.header_row:
            return Survey((), 0, (self.order.warn("source.empty_sheet", "The sheet is empty."),))
        if self._sheet.has_formulas:
            self._find_uncached()
        width = max(len(facts.header), len(facts.kinds))
        found = [*facts.header, *[None] * (width - len(facts.header))]
        self._names, renamed = column_names(self.order, [_header(value) for value in found])
        facts.kinds += [set() for _ in range(width - len(facts.kinds))]
        columns = tuple(
            FoundColumn(name, self.order.declared.get(name), frozenset(kinds))
            for name, kinds in zip(self._names, facts.kinds, strict=True)
        )
        return Survey(columns, facts.rows, (*renamed, *self._warnings()))

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        rows = self._data_rows()
        first = 1
        while held := list(islice(rows, BATCH_ROWS)):
            arrays = [
                column_array(self.order, name, values, type_, first, _shown)
                for name, values, type_ in zip(
                    self._names, zip(*held, strict=True), types, strict=True
                )
            ]
            yield pa.RecordBatch.from_arrays(arrays, [column_name(n) for n in range(len(arrays))])
            first += len(held)

    def _data_rows(self) -> Iterator[list[Any]]:
        """Yield a list of values for each row, empty rows between others included."""
        width, expected = len(self._names), self._facts.header_row + 1
        for number, cells in self._rows():
            if number <= self._facts.header_row:
                continue
            for _ in range(number - expected):
                yield [None] * width
            values = [_value(cell) for cell in cells]
            yield values + [None] * (width - len(values))
            expected = number + 1

    def _rows(self, *, has_values: bool = True) -> Iterator[tuple[int, list[Cell]]]:
        """Yield (row of the sheet, cells up to the last one that holds something)."""
        with opened(self.order, has_values=has_values) as book:
            sheet = book[self._sheet.name]
            sheet.reset_dimensions()
            for number, cells in enumerate(sheet.iter_rows(), start=1):
                held = cast(list[Cell], list(cells))
                while held and held[-1].value is None:
                    held.pop()
                if held:
                    yield number, held

    def _see(self, row: int, cells: list[Cell], values: list[Any]) -> None:
        facts = self._facts
        facts.kinds += [set() for _ in range(len(values) - len(facts.kinds))]
        for kinds, cell, value in zip(facts.kinds, cells, values, strict=False):
            if value is None:
                continue
            kinds.add(kind_of(value))
            if cell.data_type == "e":
                facts.errors.add(row)
            if isinstance(value, str) and "\x00" in value:
                raise self.order.refusal(
                    "nul_character",
                    f"expected text, found the NUL character in cell {cell.coordinate}.",
                    remedy="Take the character out of the cell.",
                    row=row,
                )

    def _find_uncached(self) -> None:
        """Count rows with a formula whose value was not saved."""
        for (number, formulas), (_, cells) in zip(
            self._rows_of_all(has_values=False), self._rows_of_all(has_values=True), strict=True
        ):
            row = number - self._facts.header_row
            if row < 1:
                continue
            for position, cell in enumerate(formulas):
                is_formula = cell.data_type == "f"
                if is_formula and (position >= len(cells) or cells[position].value is None):
                    self._facts.uncached.add(row)

    def _rows_of_all(self, *, has_values: bool) -> Iterator[tuple[int, list[Cell]]]:
        """Yield every row up to the last one with a formula or a value, empty ones too."""
        expected = 1
        for number, cells in self._rows(has_values=has_values):
            for missing in range(expected, number):
                yield missing, []
            yield number, cells
            expected = number + 1

    def _warnings(self) -> list[Warn]:
        facts, sheet = self._facts, self._sheet
        said = [
            ("source.hidden_sheet", sheet.is_hidden, "The sheet is hidden; it was read all the "
             "same."),
            ("source.merged_cells", sheet.merged_cells, f"{sheet.merged_cells} ranges of merged "
             "cells: the first cell of each has its value, the others are NULL."),
            ("source.leading_rows", facts.header_row > 1, f"The first {facts.header_row - 1} rows "
             f"of the sheet are empty; row {facts.header_row} was taken as the header."),
            ("source.error_cells", facts.errors.count, f"Errors such as #N/A were kept as text in "
             f"{facts.errors.shown}."),
            ("source.formula_without_value", facts.uncached.count, "Formulas without a saved "
             f"value gave NULL in {facts.uncached.shown}; open and save the file in a spreadsheet "
             "program."),
        ]  # fmt: skip
        return [self.order.warn(code, message) for code, is_so, message in said if is_so]


def _value(cell: Cell) -> Any:
    """Return a cell's value: None where it is empty, a date where it shows no time of day."""
    value = cell.value
    if isinstance(value, dt.datetime):
        has_time = any(letter in _format(cell) for letter in "hs")
        return value if has_time or value.time() != dt.time() else value.date()
    if isinstance(value, dt.timedelta):
        return str(value)
    return value


def _shown(value: Any) -> str | None:
    """Return a value as text, TRUE and FALSE as a sheet shows them."""
    return str(value).upper() if isinstance(value, bool) else as_text(value)


def _format(cell: Cell) -> str:
    return _NO_CODE.sub("", str(cell.number_format or "")).lower()


def _header(value: Any) -> str:
    return "" if value is None else str(value)


def open_tables(order: ReadOrder, *, max_unpacked_bytes: int) -> list[TableReader]:
    """Return a reader for each sheet; raises `SourceError` where the workbook is not sound."""
    sheets = read_package(order, max_unpacked_bytes=max_unpacked_bytes)
    return [XlsxReader(replace(order, layer=sheet.name), sheet) for sheet in sheets]
