"""A connection to the ledger's server, its indexes, and its errors translated.

What belongs here: client, indexes, error translation.
What does not: queries (`libs.ledger.ledger`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from libs.models.config import MongoSettings
from libs.models.errors import LedgerError

Document = dict[str, Any]
MAX_MESSAGE = 200
CONNECTIONS = 8
_CREDENTIALS = re.compile(r"//[^/@]*@")

INDEXES: dict[str, list[IndexModel]] = {
    "manifests": [
        IndexModel([("status", ASCENDING), ("received_at", ASCENDING)], name="status_received"),
        IndexModel([("is_settled", ASCENDING), ("status", ASCENDING)], name="settled"),
        IndexModel([("batch_id", ASCENDING), ("received_at", DESCENDING)], name="batch"),
        IndexModel([("dataset_id", ASCENDING), ("received_at", DESCENDING)], name="dataset"),
        IndexModel([("attempts.run_id", ASCENDING)], name="run"),
        IndexModel([("delivery.key", ASCENDING)], name="delivery"),
    ],
    "runs": [IndexModel([("drop_id", ASCENDING), ("attempt", ASCENDING)], name="drop_attempt")],
    "assets": [
        IndexModel(
            [("dataset_id", ASCENDING), ("version", DESCENDING)], name="version", unique=True
        ),
        IndexModel([("manifest_id", ASCENDING)], name="manifest", unique=True),
        IndexModel([("content_hash", ASCENDING)], name="content"),
        IndexModel([("run_id", ASCENDING)], name="run"),
    ],
    "lineage": [
        IndexModel(
            [("dataset_id", ASCENDING), ("version", ASCENDING), ("input", ASCENDING)],
            name="edge",
            unique=True,
        ),
        IndexModel([("input", ASCENDING)], name="input"),
    ],
}


def connect(settings: MongoSettings, *, timeout_ms: int = 10_000) -> Database[Document]:
    """Return the ledger's database; nothing is sent until it is used.

    The driver does not repeat writes: whoever needs patience has it (`libs.patience`). For that the
    local ledger server would keep ten thousand answers, and go through them at each write.
    """
    with translated("be reached at MONGO_URI"):
        client: MongoClient[Document] = MongoClient(
            settings.uri.get_secret_value(),
            tz_aware=True,
            serverSelectionTimeoutMS=timeout_ms,
            connectTimeoutMS=timeout_ms,
            socketTimeoutMS=60_000,
            maxPoolSize=CONNECTIONS,
            journal=True,
            retryWrites=False,
        )
        return client[settings.database]


def ensure_indexes(database: Database[Document]) -> None:
    """Create what is missing of the indexes; safe to call any number of times."""
    with translated("create its indexes"):
        for collection, indexes in INDEXES.items():
            database[collection].create_indexes(indexes)


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn the driver's errors into `LedgerError`; a duplicate key passes as it is."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as err:
        raise LedgerError(
            "ledger.unavailable" if isinstance(err, ConnectionFailure) else "ledger.refused",
            f"expected the ledger to {action}, found {type(err).__name__}: "
            f"{_CREDENTIALS.sub('//', str(err))[:MAX_MESSAGE]}.",
            remedy="Check the MongoDB server and its credentials with `spatial-etl doctor`.",
        ) from err
