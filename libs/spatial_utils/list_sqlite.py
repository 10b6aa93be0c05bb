"""List what an SQLite database declares: a reader for a child process of its own.

The request is its path; the answer on stdout one JSON document: the tables, the views, and the
module of each virtual table as far as its declaration is written plainly.

What belongs here: facts. What does not: which of them are refused
(`libs.spatial_utils.references`).
"""

import json
import pathlib
import re
import sqlite3

VIRTUAL_TABLE = re.compile(
    r"""\s*CREATE\s+VIRTUAL\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"""
    r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|\w+)\s+USING\s+"?(\w+)"?\s*(?:\(.*)?""",
    re.IGNORECASE | re.DOTALL,
)


def main(path: str) -> None:
    """Print the schema of the database at `path`, or the error that reading it gave."""
    try:
        answer = read_schema(path)
    except sqlite3.Error as err:
        answer = {"error": str(err)}
    print(json.dumps(answer))  # noqa: T201 - this program's answer


def read_schema(path: str) -> dict[str, object]:
    """Return the schema of the database at `path`; a journal beside it counts, as it does for GDAL.

    SQLite's own parser says which tables are virtual, whatever the declaration looks like.
    """
    database = sqlite3.connect(f"{pathlib.Path(path).absolute().as_uri()}?mode=ro", uri=True)
    database.text_factory = lambda content: content.decode("utf-8", "replace")
    listed = database.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
    types = dict(listed.fetchall())
    statements = dict(database.execute("SELECT name, sql FROM sqlite_master").fetchall())
    modules = {}
    for name in [name for name, kind in types.items() if kind == "virtual"]:
        plain = VIRTUAL_TABLE.fullmatch(statements.get(name) or "")
        modules[name] = plain.group(1).lower() if plain else "an unreadable declaration"
    return {
        "tables": [name for name, kind in types.items() if kind == "table"],
        "views": [name for name, kind in types.items() if kind == "view"],
        "virtual_tables": modules,
    }
