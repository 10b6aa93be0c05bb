"""The records of a CSV as Python's csv module finds them, in strict mode.

It knows where a record stands, and refuses quotes that another reader would guess at: one that is
never closed swallows all rows after it.

What belongs here: cutting text into records and fields, counting what is wrong with them. What does
not: what becomes of it (`csv_reader`).
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.tabular.problems import Tally
from libs.tabular.reader import ReadOrder
from libs.tabular.text import Encoding, is_marked, limited_lines, open_text, shown, too_long


@dataclass
class CsvFacts:
    """What reading the records found; `header` is None before the first one."""

    encoding: Encoding
    delimiter: str
    header: list[str] | None = None
    rows: int = 0
    ragged: Tally = field(default_factory=Tally)
    first_ragged: str = ""
    marked: Tally = field(default_factory=Tally)
    blank_lines: int = 0
    has_surplus: bool = False
    longest: int = 0

    @property
    def width(self) -> int:
        """Fields of the header."""
        return len(self.header or ())


class CsvRecords:
    """The records of one file; `facts` grow while they are read."""

    def __init__(self, order: ReadOrder, encoding: Encoding, delimiter: str) -> None:
        self.order = order
        self.facts = CsvFacts(encoding, delimiter)
        csv.field_size_limit(order.max_record_bytes)

    def rows(self) -> Iterator[tuple[list[str], str]]:
        """Yield the fields and the text of each row after the header."""
        facts = self.facts
        held: list[str] = []
        with open_text(self.order.path, facts.encoding) as file:
            lines = self._kept(limited_lines(self.order, file), held)
            records = csv.reader(lines, delimiter=facts.delimiter, strict=True)
            while True:
                start = records.line_num + 1 + facts.encoding.lines_before
                try:
                    record = next(records)
                except StopIteration:
                    return
                except csv.Error as err:
                    raise self._quotes(err, start) from err
                text = "".join(held)
                held.clear()
                if self._count(record, text, start):
                    yield record, text

    def _kept(self, lines: Iterator[str], held: list[str]) -> Iterator[str]:
        size = 0
        for line in lines:
            size = size + len(line) if held else len(line)
            if size > self.order.max_record_bytes:
                raise too_long(self.order, f"row {self.facts.rows + 1}")
            held.append(line)
            yield line

    def _count(self, record: list[str], text: str, line: int) -> bool:
        """Count a record; return whether it is a row."""
        facts = self.facts
        facts.longest = max(facts.longest, len(text))
        is_blank = not record
        if is_blank and facts.width != 1:
            facts.blank_lines += 1
            return False
        if facts.header is None:
            facts.header = [shown(name) for name in record]
        else:
            facts.rows += 1
            width = len(record) or 1
            if width != len(facts.header):
                if not facts.ragged.count:
                    facts.first_ragged = f"the first has {width} fields, in line {line}"
                facts.ragged.add(facts.rows)
                facts.has_surplus |= width > len(facts.header)
        if is_marked(text):
            facts.marked.add(facts.rows)
        return facts.rows > 0

    def _quotes(self, err: csv.Error, line: int) -> Exception:
        row = self.facts.rows + 1 if self.facts.header is not None else None
        if "field larger than" in str(err):
            return too_long(self.order, f"the record that begins in line {line}")
        is_open = "unexpected end" in str(err)
        return self.order.refusal(
            "unclosed_quote" if is_open else "misplaced_quote",
            f"expected a quoted field to end in a quote followed by the delimiter "
            f"{self.facts.delimiter!r} or a line end, found "
            f"{'the end of the file' if is_open else 'other text after the quote'} in the record "
            f"that begins in line {line}.",
            remedy='Double each quote inside a quoted field ("") and close the field.',
            row=row,
        )


def cut(text: str, delimiter: str) -> list[str | None]:
    """Return the fields of a sound record: None for an empty one, '' for an empty quoted one."""
    fields: list[str | None] = []
    pattern = _field(delimiter)
    position = 0
    while True:
        found = pattern.match(text, position)
        assert found is not None  # noqa: S101 - the pattern matches nothing, too
        quoted, plain = found.groups()
        fields.append(plain or None if quoted is None else quoted.replace('""', '"'))
        if not text.startswith(delimiter, found.end()):
            return fields
        position = found.end() + 1


def _field(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf'"((?:[^"]|"")*)"|([^{re.escape(delimiter)}\r\n]*)')
