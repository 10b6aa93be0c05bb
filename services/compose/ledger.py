"""`python -m services.compose.ledger`: the users and indexes of the ledger, any number of times.

Reads MONGO_ADMIN_URI, MONGO_DATABASE, MONGO_PASSWORD and MONGO_READER_PASSWORD.

What belongs here: this one step. What does not: what each user may do (`services.mongodb.users`).
"""

import os
from typing import Any

import pymongo

from libs.ledger.connection import ensure_indexes
from services.mongodb.users import pipeline_user, reader_user, write_users


def main() -> None:
    """Create or correct what is not as it should be."""
    database = os.environ["MONGO_DATABASE"]
    users = (
        pipeline_user(os.environ["MONGO_PASSWORD"], database),
        reader_user(os.environ["MONGO_READER_PASSWORD"], database),
    )
    with pymongo.MongoClient[dict[str, Any]](os.environ["MONGO_ADMIN_URI"]) as client:
        write_users(client, users)
        ensure_indexes(client[database])


if __name__ == "__main__":
    main()
