"""A drop explained: what was dropped, what it waits for, its attempts, its answer.

What belongs here: a drop's record as words, from values only. What does not: finding the record and
what surrounds it (`services.cli.explain`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.ledger.records import AttemptRecord, DropRecord
from libs.models.manifest import Options
from libs.models.receipt import Receipt
from services.cli.output import clean, fields, moment, size, span
from services.cli.receipts import SHORT_HASH, phase_line, receipt_lines

LONG_QUEUED = timedelta(minutes=1)
SHOWN_FILES = 20
DOCTOR = "`spatial-etl doctor` tells whether sensor and daemon run"


@dataclass(frozen=True)
class Surroundings:
    """What a drop's record does not say itself."""

    landing_bucket: str
    lake_bucket: str
    max_queued: int
    queued_runs: int
    now: datetime
    runs_working: int
    """Drops that a run works on."""
    queued: tuple[str, ...]
    """Ids of the queued drops, in order of arrival."""
    other_manifest_since: datetime | None = None
    """Since when a manifest of the drop's name, dropped after it, lies in manifests/."""


def explain_lines(drop: DropRecord, around: Surroundings) -> list[str]:
    """Return the whole story of a drop."""
    lines = [_headline(drop), "", "dropped", *_dropped(drop, around), *_files(drop)]
    if drop.is_active:
        lines += ["", "waits for", *(f"  {clean(line)}" for line in waits_for(drop, around))]
    if drop.attempts:
        lines += ["", "attempts", *_attempts(drop)]
    if drop.receipt is not None:
        receipt = Receipt.model_validate(drop.receipt)
        lines += [
            "",
            "answer",
            *(f"  {line}" for line in receipt_lines(receipt, around.lake_bucket)),
        ]
    if drop.redeliveries:
        lines += ["", "came again, answered without a run"]
        lines += [f"  {moment(item.received_at)}  {item.key}" for item in drop.redeliveries]
    if around.other_manifest_since is not None:
        lines += [
            "",
            "A manifest of this name was dropped again and lies in manifests/ since "
            f"{moment(around.other_manifest_since)}, not answered yet: it waits for its files or "
            f"to be claimed; {DOCTOR}.",
        ]
    return lines


def _headline(drop: DropRecord) -> str:
    name = drop.dataset_id or "no dataset"
    if drop.version is not None:
        name = f"{name}@{drop.version}"
    label = f"batch {drop.batch_id}" if drop.batch_id else f"manifest {drop.delivery.key}"
    return clean(f"{drop.status}: {label} for {name}")


def _dropped(drop: DropRecord, around: Surroundings) -> list[str]:
    manifest = drop.manifest or {}
    pairs = [
        ("drop", drop.id),
        ("manifest", f"s3://{around.landing_bucket}/{drop.delivery.key}"),
        ("received", moment(drop.received_at)),
        ("by", str(manifest.get("uploader", ""))),
        ("intent", str(manifest.get("intent", ""))),
    ]
    return fields([(name, value) for name, value in pairs if value])


def _files(drop: DropRecord) -> list[str]:
    lines = [
        clean(f"  file      {item.path}  {size(item.size_bytes) if item.etag else 'missing'}")
        for item in drop.files[:SHOWN_FILES]
    ]
    if len(drop.files) > SHOWN_FILES:
        lines.append(f"  and {len(drop.files) - SHOWN_FILES} more files")
    return lines


def waits_for(drop: DropRecord, around: Surroundings) -> list[str]:
    """Return what an active drop waits for."""
    match drop.status:
        case "waiting":
            return _waits_for_files(drop)
        case "received":
            return _waits_for_place(drop, around)
        case "queued":
            return _waits_for_run(drop, around)
        case "publishing":
            return [f"its upload: {_run(drop.current)} writes the files and then the version"]
        case _:
            return [f"its run: {_run(drop.current)} is in phase {_phase_of(drop.current)}"]


def _waits_for_files(drop: DropRecord) -> list[str]:
    wait_s = Options.model_validate((drop.manifest or {}).get("options", {})).wait_for_files_s
    until = moment(drop.received_at + timedelta(seconds=wait_s))
    head = f"{len(drop.missing)} of {len(drop.files)} files, until {until}; then it is rejected:"
    return [head, *(f"  {path}" for path in drop.missing)]


def _waits_for_place(drop: DropRecord, around: Surroundings) -> list[str]:
    lines = []
    last = drop.current
    if last is not None and last.reason is not None:
        lines.append(
            f"attempt {last.number + 1} of {drop.attempt_limit}, as attempt {last.number} ended "
            f"with {last.reason.code}"
        )
    if drop.held is not None:
        lines.append(f"{drop.held.code}: {drop.held.message} {drop.held.remedy}")
    elif around.queued_runs >= around.max_queued:
        lines.append(
            f"a place in the queue: {around.queued_runs} runs are queued, "
            f"{around.max_queued} may be (SPATIAL_ETL_MAX_QUEUED)"
        )
    else:
        lines.append(f"the sensor's next look, which is due within seconds; else {DOCTOR}")
    return lines


def _waits_for_run(drop: DropRecord, around: Surroundings) -> list[str]:
    before = around.queued.index(drop.id) if drop.id in around.queued else 0
    lines = [f"a place to run: {around.runs_working} drops run, {before} were queued before it"]
    if drop.current is not None and drop.current.shared_key is not None:
        lines.append("it shares a run with other small drops, which come one after another")
    requested = drop.current.requested_at if drop.current else drop.updated_at
    if around.now - requested > LONG_QUEUED:
        waited = span((around.now - requested).total_seconds())
        lines.append(f"queued for {waited} by now: {DOCTOR}")
    return lines


def _run(attempt: AttemptRecord | None) -> str:
    return f"run {attempt.shown_run_id}" if attempt and attempt.run_id else "its run"


def _phase_of(attempt: AttemptRecord | None) -> str:
    if attempt is None or not attempt.phases:
        return "intake"
    phase = attempt.phases[-1]
    if phase.seconds is not None:
        return f"{phase.name}, which has ended"
    return f"{phase.name} since {moment(phase.started_at)}"


def _attempts(drop: DropRecord) -> list[str]:
    lines: list[str] = []
    for attempt in drop.attempts:
        is_over = attempt.ended_at is not None or not drop.is_active
        lines.append(f"  {attempt.number}  {_times(attempt)}")
        if attempt.run_id:
            lines.append(f"     run {attempt.run_id}")
        lines += [f"     {phase_line(phase, is_over=is_over)}" for phase in attempt.phases]
        if attempt.reason is not None:
            said = "" if attempt.reason == drop.reason else f": {attempt.reason.message}"
            lines.append(clean(f"     ended with {attempt.reason.code}{said}"))
    return lines


def _times(attempt: AttemptRecord) -> str:
    times = (
        ("requested", attempt.requested_at),
        ("started", attempt.started_at),
        ("ended", attempt.ended_at),
    )
    return ", ".join(f"{name} {moment(when)}" for name, when in times if when is not None)


def short_id(drop: DropRecord) -> str:
    """Return the start of a drop's id, which `explain` takes too."""
    return drop.id[:SHORT_HASH]
