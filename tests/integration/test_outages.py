"""Servers that a run loses on its way and finds again, and what it finds where they stay away.

A run is stopped at a step, the wire to one of its servers is cut, the run goes on, and the wire is
mended later: the same path as an outage of any length (`python -m tests.chaos --outages`).
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.crash.audit import Audit
from tests.crash.stage import Stage, wake
from tests.crash.wire import Wire

OUTAGE_S = 2.0
WIRES = {
    "s3": ("MINIO_ENDPOINT", r":(\d+)$"),
    "ledger": ("MONGO_URI", r":(\d+)/"),
    "postgis": ("POSTGRES_PORT", r"()(\d+)$"),
}


# Else the client would connect to where the server says it is.
DIRECTLY = {"ledger": "?directConnection=true"}


class Cuttable:
    """The wires of a stage's runs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.wires: dict[str, Wire] = {}

    def lay(self, server: str) -> Wire:
        """Lead the runs of the stage to a server by a wire; the daemon's part goes on without."""
        name, pattern = WIRES[server]
        value = self.stage.environment[name]
        found = re.search(pattern, value)
        assert found is not None
        port = found.group(found.lastindex or 0)
        wire = self.wires[server] = Wire(int(port))
        self.stage.environment[name] = value.replace(port, str(wire.port)) + DIRECTLY.get(
            server, ""
        )
        return wire


@pytest.fixture
def cuttable(stage: Stage) -> Iterator[Cuttable]:
    """Return a stage whose runs can be cut off."""
    cuttable = Cuttable(stage)
    yield cuttable
    for wire in cuttable.wires.values():
        wire.cut()


def drop_of(stage: Stage, name: str) -> dict[str, Any]:
    found = stage.clients.ledger.database.manifests.find_one({"batch_id": name})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("server", "step", "occurrence"),
    [
        ("s3", "ledger update manifests", 1),
        ("s3", "s3 PUT crash-lake crash", 0),
        ("ledger", "s3 PUT crash-lake crash", 0),
        ("ledger", "ledger insert assets", 0),
        ("postgis", "ledger update manifests", 1),
        ("postgis", "postgis", 2),
        ("postgis", "postgis", 3),
    ],
)
def test_a_run_survives_an_outage_in_its_first_attempt(
    cuttable: Cuttable, server: str, step: str, occurrence: int
) -> None:
    stage = cuttable.stage
    at = stage.number_of(step, occurrence)
    wire = cuttable.lay(server)
    stage.drop("through", "outage")
    run, _ = stage.stop(at)

    wire.cut()
    wake(run, wait_s=OUTAGE_S)
    assert run.is_alive()
    wire.mend()
    run.join(60)

    assert run.exitcode == 0
    drop = drop_of(stage, "through")
    assert (drop["status"], drop["attempt"]) == ("published", 1)
    assert stage.finish() == []
    assert stage.audit("probe", "through") == Audit()


def test_tables_that_a_crash_of_postgis_emptied_are_made_again(cuttable: Cuttable) -> None:
    stage = cuttable.stage
    at = stage.number_of("postgis", 3)
    wire = cuttable.lay("postgis")
    stage.drop("emptied", "outage")
    run, _ = stage.stop(at)
    wire.cut()
    (schema,) = stage.clients.postgis.ephemeral_schemas()
    tables = stage.clients.postgis.run(
        f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"
    )
    assert tables
    for (table,) in tables:
        stage.clients.postgis.run(f"TRUNCATE {schema}.{table}")
    wire.mend()

    wake(run)

    assert run.exitcode == 0
    assert drop_of(stage, "emptied")["status"] == "published"
    assert stage.audit("probe", "emptied") == Audit()


def test_a_run_that_cannot_renew_its_lease_is_fenced_when_the_ledger_is_back(
    cuttable: Cuttable,
) -> None:
    stage = cuttable.stage
    at = stage.number_of("s3 PUT crash-lake crash", 0)
    wire = cuttable.lay("ledger")
    stage.drop("apart", "outage")
    run, stopped = stage.stop(at, lease_s=1)
    wire.cut()
    wake(run, wait_s=1.5)
    assert run.is_alive()
    stage.finish()
    assert drop_of(stage, "apart")["attempt"] == 2

    wire.mend()
    run.join(60)

    assert run.exitcode == 1
    assert "attempt.superseded" in stopped.journal.with_suffix(".log").read_text()
    assert drop_of(stage, "apart")["receipt"]["attempt"] == 2
    stage.finish()
    assert stage.audit("probe", "apart") == Audit()


def test_an_outage_that_outlasts_patience_is_the_reason_of_the_attempt(cuttable: Cuttable) -> None:
    stage = cuttable.stage
    stage.environment["SPATIAL_ETL_OUTAGE_PATIENCE_S"] = "1"
    at = stage.number_of("postgis", 3)
    wire = cuttable.lay("postgis")
    stage.drop("away", "outage")
    run, _ = stage.stop(at)
    wire.cut()
    started = time.monotonic()

    wake(run)

    assert (run.exitcode, time.monotonic() - started < 20) == (1, True)
    drop = drop_of(stage, "away")
    assert (drop["status"], drop["attempts"][0]["reason"]["code"]) == (
        "received",
        "compute.unavailable",
    )
    wire.mend()
    assert stage.finish() == []
    assert stage.audit("probe", "away") == Audit()
