"""Names of published columns and layers in a format that cannot hold all names.

GDAL treats names that differ by case as one, losing a column's values, and its GeoPackage driver
refuses layers whose names begin as its own tables do, or with punctuation: what goes through
ogr2ogr gets names that are distinct and allowed.

What belongs here: choosing names, and quoting them for OGR SQL. What does not: writing files.
"""

import re
from collections.abc import Sequence

from libs.compute.tables import column_name

_GPKG_RESERVED = ("gpkg", "sqlite_")
_GPKG_PUNCTUATION = tuple("`~!@#$%^&*()+-={}|[]\\:\";'<>?,./")
_LINE_BREAK = re.compile(r"[\r\n]+")


def distinct_names(
    names: Sequence[str], *, reserved: Sequence[str] = (), fold_case: bool
) -> list[str]:
    """Return `names`, each numbered where it is not distinct.

    With `fold_case`, names that differ by case only are not distinct either.
    """
    taken = {name.casefold() if fold_case else name for name in reserved}
    result = []
    for name in names:
        candidate, number = name, 1
        while (candidate.casefold() if fold_case else candidate) in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate.casefold() if fold_case else candidate)
        result.append(candidate)
    return result


def layer_name(name: str, output_format: str) -> str:
    """Return the name of a table's layer in a file of `output_format`."""
    is_refused = name.lower().startswith(_GPKG_RESERVED) or name.startswith(_GPKG_PUNCTUATION)
    return f"layer_{name}" if output_format == "gpkg" and is_refused else name


def ogr_name(name: str, *, without_lines: bool = False) -> str:
    """Return a column's name as OGR SQL can hold it: not empty, no backslash at its end."""
    if without_lines:
        name = _LINE_BREAK.sub(" ", name)
    return f"{name[:-1]}_" if name.endswith("\\") else name or "column"


def ogr_select(names: Sequence[str], table: str) -> str:
    """Return the OGR SQL that gives the columns c0, c1, … of `table` their names."""
    columns = ", ".join(
        f"{column_name(position)} AS {_quoted(name)}" for position, name in enumerate(names)
    )
    return " ".join(("SELECT", columns or "*", "FROM", _quoted(table)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'
