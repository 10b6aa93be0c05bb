"""What an archive may unpack to: one budget for it and everything packed inside it.

What belongs here: the limits, and the refusal where one is passed. What does not: reading archives
(`zips`, `tars`, `streams`).
"""

from dataclasses import dataclass
from typing import IO

from libs.models.errors import SourceError

MAX_MEMBERS = 10_000
MAX_RATIO = 1000
RATIO_FREE_BYTES = 100 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


@dataclass
class Budget:
    """Members and bytes still allowed for the archive that a user knows as `file`."""

    max_members: int
    max_bytes: int
    file: str
    members: int = 0
    size_bytes: int = 0

    @classmethod
    def of(cls, packed_bytes: int, *, max_bytes: int, file: str) -> "Budget":
        """Return the budget of an archive of `packed_bytes`.

        A small archive that claims to hold very much is refused, whatever `max_bytes` allows.
        """
        by_ratio = max(RATIO_FREE_BYTES, packed_bytes * MAX_RATIO)
        return cls(MAX_MEMBERS, min(max_bytes, by_ratio), file)

    def expect(self, members: int, size_bytes: int) -> None:
        """Raise `SourceError` where what a directory announces is more than is left."""
        if (
            self.members + members > self.max_members
            or self.size_bytes + size_bytes > self.max_bytes
        ):
            raise self._spent(f"{members} members and {size_bytes} bytes")

    def take_member(self) -> None:
        """Count a member; raises `SourceError` where it is one too many."""
        self.members += 1
        if self.members > self.max_members:
            raise self._spent("more members")

    def copy(self, source: IO[bytes], target: IO[bytes]) -> int:
        """Copy a member and return its bytes; raises `SourceError` before too many are written."""
        copied = 0
        while chunk := source.read(CHUNK_BYTES):
            self.size_bytes += len(chunk)
            if self.size_bytes > self.max_bytes:
                raise self._spent("more bytes")
            target.write(chunk)
            copied += len(chunk)
        return copied

    def _spent(self, found: str) -> SourceError:
        return SourceError(
            "source.archive_too_large",
            f"expected at most {self.max_members} members and {self.max_bytes} bytes unpacked, "
            f"found {found}.",
            remedy="Split the archive, or drop the files unpacked.",
            file=self.file,
        )
