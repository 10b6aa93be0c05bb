"""Every error of the service, one tree.

    SpatialEtlError
    ├── TerminalError          the drop or the request is wrong: never retried
    │   ├── ManifestError      manifest.*   the manifest cannot be read or asks for the unknown
    │   ├── SourceError        source.*     a file is missing, changed, broken or unreadable
    │   ├── CrsError           crs.*        a CRS is missing, unknown or contradicts the manifest
    │   ├── ContractError      contract.*   the data breaks what the manifest promises
    │   ├── JoinError          join.*       two datasets do not meet as the manifest asks
    │   ├── FidelityError      fidelity.*   something was lost or changed between two hops
    │   ├── NotFoundError      ledger.*     a dataset, version or drop that the ledger does not hold
    │   ├── SupersededError    attempt.*    another attempt owns the drop: stop, publish nothing
    │   └── InternalError      internal.*   a defect of this service
    └── TransientError         the world is wrong: retried, up to `ServiceSettings.max_attempts`
        ├── StorageError storage.*    the S3 server does not answer
        ├── LedgerError  ledger.*     the ledger does not answer
        └── ComputeError compute.*    PostGIS or a child process was lost

What belongs here: the classes and the `Reason` they carry. What does not: turning an error into an
exit code, a Dagster failure or a receipt; the edges (`services.cli`, `etl_pipelines`) do that.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Reason(BaseModel):
    """Why a drop was not published, in the words a receipt shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="stable code, e.g. crs.missing")
    message: str = Field(description="what was expected and what was found")
    remedy: str = Field(description="what to do")
    file: str | None = Field(default=None, description="file of the manifest it is about")
    layer: str | None = Field(default=None, description="layer of that file")
    row: int | None = Field(default=None, description="row of that layer, counted from 1")


class SpatialEtlError(Exception):
    """Base of every error; carries a `Reason`."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        remedy: str,
        file: str | None = None,
        layer: str | None = None,
        row: int | None = None,
    ) -> None:
        self.reason = Reason(
            code=code, message=message, remedy=remedy, file=file, layer=layer, row=row
        )
        super().__init__(message)

    def __str__(self) -> str:
        """Return code, place, message and remedy on one line."""
        reason = self.reason
        place = ", ".join(
            f"{name} {value}"
            for name, value in (("file", reason.file), ("layer", reason.layer), ("row", reason.row))
            if value is not None
        )
        where = f" ({place})" if place else ""
        return f"{reason.code}{where}: {reason.message} Remedy: {reason.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the reason when the error crosses a process border."""
        reason = self.reason.model_dump()
        return (_rebuild, (type(self), reason))


def _rebuild(cls: type[SpatialEtlError], reason: dict[str, Any]) -> SpatialEtlError:
    code, message = reason.pop("code"), reason.pop("message")
    return cls(code, message, **reason)


class TerminalError(SpatialEtlError):
    """The drop or the request is wrong; trying again gives the same answer."""


class ManifestError(TerminalError):
    """The manifest cannot be read, is invalid or asks for something unknown."""


class SourceError(TerminalError):
    """A file is missing, changed, broken, or in a format that is not read."""


class CrsError(TerminalError):
    """A CRS is missing, unknown, or contradicts what the manifest declares."""


class ContractError(TerminalError):
    """The data breaks the manifest's contract."""


class JoinError(TerminalError):
    """Two datasets do not meet as the manifest asks."""


class FidelityError(TerminalError):
    """Two hops of the pipeline disagree about the data: nothing is published."""


class NotFoundError(TerminalError):
    """The ledger does not hold what was asked for."""


class SupersededError(TerminalError):
    """Another attempt owns the drop; this one publishes nothing."""


class InternalError(TerminalError):
    """A defect of this service: an error nobody foresaw."""


class TransientError(SpatialEtlError):
    """The world is wrong; the same drop may be published by a later attempt."""


class StorageError(TransientError):
    """The S3 server did not answer as it should."""


class LedgerError(TransientError):
    """The ledger did not answer as it should."""


class ComputeError(TransientError):
    """PostGIS or a child process was lost."""
