"""The .sql files beside this module, read once."""

from functools import cache
from pathlib import Path

from psycopg2 import sql

FOLDER = Path(__file__).with_name("sql")


@cache
def statement(name: str) -> sql.SQL:
    """Return the statement in `sql/<name>.sql`, to be formatted with identifiers and literals."""
    return sql.SQL((FOLDER / f"{name}.sql").read_text())
