"""What a run works with: its clients, its folder, its schema.

What belongs here: handing clients to phases, opened once a run and closed on every way out.
What does not: what the phases do.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from libs.compute.postgis import PostGIS
from libs.compute.scratch import Scratch
from libs.ledger.catalog import Catalog
from libs.ledger.ledger import Ledger
from libs.models.config import ServiceSettings
from libs.models.owner import Owner, RunMark
from libs.models.receipt import PhaseRecord
from libs.pipeline.stopwatch import Stopwatch
from libs.spatial_utils.ogr import Gdal
from libs.storage.lake import Lake
from libs.storage.landing import LandingZone

MARK_FILE = "owner.json"
UNMARKED = ".unmarked-"


@dataclass(frozen=True)
class Clients:
    """The servers and programs the service uses."""

    settings: ServiceSettings
    landing: LandingZone
    lake: Lake
    ledger: Ledger
    catalog: Catalog
    postgis: PostGIS
    gdal: Gdal


@dataclass(frozen=True)
class Workbench:
    """The clients, and what belongs to one run alone."""

    clients: Clients
    run_id: str
    folder: Path
    scratch: Scratch
    dagster_run_id: str | None = None
    """Dagster's run, where that has other drops too."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    ended: list[PhaseRecord] = field(default_factory=list)
    """Phases that the ledger does not know to have ended yet."""

    @property
    def schema(self) -> str:
        """The name of the ephemeral schema."""
        return self.scratch.schema

    def subfolder(self, name: str) -> Path:
        """Return a folder inside the run's own, made where it is missing."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start_over(self) -> None:
        """Empty the folder and make the schema anew."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.scratch.make()


@contextmanager
def open_workbench(
    clients: Clients,
    run_id: str,
    *,
    drop_id: str | None = None,
    attempt: int | None = None,
    dagster_run_id: str | None = None,
) -> Iterator[Workbench]:
    """Yield the workbench of a run; its folder and schema are gone afterwards, whatever happens.

    Both are marked with their owner: what a killed process leaves is known by it. A folder has its
    mark before it has its name.
    """
    folder = clients.settings.work_dir / run_id
    mark = RunMark(
        run_id=run_id,
        drop_id=drop_id,
        attempt=attempt,
        ledger=clients.ledger.identity,
        owner=Owner.this_process(),
        made_at=clients.ledger.server_time(),
    ).model_dump_json()
    with ExitStack() as stack:
        unmarked = folder.with_name(f"{UNMARKED}{run_id}")
        unmarked.mkdir(parents=True, mode=0o700)
        stack.callback(shutil.rmtree, unmarked, ignore_errors=True)
        (unmarked / MARK_FILE).write_text(mark)
        unmarked.rename(folder)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        patience_s = clients.settings.outage_patience_s
        scratch = Scratch(clients.postgis, run_id, mark=mark, patience_s=patience_s)
        stack.callback(scratch.drop)
        scratch.make()
        yield Workbench(clients, run_id, folder, scratch, dagster_run_id)
