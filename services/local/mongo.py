"""The ledger's users, made before the Mongo server is started with authentication.

What belongs here: that one step. What does not: the server's settings (`services/mongodb`), what
each user may do (`identities`).
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
from services.local.identities import LOGIN_DATABASE, LedgerUser
from services.local.layout import Layout
from services.local.ports import LOOPBACK
from services.local.programs import mongo_command

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
        _write_users(server, port, users, log)
    finally:
        server.terminate()
        server.wait(START_TIMEOUT_S)
    done.write_text(digest)


def _write_users(
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
        database = client[LOGIN_DATABASE]
        for user in users:
            is_known = database.command("usersInfo", user.name)["users"]
            command = "updateUser" if is_known else "createUser"
            roles = [{"role": role, "db": where} for role, where in user.roles]
            database.command(command, user.name, pwd=user.password, roles=roles)
