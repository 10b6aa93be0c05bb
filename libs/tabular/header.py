"""Names of columns: kept as they are, unless they are missing, unprintable or not distinct.

What belongs here: choosing names and recording what changed. What does not: finding the header.
"""

import re
from collections.abc import Sequence

from libs.compute.export_names import distinct_names
from libs.models.version import Warn
from libs.tabular.reader import ReadOrder

SHOWN = 20
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def column_names(order: ReadOrder, found: Sequence[str]) -> tuple[list[str], list[Warn]]:
    """Return a name for each column, and a warning where some had to change.

    A line break or another control character becomes a space, a missing name `column_<position>`,
    and a name that stands more than once gets a number.
    """
    printable = [
        _printable(name) or f"column_{position}" for position, name in enumerate(found, start=1)
    ]
    names = distinct_names(printable, fold_case=False)
    changed = [
        f"{old!r} (column {position}) became {new!r}"
        for position, (old, new) in enumerate(zip(found, names, strict=True), start=1)
        if old != new
    ]
    if not changed:
        return names, []
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    message = f"Column names that are missing, unprintable or not distinct changed: {{}}{more}."
    return names, [order.warn("column.renamed", message.format(", ".join(changed[:SHOWN])))]


def _printable(name: str) -> str:
    if not name.strip():
        return ""
    if not _UNPRINTABLE.search(name):
        return name
    return _UNPRINTABLE.sub(" ", name).strip()
