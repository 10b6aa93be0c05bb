"""Documents of the ledger as typed values.

What belongs here: the shape of `manifests` and `runs` documents. A version document is
`libs.models.version.Version`. What does not: queries (`libs.ledger.ledger`).
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from libs.models.errors import Reason
from libs.models.owner import Owner
from libs.models.receipt import ACTIVE_STATUSES, PhaseRecord


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FileClaim(_Record):
    """A file named by a manifest, as it was when the drop was claimed."""

    path: str
    etag: str
    size_bytes: int


class Delivery(_Record):
    """A manifest object that brought a drop."""

    key: str
    etag: str
    received_at: datetime


class AttemptRecord(_Record):
    """One try at a drop; number 1 is `attempts[0]`."""

    number: int
    requested_at: datetime
    run_id: str | None = Field(default=None, description="the run of this attempt alone")
    dagster_run_id: str | None = Field(
        default=None, description="Dagster's run, where other attempts share it"
    )
    shared_key: str | None = Field(
        default=None, description="key of the run that it was to share with others"
    )
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: Reason | None = None
    owner: Owner | None = Field(default=None, description="the process that works on it")
    lease_expires_at: datetime | None = Field(
        default=None, description="by the ledger server's clock; renewed while the run works"
    )
    phases: tuple[PhaseRecord, ...] = ()

    @property
    def shown_run_id(self) -> str | None:
        """The run that Dagster's webserver shows."""
        return self.dagster_run_id or self.run_id


class DropRecord(_Record):
    """A drop: one document of `manifests`, its `_id` being the identity of the drop."""

    id: str = Field(alias="_id")
    status: str
    batch_id: str | None = None
    dataset_id: str | None = None
    manifest: dict[str, Any] | None = None
    files: tuple[FileClaim, ...] = ()
    missing: tuple[str, ...] = Field(default=(), description="files a waiting drop waits for")
    delivery: Delivery = Field(description="the newest manifest object that brought it")
    redeliveries: tuple[Delivery, ...] = Field(
        default=(), description="manifest objects that brought it again after its answer"
    )
    is_settled: bool = Field(default=False, description="answer delivered, manifest object moved")
    attempt: int = 0
    attempt_limit: int = 0
    unstarted: int = Field(default=0, description="attempts in a row whose runs never began")
    attempts: tuple[AttemptRecord, ...] = ()
    held: Reason | None = Field(default=None, description="why a received drop has no run yet")
    recipe: str = ""
    reason: Reason | None = None
    version: int | None = None
    receipt: dict[str, Any] | None = None
    received_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether the drop still waits for its answer."""
        return self.status in ACTIVE_STATUSES

    @property
    def current(self) -> AttemptRecord | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    def document(self) -> dict[str, Any]:
        """Return the document to insert."""
        return self.model_dump(by_alias=True)
