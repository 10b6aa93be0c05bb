"""The delimiter of a CSV: declared (a TSV has tabs) or found in the first records.

What belongs here: that decision. What does not: reading the file (`csv_reader`).
"""

import csv
import re
from dataclasses import replace
from itertools import islice

from libs.models.version import Warn
from libs.tabular.reader import ReadOrder
from libs.tabular.text import Encoding, limited_lines, open_text

CANDIDATES = (",", ";", "\t", "|")
SAMPLE_LINES = 200
MAX_SEPARATOR_LINE = 16
_SEPARATOR = re.compile(r'"?sep=([^\r\n"])"?[\t,;|]*(\r\n|\r|\n)', re.IGNORECASE)


def without_separator_line(
    order: ReadOrder, encoding: Encoding
) -> tuple[ReadOrder, Encoding, list[Warn]]:
    """Leave out a first line such as `sep=;`, by which Excel is told the delimiter, and take it.

    What the manifest declares goes before.
    """
    with open_text(order.path, encoding) as file:
        line = file.readline(MAX_SEPARATOR_LINE)
    found = _SEPARATOR.fullmatch(line)
    if found is None:
        return order, encoding, []
    size = len(line.encode(encoding.name))
    warning = order.warn(
        "source.separator_line",
        f"The first line, {line.strip()!r}, names the delimiter for a spreadsheet program: the "
        "header is the next one.",
    )
    behind = replace(encoding, bom_bytes=encoding.bom_bytes + size, lines_before=1)
    return replace(order, delimiter=order.delimiter or found[1]), behind, [warning]


def delimiter_of(order: ReadOrder, encoding: Encoding) -> tuple[str, list[Warn]]:
    """Return the delimiter, and a warning where another one would have done as well.

    It is the candidate that cuts the first lines into records of one width, the widest if several
    do; a comma where none is there at all.
    """
    if order.delimiter:
        return order.delimiter, []
    with open_text(order.path, encoding) as file:
        sample = list(islice(limited_lines(order, file), SAMPLE_LINES))
    widths = {candidate: _width(sample, candidate) for candidate in CANDIDATES}
    even = [name for name, (width, share) in widths.items() if width > 1 and share == 1]
    best = max(CANDIDATES, key=lambda name: (widths[name][1], widths[name][0]))
    if len(even) <= 1:
        return best if widths[best][0] > 1 else ",", []
    best = max(even, key=lambda name: widths[name][0])
    others = ", ".join(repr(name) for name in even if name != best)
    message = (
        f"The delimiter was taken to be {best!r}; {others} would also give records of one width. "
        "files[].delimiter decides."
    )
    return best, [order.warn("source.delimiter_ambiguous", message)]


def _width(sample: list[str], delimiter: str) -> tuple[int, float]:
    """Return (fields of the first record, share of records with as many); (1, 0) for one field."""
    records = []
    try:
        for record in csv.reader(sample, delimiter=delimiter, strict=True):
            if record:
                records.append(len(record))
    except csv.Error:
        pass  # a record cut off by the end of the sample, or quotes that are refused later
    if not records or records[0] == 1:
        return 1, 0.0
    return records[0], records.count(records[0]) / len(records)
