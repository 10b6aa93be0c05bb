"""A member of an archive, as every reader of archives hands it out.

What belongs here: the type. What does not: the readers (`zips`, `tars`, `streams`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal

EntryKind = Literal["file", "folder", "link", "device"]


@dataclass(frozen=True)
class Entry:
    """A member; `open` gives its bytes and must be called before the next entry is asked for.

    `hard_link` is the name of the member whose bytes a hard link shares.
    """

    name: str
    kind: EntryKind
    open: Callable[[], IO[bytes]]
    is_name_guessed: bool = False
    size_bytes: int | None = None
    hard_link: str | None = None
