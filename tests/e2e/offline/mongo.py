"""Starts SecantusDB with the administrator that MongoDB's image would make of its environment."""

import os
import subprocess
import time
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from services.mongodb.users import admin_user, write_users

COMMAND = ("secantusd-py", "--config", "/app/services/mongodb/secantusd.toml",
           "--storage-path", "/data/db", "--port", "27017", "--standalone")  # fmt: skip


def main() -> None:
    """Make the administrator, then become the server."""
    server = subprocess.Popen([*COMMAND, "--host", "127.0.0.1"])
    with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", serverSelectionTimeoutMS=500) as client:
        while True:
            try:
                client.admin.command("ping")
                break
            except PyMongoError:
                if server.poll() is not None:
                    raise
                time.sleep(0.1)
        write_users(client, [admin_user(os.environ["MONGO_INITDB_ROOT_PASSWORD"], "admin")])
    server.terminate()
    server.wait(30)
    os.execvp(COMMAND[0], [*COMMAND, "--host", "0.0.0.0", "--auth"])


if __name__ == "__main__":
    main()
