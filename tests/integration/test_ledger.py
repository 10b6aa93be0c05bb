"""What several processes at once may ask of the ledger's server."""

import uuid
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from pymongo import MongoClient

from libs.ledger.ledger import Ledger

PROCESSES, LEDGERS = 2, 100


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
