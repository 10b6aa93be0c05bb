"""Why a GDAL child process failed: its end and its words turned into an error with a remedy.

What belongs here: the translation. What does not: running the child (`libs.spatial_utils.child`,
`libs.spatial_utils.ogr`).
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.disk_full import disk_full, is_disk_full
from libs.models.errors import ComputeError, CrsError, InternalError, SourceError
from libs.spatial_utils.child import ChildEnd, Limits
from libs.spatial_utils.layers import Problem

MAX_MESSAGE = 600
NOT_EXECUTABLE = 127

_NOT_UTF8 = re.compile(r"Non UTF-8 content|invalid byte sequence for encoding")
_FEATURE_NUMBER = re.compile(r"Unable to write feature (\d+)")
_LOST_SERVER = re.compile(
    r"PQconnectdb failed|could not connect to server|server closed the connection|"
    r"connection to server|terminating connection|the database system is|no connection to the"
)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|MemoryError|bad_alloc|std::length_error|cannot allocate|can't allocate|"
    r"could not allocate|failed to allocate|memory allocation|not enough memory",
    re.IGNORECASE,
)
_PROJ_ERROR = "PROJ: "
_TRACEBACK = "Traceback (most recent call last)"
_NO_NETWORK = re.compile(r"127\.0\.0\.1 port 9\b")
_OUTPUT_LIMIT = re.compile(r"File too large|file size limit", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """A child that failed: which program, how it ended, what it said, what it read."""

    program: str
    end: ChildEnd
    limits: Limits
    errors: Sequence[str]
    file: str | None
    layer: str | None

    def error(self) -> SourceError | ComputeError | InternalError:
        """Return the error that names the cause and its remedy."""
        code = self.end.returncode
        is_lost = code == -signal.SIGKILL or _LOST_SERVER.search(self.end.stderr)
        if is_lost and not self.end.timed_out:
            return self._lost()
        if is_disk_full(self.end.stderr):
            return disk_full(self._name, self._said)
        over_limit = self._over_limit()
        if over_limit:
            return over_limit
        if _NOT_UTF8.search(self.end.stderr):
            number = _FEATURE_NUMBER.search(self.end.stderr)
            row = int(number.group(1)) + 1 if number else None
            return not_utf_8("other bytes", self.file, self.layer, row)
        is_crashed = code < 0 or code == NOT_EXECUTABLE
        if is_crashed or _TRACEBACK in self.end.stderr:
            return self._crashed() if is_crashed else self._defect()
        return self._source_error(
            "gdal_error",
            f"expected {self._name} to report no error, found: {self._said} (exit {code}).",
            remedy="Correct what GDAL names in the file and drop it again.",
        )

    def _over_limit(self) -> SourceError | None:
        if self.end.timed_out:
            return self._too_slow()
        if self.end.returncode == -signal.SIGXFSZ or _OUTPUT_LIMIT.search(self.end.stderr):
            return self._too_much_output()
        if is_out_of_memory(self.end.stderr):
            return too_much_memory(self._name, self.limits, self._said, self.file, self.layer)
        return None

    @property
    def _name(self) -> str:
        return Path(self.program).name

    @property
    def _said(self) -> str:
        return shorten("; ".join(self.errors) or self.end.stderr.strip() or "nothing on stderr")

    def _source_error(self, code: str, message: str, *, remedy: str) -> SourceError:
        return SourceError(
            f"source.{code}", message, remedy=remedy, file=self.file, layer=self.layer
        )

    def _too_slow(self) -> SourceError:
        return self._source_error(
            "timeout",
            f"expected {self._name} to end within {self.limits.timeout_s:g} s, found it still "
            "running.",
            remedy="Split the file, or raise SPATIAL_ETL_GDAL_TIMEOUT_S.",
        )

    def _lost(self) -> ComputeError:
        return ComputeError(
            "compute.child_lost",
            f"expected {self._name} to end by itself, found: {self._said} "
            f"(exit {self.end.returncode}).",
            remedy="Nothing to do: it is tried again. If it persists, see `doctor`.",
            file=self.file,
            layer=self.layer,
        )

    def _defect(self) -> InternalError:
        _, _, raised = self.end.stderr.rstrip().rpartition("\n")
        return InternalError(
            "internal.unexpected",
            f"expected {self._name} to end or to say why not, found {shorten(raised)}.",
            remedy="This is a defect of the service: report it with the file.",
            file=self.file,
            layer=self.layer,
        )

    def _too_much_output(self) -> SourceError:
        return self._source_error(
            "too_much_output",
            f"expected {self._name} to write files of at most {self.limits.file_bytes} bytes, "
            f"found a larger one: {self._said}.",
            remedy="Split the file, or raise SPATIAL_ETL_MAX_UNPACKED_BYTES.",
        )

    def _crashed(self) -> SourceError:
        return self._source_error(
            "driver_crashed",
            f"expected {self._name} to read the file within {self.limits.memory_bytes} bytes of "
            f"memory, found it ended by {_ending(self.end.returncode)}: {self._said}.",
            remedy="The file breaks GDAL's reader: repair or export it anew.",
        )


def too_much_memory(
    name: str, limits: Limits, said: str, file: str | None, layer: str | None = None
) -> SourceError:
    """Return the refusal of a file that takes more memory than a child may use."""
    return SourceError(
        "source.too_much_memory",
        f"expected {name} to need at most {limits.memory_bytes} bytes of memory, found: {said}.",
        remedy="Check that the file is whole (a broken header may claim any size), split it, or "
        "raise SPATIAL_ETL_GDAL_MEMORY_BYTES.",
        file=file,
        layer=layer,
    )


def not_utf_8(
    found: str, file: str | None, layer: str | None = None, row: int | None = None
) -> SourceError:
    """Return the refusal of text that is neither UTF-8 nor in an encoding that anybody named."""
    return SourceError(
        "source.encoding",
        "expected text in UTF-8 or in an encoding that the file or the manifest names, found: "
        f"{found}.",
        remedy='Declare the encoding in the manifest: files[].encoding, e.g. "cp1252"; where the '
        "format has no other than UTF-8, export the file anew.",
        file=file,
        layer=layer,
        row=row,
    )


def require_readable(
    problems: Sequence[Problem], drivers: Sequence[str], limits: Limits, file: str | None
) -> None:
    """Raise the error that names the cause where one of `problems` is an error."""
    errors = [item.message for item in problems if item.is_error]
    if not errors:
        return
    said = shorten("; ".join(errors))
    if all(message.startswith(_PROJ_ERROR) for message in errors):
        raise CrsError(
            "crs.unreadable",
            f"expected a CRS that PROJ knows, found: {said}.",
            remedy="Correct the CRS that the file names, or take it out and declare files[].crs.",
            file=file,
        )
    if is_disk_full(said):
        raise disk_full("reading the file", said)
    if is_out_of_memory(said):
        raise too_much_memory("reading the file", limits, said, file)
    if _NO_NETWORK.search(said):
        raise SourceError(
            "source.refers_elsewhere",
            f"expected a file that needs nothing from the network, found: {said}.",
            remedy="Put what the file refers to (such as its CRS) into the file itself.",
            file=file,
        )
    raise SourceError(
        "source.unreadable",
        f"expected a file that GDAL's {' or '.join(drivers)} driver can read, found: {said}.",
        remedy="Check the file with ogrinfo or gdalinfo, export it anew and drop it again.",
        file=file,
    )


def is_out_of_memory(text: str) -> bool:
    """Return whether a message of GDAL says that memory was refused."""
    return bool(_OUT_OF_MEMORY.search(text))


def shorten(text: str) -> str:
    """Return `text` no longer than a receipt should show."""
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _ending(returncode: int) -> str:
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"exit {returncode}"
