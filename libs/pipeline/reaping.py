"""The reaper: takes away what runs left that could not clean up after themselves.

Ephemeral schemas, work folders, objects and half uploads in the lake, claims and run records in the
ledger. Each is judged by the run it belongs to (`libs.pipeline.proof`); what no run of this ledger
owns is left alone and said so. The answer of a drop that was given up although its run published
is set right.

What belongs here: finding what is left, and deleting it. What does not: when this is done
(`etl_pipelines.schedules`, `services.cli.reap`).
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from libs.models.errors import TerminalError
from libs.models.owner import RunMark
from libs.pipeline.answer import GIVEN_UP, answer_published
from libs.pipeline.attempts import AT_WORK, end_lost_attempt
from libs.pipeline.proof import Verdict, judge
from libs.pipeline.workbench import MARK_FILE, Clients
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping
from libs.storage.lake import run_of_key

Kind = Literal["claim", "answer", "run", "schema", "folder", "upload", "object"]
Judge = Callable[[str], Verdict]


@dataclass(frozen=True)
class Finding:
    """Something that a run left or still uses; `is_over` where it is, or was, to be taken away."""

    kind: Kind
    name: str
    run_id: str | None
    is_over: bool
    why: str


Found = Iterator[tuple[Finding, Callable[[], object]]]


def reap(clients: Clients, *, dry_run: bool = False) -> list[Finding]:
    """Take away what runs left that are proved to be over; return all that was looked at.

    With `dry_run` nothing is changed. Safe to repeat, and beside live runs and other reapers.
    """

    @cache
    def verdict_on(run_id: str) -> Verdict:
        return judge(clients, run_id)

    kinds: tuple[Found, ...] = (
        _claims(clients, verdict_on),
        _answers(clients),
        _run_records(clients, verdict_on),
        _schemas(clients),
        _folders(clients),
        _uploads(clients, verdict_on),
        _objects(clients, verdict_on),
    )
    findings = []
    for found in kinds:
        for finding, take_away in found:
            if finding.is_over and not dry_run:
                take_away()
            findings.append(finding)
    return findings


def _claims(clients: Clients, verdict_on: Judge) -> Found:
    """Yield drops that an attempt holds whose lease ran out, where no look has noticed."""
    time = clients.ledger.server_time()
    for drop in clients.ledger.with_status(*AT_WORK):
        attempt = drop.current
        if attempt is None or attempt.lease_expires_at is None or attempt.lease_expires_at > time:
            continue
        if clients.catalog.version_of_drop(drop.id) is None:
            finding = _judged("claim", f"drop {drop.id}", attempt.run_id, verdict_on)
            yield finding, partial(end_lost_attempt, clients, drop)


def _answers(clients: Clients) -> Found:
    """Yield answers that are wrong: the drop was given up, yet its run published and then died."""
    given_up = [drop.id for drop in clients.ledger.with_status(*GIVEN_UP)]
    for version in clients.catalog.versions_of_drops(given_up):
        why = f"its run published {version.dataset_id}@{version.version} before it ended"
        finding = Finding("answer", f"drop {version.manifest_id}", version.run_id, True, why)
        yield finding, partial(answer_published, clients, version.manifest_id, version)


def _run_records(clients: Clients, verdict_on: Judge) -> Found:
    """Yield runs whose end nobody recorded, though their drops went on."""
    for run_id, drop_id in clients.ledger.unfinished_runs().items():
        drop = clients.ledger.get(drop_id)
        holder = drop.current if drop is not None and drop.status in AT_WORK else None
        if holder is None or holder.run_id != run_id:
            finding = _judged("run", f"run {run_id}", run_id, verdict_on)
            yield finding, partial(clients.ledger.end_run, run_id, "lost")


def _schemas(clients: Clients) -> Found:
    for schema, comment in clients.postgis.ephemeral_schemas().items():
        try:
            run_id = RunIdSchemaMapping.from_schema_name(schema).run_id
        except TerminalError:
            continue
        verdict = judge(clients, run_id, _mark(comment))
        finding = Finding("schema", schema, run_id, verdict.is_over, verdict.why)
        yield finding, partial(clients.postgis.drop_schema, schema)


def _folders(clients: Clients) -> Found:
    root = clients.settings.work_dir
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        mark = _mark(_text(folder / MARK_FILE))
        verdict = judge(clients, folder.name, mark)
        finding = Finding("folder", str(folder), folder.name, verdict.is_over, verdict.why)
        yield finding, partial(shutil.rmtree, folder, ignore_errors=True)


def _uploads(clients: Clients, verdict_on: Judge) -> Found:
    for upload in clients.lake.incomplete_uploads():
        finding = _judged("upload", upload.key, run_of_key(upload.key), verdict_on)
        yield finding, partial(clients.lake.give_up, upload)


def _objects(clients: Clients, verdict_on: Judge) -> Found:
    """Yield files that no version names.

    They are listed before the versions are read: what is published in between is named. Once a run
    is proved to be over it publishes nothing more, so the last look at its version, after the
    verdict, settles it.
    """
    keys = clients.lake.list_keys()
    named = clients.catalog.published_keys()
    for key in (key for key in keys if key not in named):
        finding = _judged("object", key, run_of_key(key), verdict_on)
        if not (finding.is_over and _is_published(clients, finding.run_id, key)):
            yield finding, partial(clients.lake.remove, key)


def _is_published(clients: Clients, run_id: str | None, key: str) -> bool:
    version = clients.catalog.version_of_run(run_id) if run_id else None
    outputs = (output for table in version.tables for output in table.outputs) if version else ()
    return any(output.key == key for output in outputs)


def _judged(kind: Kind, name: str, run_id: str | None, verdict_on: Judge) -> Finding:
    if run_id is None:
        return Finding(kind, name, None, False, "no run of this service made it")
    verdict = verdict_on(run_id)
    return Finding(kind, name, run_id, verdict.is_over, verdict.why)


def _text(file: Path) -> str:
    """Return what a file holds; nothing where it is missing, or went with its run just now."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _mark(text: str) -> RunMark | None:
    try:
        return RunMark.model_validate_json(text)
    except ValidationError:
        return None
