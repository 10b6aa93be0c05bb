"""What several processes at once may ask of the ledger's server."""

import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest
from pymongo import MongoClient

from libs.ledger import ledger as ledger_module
from libs.ledger.ledger import Ledger
from libs.ledger.records import Delivery, DropRecord

PROCESSES, LEDGERS = 2, 100
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def identities(uri: str, names: list[str]) -> list[str]:
    with MongoClient[dict[str, Any]](uri) as client:
        return [Ledger(client[name]).identity for name in names]


def test_a_new_ledger_has_one_identity_whoever_asks_first(
    admin_env: dict[str, str], mongo_client: MongoClient[dict[str, Any]]
) -> None:
    prefix = uuid.uuid4().hex[:12]
    names = [f"test_{prefix}_{number}" for number in range(LEDGERS)]
    ask = partial(identities, admin_env["MONGO_URI"])
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("fork")) as pool:
        one, other = pool.map(ask, [names] * PROCESSES)
    assert one == other
    for name in names:
        mongo_client.drop_database(name)


def test_of_many_redeliveries_the_last_ones_are_kept(
    mongo_client: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "KEPT_REDELIVERIES", 3)
    ledger = Ledger(mongo_client[f"test_{uuid.uuid4().hex[:12]}"])
    hours = [NOON + timedelta(hours=number) for number in range(5)]
    first, *again = [Delivery(key="manifests/a.json", etag="e", received_at=at) for at in hours]
    drop = DropRecord(
        _id="d1", status="published", delivery=first, received_at=NOON, updated_at=NOON
    )
    ledger.insert(drop)
    for delivery in again:
        ledger.record_redelivery("d1", delivery)
    kept = ledger.get("d1")
    assert kept is not None
    assert [item.received_at for item in kept.redeliveries] == hours[2:]
    mongo_client.drop_database(ledger.database.name)
