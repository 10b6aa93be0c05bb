"""`make demo`: real drops through the running stack, shown as a user would make them.

Every step is a command that is printed before it is run. Safe to run any number of times: a drop
whose content is published already is answered `unchanged`.

What belongs here: the tour. What does not: starting the stack (`stack`), the commands
(`services.cli`).
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from services.cli.exits import ExitCode
from services.local.errors import StackError
from services.local.layout import CHECKOUT, DEFAULT_STATE_DIR
from services.local.stack import stack_environment

DATA = CHECKOUT / "tests" / "data"
COMMAND = Path(sys.executable).with_name("spatial-etl")
PROJECT = ["--project", "demo"]
LEDGER_FIELDS = {"_id": 0, "dataset_id": 1, "version": 1, "tables.name": 1, "tables.rows": 1}


def main() -> int:
    """Run the tour; 0 where every drop got the answer it should get."""
    try:
        env = {**os.environ, **stack_environment(DEFAULT_STATE_DIR)}
    except StackError as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        is_as_expected = _drops(env, Path(folder))
    _show("What is published", ["datasets"], env)
    _show("Where the files are", ["show", "demo/nz-pa-points"], env)
    _query_the_ledger(env)
    print(
        f"\nThe runs, their phases and the datasets: {env['SPATIAL_ETL_WEBSERVER_URL']}\n"
        f"The stack's settings, for your own S3 and MongoDB clients: "
        f"{DEFAULT_STATE_DIR / 'stack.env'}\n"
        f"Drop your own file: {COMMAND.relative_to(CHECKOUT)} submit FILE --dataset my/data "
        "--project mine --description '…' --wait\n"
        "The stack keeps running. To stop it: make down"
    )
    return 0 if is_as_expected else 1


def _drops(env: dict[str, str], folder: Path) -> bool:
    for part in ("shp", "shx", "dbf", "cpg"):
        shutil.copy(DATA / f"naturalearth_lowres.{part}", folder)
    tour: list[tuple[str, list[str | Path], str, set[ExitCode]]] = [
        (
            "A good file: 2,143 points in a GeoPackage",
            [DATA / "nz-pa-points-topo-150k.gpkg", "--dataset", "demo/nz-pa-points"],
            "Maori defensive earthworks, LINZ, CC-BY 4.0",
            {ExitCode.OK},
        ),
        (
            "A source with several layers: each becomes a table",
            [DATA / "fells_loop.gpx", "--dataset", "demo/fells-loop"],
            "A hike: waypoints, a route and its points",
            {ExitCode.OK},
        ),
        (
            "A file that must be refused: a shapefile without its .prj",
            [folder / "naturalearth_lowres.shp", "--dataset", "demo/no-crs"],
            "Countries, but nobody says in which CRS",
            {ExitCode.REJECTED},
        ),
    ]
    is_as_expected = True
    for title, args, description, expected in tour:
        code = _show(
            title, ["submit", *args, *PROJECT, "--description", description, "--wait"], env
        )
        is_as_expected = is_as_expected and code in expected
    return is_as_expected


def _show(title: str, args: Sequence[str | Path], env: dict[str, str]) -> int:
    words = [_short(arg) for arg in args]
    print(f"\n== {title}\n$ spatial-etl {shlex.join(words)}", flush=True)
    started = time.monotonic()
    code = subprocess.run([COMMAND, *args], env=env, check=False).returncode
    print(f"   ({time.monotonic() - started:.1f} s, exit code {code})", flush=True)
    return code


def _short(arg: str | Path) -> str:
    if isinstance(arg, Path):
        return str(arg.relative_to(CHECKOUT) if arg.is_relative_to(CHECKOUT) else arg)
    return arg


def _query_the_ledger(env: dict[str, str]) -> None:
    query = {"dataset_id": "demo/fells-loop"}
    print(f"\n== The ledger, with pymongo alone\n>>> db.assets.find_one({query}, {LEDGER_FIELDS})")
    with MongoClient[dict[str, Any]](env["MONGO_URI"]) as client:
        print(client[env["MONGO_DATABASE"]].assets.find_one(query, LEDGER_FIELDS))


if __name__ == "__main__":
    sys.exit(main())
