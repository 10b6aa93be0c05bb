"""`spatial-etl explain`: why a drop did, or did not, run.

What belongs here: finding the drop by any of its names and what surrounds it. What does not: the
words (`services.cli.explaining`).
"""

import re
from datetime import datetime
from typing import Any

import click

from libs.ledger.ledger import now
from libs.ledger.records import DropRecord
from libs.models.errors import TransientError
from libs.models.receipt import Receipt
from libs.pipeline.admission import runs_in_hand
from libs.storage.client import ObjectInfo
from libs.storage.landing import ARCHIVE, MANIFESTS, RECEIPTS, REJECTED, receipt_key
from services.cli.connections import Connections, connections
from services.cli.drop import manifest_key
from services.cli.exits import CliError
from services.cli.explaining import DOCTOR, Surroundings, explain_lines
from services.cli.follow import read_receipt
from services.cli.output import json_option, moment, print_json, print_lines, say
from services.cli.receipts import receipt_lines

FOLDERS = (MANIFESTS, ARCHIVE, REJECTED, RECEIPTS)
ID_PREFIX = re.compile(r"[0-9a-f]{6,64}")


@click.command()
@click.argument("batch")
@click.option("--all", "is_all", is_flag=True, help="Explain every drop of that name.")
@json_option
@click.pass_context
def explain(context: click.Context, /, batch: str, is_all: bool, as_json: bool) -> None:
    """Tell why a drop did or did not run, and its answer.

    BATCH is a batch id, the key of a manifest, or the start of a drop's id (6 digits or more).
    Where several drops have that name, the newest is explained, or with --all each, newest first.
    """
    servers = connections(context)
    drops = find_drops(servers, batch)
    if not drops:
        _explain_unknown(servers, batch, as_json=as_json)
        return
    shown = drops if is_all else drops[:1]
    if as_json:
        print_json([drop.model_dump(mode="json", by_alias=True) for drop in shown])
        return
    for number, drop in enumerate(shown):
        print_lines([""] * bool(number))
        print_lines(explain_lines(drop, _surroundings(servers, drop)))
    if len(drops) > len(shown):
        say(f"{len(drops) - len(shown)} earlier drops have this name: --all explains each")


def find_drops(servers: Connections, name: str) -> list[DropRecord]:
    """Return the drops with this batch id, manifest key or start of their id, newest first."""
    keys = manifest_keys(name)
    either: list[dict[str, Any]] = [
        {"batch_id": name},
        {"delivery.key": {"$in": keys}},
        {"redeliveries.key": {"$in": keys}},
    ]
    if ID_PREFIX.fullmatch(name):
        either.append({"_id": {"$regex": f"^{name}"}})
    return servers.ledger.find({"$or": either}, newest_first=True)


def manifest_keys(name: str) -> list[str]:
    """Return the keys a manifest called `name` may have been dropped at.

    `name` may be a batch id, a file name, a key in one of the landing zone's folders, or a whole
    s3:// path.
    """
    key = re.sub(r"^s3://[^/]+/", "", name)
    for folder in FOLDERS:
        key = key.removeprefix(folder)
    return list(dict.fromkeys([f"{MANIFESTS}{key}", f"{MANIFESTS}{key}.json", manifest_key(key)]))


def _surroundings(servers: Connections, drop: DropRecord) -> Surroundings:
    queued = servers.ledger.with_status("queued") if drop.is_active else []
    working = servers.ledger.with_status("running", "publishing") if drop.is_active else []
    return Surroundings(
        landing_bucket=servers.landing.bucket,
        lake_bucket=servers.lake.bucket,
        max_queued=servers.service.max_queued,
        queued_runs=runs_in_hand([*queued, *working])[1],
        now=now(),
        runs_working=len(working),
        queued=tuple(item.id for item in queued),
        other_manifest_since=_other_manifest_since(servers, drop),
    )


def _other_manifest_since(servers: Connections, drop: DropRecord) -> datetime | None:
    """Return since when a manifest of the drop's name lies there that is not this drop's."""
    try:
        lying = servers.landing.stat(drop.delivery.key)
    except TransientError as err:
        say(str(err))
        return None
    if lying is None or (lying.etag == drop.delivery.etag and not drop.is_settled):
        return None
    return lying.last_modified


def _explain_unknown(servers: Connections, name: str, *, as_json: bool) -> None:
    """Tell what lies in the landing zone under a name that the ledger does not know."""
    keys = manifest_keys(name)
    lying = next((item for key in keys if (item := servers.landing.stat(key)) is not None), None)
    receipt = next(
        (found for key in keys if (found := read_receipt(servers.landing, key)) is not None), None
    )
    if lying is None and receipt is None:
        bucket = servers.landing.bucket
        raise CliError(
            "cli.unknown_batch",
            f"expected a drop called {name!r}, found none: not in the ledger "
            f"({servers.ledger.database.name}.manifests), as batch id, manifest key or start of a "
            f"drop's id; no manifest at s3://{bucket}/{keys[-1]}; no receipt at "
            f"s3://{bucket}/{receipt_key(keys[-1])}.",
            remedy="`spatial-etl status` lists the drops.",
        )
    if as_json:
        print_json(_unknown_document(lying, receipt))
        return
    if lying is not None:
        since = moment(lying.last_modified) if lying.last_modified else "an unknown time"
        print_lines(
            [f"not claimed: s3://{servers.landing.bucket}/{lying.key} lies there since {since}, "
             f"and the ledger has no drop of it: {DOCTOR}."]
        )  # fmt: skip
    if receipt is not None:
        print_lines(["The ledger has no such drop, but a receipt was written:"])
        print_lines(receipt_lines(receipt, servers.lake.bucket))


def _unknown_document(lying: ObjectInfo | None, receipt: Receipt | None) -> list[dict[str, Any]]:
    return [
        {
            "status": "not claimed" if lying else None,
            "manifest": lying.key if lying else None,
            "receipt": receipt.model_dump(mode="json") if receipt else None,
        }
    ]
