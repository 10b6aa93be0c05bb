"""The answer to a drop.

What belongs here: the statuses of a drop and the receipt a user reads.
What does not: where receipts are stored (`libs.storage.landing`, `libs.ledger`).
"""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from libs.models.errors import Reason
from libs.models.version import TableVersion, Warn

FinalStatus = Literal["published", "unchanged", "rejected", "failed", "canceled"]
ActiveStatus = Literal["received", "waiting", "queued", "running", "publishing"]
FINAL_STATUSES: tuple[str, ...] = get_args(FinalStatus)
ACTIVE_STATUSES: tuple[str, ...] = get_args(ActiveStatus)


class PhaseRecord(BaseModel):
    """A phase of an attempt, as it went."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    started_at: datetime
    seconds: float | None = Field(default=None, description="None while it runs or where it died")
    facts: dict[str, int | float | str] = Field(
        default_factory=dict, description="counts and bytes the phase reports"
    )
    parts: dict[str, float] = Field(
        default_factory=dict, description="seconds of the phase's costly parts"
    )


class Receipt(BaseModel):
    """The answer to a drop, in the landing zone, the ledger and `spatial-etl explain`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: FinalStatus
    drop_id: str
    batch_id: str | None = Field(description="None where the manifest could not be read")
    manifest: str = Field(description="key of the manifest when it was dropped")
    dataset_id: str | None = None
    version: int | None = None
    run_id: str | None = None
    run_url: str | None = None
    attempt: int = 0
    tables: tuple[TableVersion, ...] = ()
    warnings: tuple[Warn, ...] = ()
    reason: Reason | None = Field(default=None, description="why it was not published")
    note: str | None = Field(default=None, description="e.g. which earlier drop answered this one")
    phases: tuple[PhaseRecord, ...] = ()
    received_at: datetime
    answered_at: datetime
