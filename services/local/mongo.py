"""The ledger's users, made before the Mongo server is started with authentication.

What belongs here: that one step. What does not: the server's settings (`services/mongodb`), what
each user may do (`services.mongodb.users`).
"""

import hashlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from services.local.errors import StackError
from services.local.layout import Layout
from services.local.ports import LOOPBACK
from services.local.programs import mongo_command
from services.mongodb.users import LedgerUser, write_users

START_TIMEOUT_S = 30


def provision_users(layout: Layout, port: int, users: Sequence[LedgerUser]) -> None:
    """Create or correct the users through a server on loopback that asks nobody who he is."""
    done = layout.mongo_dir / "users"
    digest = hashlib.sha256(repr(users).encode()).hexdigest()
    if done.exists() and done.read_text() == digest:
        return
    log = layout.log("mongo")
    with log.open("ab") as output:
        server = subprocess.Popen(
            mongo_command(layout, port, has_users=False), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _provision(server, port, users, log)
    finally:
        server.terminate()
        server.wait(START_TIMEOUT_S)
    done.write_text(digest)


def _provision(
    server: "subprocess.Popen[bytes]", port: int, users: Sequence[LedgerUser], log: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    with pymongo.MongoClient[dict[str, Any]](
        LOOPBACK, port, serverSelectionTimeoutMS=200
    ) as client:
        while True:
            try:
                client.admin.command("ping")
                break
            except PyMongoError as err:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise StackError(f"the Mongo server did not start: see {log}") from err
                time.sleep(0.05)
        write_users(client, users)
