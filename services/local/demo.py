"""`make demo`: real drops through the running stack, shown as a user would make them.

Every step is a command that is printed before it is run. Safe to run any number of times: a drop
whose content is published already is answered `unchanged`.

What belongs here: the tour. What does not: starting the stack (`stack`), the commands
(`services.cli`).
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from services.cli.exits import ExitCode
from services.cli.settings import PREFIXES
from services.local.errors import StackError
from services.local.layout import CHECKOUT, DEFAULT_STATE_DIR
from services.local.stack import stack_environment

DATA = CHECKOUT / "tests" / "data"
COMMAND = Path(sys.executable).with_name("spatial-etl")
PROJECT = ["--project", "demo"]
WAIT = "--wait"
JOIN = {
    "batch_id": "demo-places-in-countries",
    "uploader": "demo",
    "intent": "join_datasets",
    "dataset_id": "demo/places-in-countries",
    "inputs": [{"dataset_id": "demo/places"}, {"dataset_id": "demo/countries"}],
    "options": {"predicate": "within", "how": "left", "expect": "many_to_one"},
    "metadata": {"project": "demo", "description": "Each place with the country around it"},
}
LEDGER_FIELDS = {"_id": 0, "dataset_id": 1, "version": 1, "tables.name": 1, "tables.rows": 1}


@dataclass(frozen=True)
class Stop:
    """A drop of the tour and how its command should end."""

    title: str
    file: Path
    dataset_id: str
    description: str
    expected: ExitCode = ExitCode.OK

    @property
    def arguments(self) -> list[str | Path]:
        """The command's arguments."""
        facts = ["--dataset", self.dataset_id, *PROJECT, "--description", self.description]
        return ["submit", self.file, *facts, WAIT]


def main() -> int:
    """Run the tour; 0 where every drop got the answer it should get."""
    try:
        settings = stack_environment(DEFAULT_STATE_DIR)
    except StackError as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    # Each command finds its own user's settings in .local, unless the shell has others.
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    with tempfile.TemporaryDirectory() as folder:
        is_as_expected = _drops(env, Path(folder))
    _show("What is published", ["datasets"], env)
    _show("Where the files are", ["show", "demo/nz-pa-points"], env)
    _query_the_ledger(settings)
    print(
        f"\nThe runs, their phases and the datasets: {settings['SPATIAL_ETL_WEBSERVER_URL']}\n"
        f"Settings for your own S3 and MongoDB clients: {DEFAULT_STATE_DIR}/*.env\n"
        f"Drop your own file: {COMMAND.relative_to(CHECKOUT)} submit FILE --dataset my/data "
        "--project mine --description '…' --wait\n"
        "The stack keeps running. To stop it: make down"
    )
    return 0 if is_as_expected else 1


def _drops(env: dict[str, str], folder: Path) -> bool:
    for part in ("shp", "shx", "dbf", "cpg"):
        shutil.copy(DATA / f"naturalearth_lowres.{part}", folder)
    join = folder / "join.json"
    join.write_text(json.dumps(JOIN, indent=2))
    tour = [
        Stop(
            "A good file: 2,143 points in a GeoPackage",
            DATA / "nz-pa-points-topo-150k.gpkg",
            "demo/nz-pa-points",
            "Maori defensive earthworks, LINZ, CC-BY 4.0",
        ),
        Stop(
            "A source with several layers: each becomes a table",
            DATA / "fells_loop.gpx",
            "demo/fells-loop",
            "A hike: waypoints, a route and its points",
        ),
        Stop(
            "A file that must be refused: a shapefile without its .prj",
            folder / "naturalearth_lowres.shp",
            "demo/no-crs",
            "Countries, but nobody says in which CRS",
            ExitCode.REJECTED,
        ),
        Stop(
            "A raster: it becomes a Cloud Optimized GeoTIFF, its pixels unchanged",
            DATA / "naip_20100629.tif",
            "demo/naip",
            "Aerial imagery, four bands, USDA NAIP, public domain",
        ),
        Stop(
            "The right side of a join",
            DATA / "naturalearth_lowres.shp",
            "demo/countries",
            "Countries, Natural Earth, public domain",
        ),
        Stop(
            "The left side of a join",
            DATA / "ne_110m_populated_places.geojson",
            "demo/places",
            "Populated places, Natural Earth, public domain",
        ),
    ]
    answers = [_show(stop.title, stop.arguments, env) == stop.expected for stop in tour]
    joined = _show("A join: each place with its country", ["submit", "--manifest", join, WAIT], env)
    return all(answers) and joined == ExitCode.OK


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


def _query_the_ledger(settings: dict[str, str]) -> None:
    query = {"dataset_id": "demo/fells-loop"}
    print(f"\n== The ledger, with pymongo alone\n>>> db.assets.find_one({query}, {LEDGER_FIELDS})")
    with MongoClient[dict[str, Any]](settings["MONGO_URI"]) as client:
        print(client[settings["MONGO_DATABASE"]].assets.find_one(query, LEDGER_FIELDS))


if __name__ == "__main__":
    sys.exit(main())
