"""The delimiter of a CSV: declared (a TSV has tabs) or found in the first records.

What belongs here: that decision. What does not: reading the file (`csv_reader`).
"""

import csv
from itertools import islice

from libs.models.version import Warn
from libs.tabular.reader import ReadOrder
from libs.tabular.text import Encoding, limited_lines, open_text

CANDIDATES = (",", ";", "\t", "|")
SAMPLE_LINES = 200


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
