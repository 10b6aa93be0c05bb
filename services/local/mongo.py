"""The ledger's user, made before the Mongo server is started with authentication.

What belongs here: that one step. What does not: the server's settings (`services/mongodb`).
"""

import subprocess
import time
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from services.local.errors import StackError
from services.local.layout import Layout
from services.local.ports import LOOPBACK
from services.local.programs import mongo_command

START_TIMEOUT_S = 30
USER = "spatial_etl"
# The server is this stack's alone, and tests keep each its own database in it.
ROLES = [
    {"role": "readWriteAnyDatabase", "db": "admin"},
    {"role": "dbAdminAnyDatabase", "db": "admin"},
]


def provision_user(layout: Layout, port: int, password: str) -> None:
    """Create the user, once, through a server that listens on loopback without authentication."""
    done = layout.mongo_dir / "user-created"
    if done.exists():
        return
    log = layout.log("mongo")
    with log.open("ab") as output:
        server = subprocess.Popen(
            mongo_command(layout, port, has_users=False), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _create_user(server, port, password, log)
    finally:
        server.terminate()
        server.wait(START_TIMEOUT_S)
    done.touch()


def _create_user(server: "subprocess.Popen[bytes]", port: int, password: str, log: Path) -> None:
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
        users = client[USER].command("usersInfo", USER)["users"]
        command = "updateUser" if users else "createUser"
        client[USER].command(command, USER, pwd=password, roles=ROLES)
