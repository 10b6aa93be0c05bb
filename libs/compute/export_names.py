"""Names of published columns in a format that cannot hold all names.

PostgreSQL's identifiers end at 63 bytes, and GDAL treats names that differ by case as one, losing
a column's values: what goes through ogr2ogr gets names that are short and distinct.

What belongs here: choosing names. What does not: writing files.
"""

from collections.abc import Sequence

MAX_NAME_BYTES = 63


def distinct_names(
    names: Sequence[str], *, reserved: Sequence[str] = (), fold_case: bool, max_bytes: int | None
) -> list[str]:
    """Return `names`, each shortened to `max_bytes` and numbered where it is not distinct.

    With `fold_case`, names that differ by case only are not distinct either.
    A name with a length to keep is never empty.
    """
    taken = {name.casefold() if fold_case else name for name in reserved}
    result = []
    for name in names:
        candidate, number = _shortened(name, max_bytes), 1
        while (candidate.casefold() if fold_case else candidate) in taken:
            number += 1
            suffix = f"_{number}"
            room = None if max_bytes is None else max_bytes - len(suffix)
            candidate = _shortened(name, room) + suffix
        taken.add(candidate.casefold() if fold_case else candidate)
        result.append(candidate)
    return result


def _shortened(name: str, max_bytes: int | None) -> str:
    if max_bytes is None:
        return name
    return (name or "column").encode()[:max_bytes].decode("utf-8", "ignore")
