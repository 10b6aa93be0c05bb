"""The reaper: takes away what runs left that could not clean up after themselves.

Ephemeral schemas, work folders, objects and half uploads in the lake, claims, run records and seals
in the ledger. Each is judged by the run it belongs to (`libs.pipeline.proof`); what no run of this
ledger owns is left alone and said so.

What belongs here: finding what is left, and deleting it. What does not: when this is done
(`etl_pipelines.schedules`, `services.cli.reap`).
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from libs.models.errors import TerminalError
from libs.models.owner import RunMark
from libs.pipeline.attempts import AT_WORK, end_lost_attempt
from libs.pipeline.proof import Verdict, judge
from libs.pipeline.workbench import MARK_FILE, UNMARKED, Clients
from libs.spatial_utils.schema_mapper import RunIdSchemaMapping
from libs.storage.lake import run_of_key

Kind = Literal["claim", "run", "seal", "schema", "folder", "upload", "object"]
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
        _run_records(clients, verdict_on),
        _seals(clients),
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


def _run_records(clients: Clients, verdict_on: Judge) -> Found:
    """Yield runs whose end nobody recorded, though their drops went on."""
    for run_id, drop_id in clients.ledger.unfinished_runs().items():
        drop = clients.ledger.get(drop_id)
        holder = drop.current if drop is not None and drop.status in AT_WORK else None
        if holder is None or holder.run_id != run_id:
            finding = _judged("run", f"run {run_id}", run_id, verdict_on)
            yield finding, partial(clients.ledger.end_run, run_id, "lost")


def _seals(clients: Clients) -> Found:
    """Yield what keeps attempts from publishing that were given up.

    It is needed while their process may live, and the drop is not published by another attempt,
    which keeps them from it just as well. Of a process that cannot be seen that is never known.
    """
    for seal in clients.catalog.seals():
        drop = clients.ledger.get(seal.drop_id)
        attempt = drop.attempts[seal.attempt - 1] if drop is not None else None
        run_id = attempt.run_id if attempt is not None else None
        standing = attempt.owner.standing() if attempt is not None and attempt.owner else "gone"
        if clients.catalog.version_of_drop(seal.drop_id) is not None:
            is_over, why = True, "another attempt published its drop"
        else:
            is_over, why = standing == "gone", f"its process is {standing}"
        name = f"attempt {seal.attempt} of drop {seal.drop_id}"
        yield Finding("seal", name, run_id, is_over, why), partial(clients.catalog.unseal, seal)


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
        run_id = folder.name.removeprefix(UNMARKED)
        mark = _mark(_text(folder / MARK_FILE))
        if mark is None and run_id != folder.name:
            verdict = _of_age(folder, clients.settings.reap_after_s)
        else:
            verdict = judge(clients, run_id, mark)
        finding = Finding("folder", str(folder), run_id, verdict.is_over, verdict.why)
        yield finding, partial(shutil.rmtree, folder, ignore_errors=True)


def _of_age(folder: Path, over_after_s: float) -> Verdict:
    """Return the verdict on a folder whose run had no time to mark it, nor to put files there."""
    try:
        age_s = time.time() - folder.stat().st_mtime
    except OSError:
        return Verdict(False, "it went with its run just now")
    return Verdict(age_s > over_after_s, f"it was made {age_s:.0f} s ago and never marked")


def _uploads(clients: Clients, verdict_on: Judge) -> Found:
    for upload in clients.lake.incomplete_uploads():
        finding = _judged("upload", upload.key, run_of_key(upload.key), verdict_on)
        yield finding, partial(clients.lake.give_up, upload)


def _objects(clients: Clients, verdict_on: Judge) -> Found:
    """Yield files that no version names.

    They are listed before the versions are read: what is published in between is named. Once a run
    is proved to be over it publishes nothing more, as its process is gone or its attempt was sealed
    when it was given up; so the last look at its version, after the verdict, settles it.
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
