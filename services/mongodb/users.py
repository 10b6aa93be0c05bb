"""The users of the ledger's server and what each may do.

What belongs here: names, roles, creating them. What does not: their passwords, and when they are
created (`services.local.mongo`, `services.compose.ledger`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient

# Where the users log in; what they may do is said for the ledger's own database.
LOGIN_DATABASE = "spatial_etl"
EVERYTHING = ("readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase")


@dataclass(frozen=True)
class LedgerUser:
    """A user of the ledger's server; `roles` are pairs of a role and its database."""

    name: str
    password: str
    roles: tuple[tuple[str, str], ...]
    login_database: str = LOGIN_DATABASE


def pipeline_user(password: str, database: str) -> LedgerUser:
    """Return who writes the ledger and no other database."""
    return LedgerUser("spatial_etl", password, (("readWrite", database),))


def reader_user(password: str, database: str) -> LedgerUser:
    """Return who reads the ledger."""
    return LedgerUser("spatial_etl_reader", password, (("read", database),))


def admin_user(password: str, login_database: str = LOGIN_DATABASE) -> LedgerUser:
    """Return who may do everything, on a server that makes none of its own."""
    roles = tuple((role, "admin") for role in EVERYTHING)
    return LedgerUser("spatial_etl_admin", password, roles, login_database)


def write_users(client: MongoClient[dict[str, Any]], users: Sequence[LedgerUser]) -> None:
    """Create the users that are missing, correct the others."""
    for user in users:
        database = client[user.login_database]
        is_known = database.command("usersInfo", user.name)["users"]
        command = "updateUser" if is_known else "createUser"
        roles = [{"role": role, "db": where} for role, where in user.roles]
        database.command(command, user.name, pwd=user.password, roles=roles)
