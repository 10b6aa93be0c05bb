"""A statement in DuckDB with its spatial extension; prints its seconds."""

import sys
import time
from pathlib import Path

import duckdb
import duckdb_extension_spatial

(EXTENSION,) = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")

with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
    connection.execute(f"LOAD '{EXTENSION}'")
    started = time.monotonic()
    connection.execute(sys.argv[1])
    print(time.monotonic() - started)  # noqa: T201 - this program's answer
