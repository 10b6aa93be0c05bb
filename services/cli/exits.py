"""Exit codes and the errors of the command line.

What belongs here: which error and which answer ends the command with which code. What does not:
printing them (`services.cli.main`), the error tree itself (`libs.models.errors`).
"""

from enum import IntEnum

from pydantic import ValidationError

from libs.models.errors import (
    InternalError,
    ManifestError,
    SpatialEtlError,
    TerminalError,
    TransientError,
)

CONTEXT = 30


class ExitCode(IntEnum):
    """How a command ends; `EXIT_CODES` in `services.cli.main` describes them to users."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REJECTED = 3
    FAILED = 4
    TIMEOUT = 5
    UNAVAILABLE = 6


STATUS_EXITS: dict[str, ExitCode] = {
    "published": ExitCode.OK,
    "unchanged": ExitCode.OK,
    "rejected": ExitCode.REJECTED,
    "failed": ExitCode.FAILED,
    "canceled": ExitCode.FAILED,
}


class CliError(TerminalError):
    """The command cannot do what was asked."""


class CliUsageError(CliError):
    """The options, the files or the settings are wrong: nothing was done."""


class AnswerTimeoutError(CliError):
    """No answer came in time; the drop goes on."""


def exit_code_of(error: SpatialEtlError) -> ExitCode:
    """Return the exit code of an error."""
    match error:
        case CliUsageError() | ManifestError():
            return ExitCode.USAGE
        case AnswerTimeoutError():
            return ExitCode.TIMEOUT
        case TransientError():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.ERROR


def as_known_error(error: Exception) -> SpatialEtlError | None:
    """Return `error` as one of ours; None for a defect of this program."""
    if isinstance(error, SpatialEtlError):
        return error
    if isinstance(error, ValidationError):
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        return InternalError(
            "internal.unknown_document",
            f"expected a {error.title} as this version of spatial-etl knows it, found other "
            f"content in: {fields}.",
            remedy="Use the version of spatial-etl that the service runs.",
        )
    if isinstance(error, UnicodeEncodeError) and "\udc80" <= error.object[error.start] <= "\udcff":
        around = error.object[max(error.start - CONTEXT, 0) : error.end + CONTEXT]
        return CliUsageError(
            "cli.not_utf8",
            f"expected names and texts in UTF-8, found {around!a}.",
            remedy="Rename the file, or give the text in UTF-8.",
        )
    if isinstance(error, OSError):
        return CliError(
            "cli.file",
            f"expected to read or write the file, found: {error.strerror or error}.",
            remedy="Check the path, its permissions and the free space.",
            file=str(error.filename) if error.filename is not None else None,
        )
    return None
