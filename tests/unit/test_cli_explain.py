"""A drop explained, one example a status, from records written by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.ledger.records import AttemptRecord, Delivery, DropRecord, FileClaim
from libs.models.errors import Reason
from libs.models.fidelity import HopFacts, Hops
from libs.models.receipt import PhaseRecord, Receipt
from libs.models.version import (
    Output,
    SourceRef,
    SourceRows,
    TableVersion,
    Warn,
)
from services.cli.explain import manifest_keys
from services.cli.explaining import Surroundings, explain_lines
from services.cli.receipts import receipt_lines

T0 = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
DROP_ID = "ab" * 32
ROADS = "s3://landing-zone/uploads/roads.gpkg"
NO_CRS = Reason(
    code="crs.missing", message="expected a CRS, found none.", remedy="Declare it.", file=ROADS,
    layer="roads", row=7,
)  # fmt: skip
LOST = Reason(code="compute.child_lost", message="ogr2ogr was killed.", remedy="Nothing.")
PHASES = (
    PhaseRecord(name="intake", started_at=T0, seconds=0.01, facts={"files": 1}),
    PhaseRecord(name="load", started_at=T0 + timedelta(seconds=5)),
)

TWELVE = HopFacts(rows=12)


def drop(status: str, **changes: Any) -> DropRecord:
    """Return a drop of one file."""
    values: dict[str, Any] = {
        "_id": DROP_ID,
        "status": status,
        "batch_id": "roads-1",
        "dataset_id": "transport/roads",
        "manifest": {"uploader": "ana", "intent": "ingest_vector"},
        "files": (FileClaim(path=ROADS, etag="e", size_bytes=2048),),
        "delivery": Delivery(key="manifests/roads-1.json", etag="m", received_at=T0),
        "attempt_limit": 3,
        "received_at": T0,
        "updated_at": T0,
    }
    return DropRecord(**(values | changes))


def attempt(number: int = 1, **changes: Any) -> AttemptRecord:
    return AttemptRecord(number=number, requested_at=T0, **changes)


def running(number: int = 1, **changes: Any) -> AttemptRecord:
    return attempt(
        number, run_id="run-7", started_at=T0 + timedelta(seconds=1), phases=PHASES, **changes
    )


def receipt(status: str, **changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "status": status,
        "drop_id": DROP_ID,
        "batch_id": "roads-1",
        "manifest": "manifests/roads-1.json",
        "dataset_id": "transport/roads",
        "received_at": T0,
        "answered_at": T0 + timedelta(seconds=90),
    }
    return Receipt(**(values | changes))


def roads_table() -> TableVersion:
    """Return a published table of one file."""
    return TableVersion(
        name="roads",
        rows=12,
        columns=(),
        geometry_types=("LineString",),
        crs="EPSG:4326",
        bbox=(0, 0, 1, 1),
        source=SourceRef(file=ROADS, layer="roads"),
        sources=(SourceRows(file=ROADS, layer="roads", rows=12),),
        hops=Hops(read=(TWELVE,), loaded=(TWELVE,), transformed=TWELVE, written={"gpkg": TWELVE}),
        outputs=(Output(format="gpkg", key="k/roads.gpkg", size_bytes=1024, sha256="f" * 64),),
    )


def explained(record: DropRecord, **changes: Any) -> str:
    values: dict[str, Any] = {
        "landing_bucket": "landing-zone",
        "lake_bucket": "data-lake",
        "max_queued": 2,
        "queued_runs": 0,
        "now": T0 + timedelta(seconds=30),
        "runs_working": 0,
        "queued": (),
    }
    return "\n".join(explain_lines(record, Surroundings(**(values | changes))))


def test_what_was_dropped_is_told_first() -> None:
    assert explained(drop("received")).startswith(
        "received: batch roads-1 for transport/roads\n"
        "\n"
        "dropped\n"
        f"  drop      {DROP_ID}\n"
        "  manifest  s3://landing-zone/manifests/roads-1.json\n"
        "  received  2026-11-21 03:00:00Z\n"
        "  by        ana\n"
        "  intent    ingest_vector\n"
        f"  file      {ROADS}  2.0 KiB\n"
        "\n"
        "waits for\n"
        "  the sensor's next look"
    )


def test_received_waits_for_a_place_in_a_full_queue() -> None:
    assert "2 runs are queued, 2 may be" in explained(drop("received"), queued_runs=2)


def test_received_again_tells_the_attempt_before() -> None:
    again = drop("received", attempt=1, attempts=(running(reason=LOST, ended_at=T0),))

    said = explained(again)

    assert "attempt 2 of 3, as attempt 1 ended with compute.child_lost" in said
    assert "ended with compute.child_lost: ogr2ogr was killed." in said
    assert "load         stopped" in said


def test_waiting_names_the_files_and_until_when() -> None:
    other = "s3://landing-zone/uploads/other.gpkg"
    waiting = drop(
        "waiting",
        missing=(other,),
        files=(
            FileClaim(path=ROADS, etag="e", size_bytes=1),
            FileClaim(path=other, etag="", size_bytes=-1),
        ),
        manifest={"options": {"wait_for_files_s": 60}},
    )

    said = explained(waiting)

    assert "1 of 2 files, until 2026-11-21 03:01:00Z; then it is rejected:" in said
    assert f"    {other}" in said
    assert f"{other}  missing" in said


def test_queued_tells_who_is_before_it_and_when_it_takes_long() -> None:
    queued = drop("queued", attempt=1, attempts=(attempt(),))

    said = explained(queued, queued=("x", DROP_ID, "y"), runs_working=2)
    assert "2 drops run, 1 were queued before it" in said
    assert "doctor" not in said

    late = explained(queued, queued=(DROP_ID,), now=T0 + timedelta(minutes=5))
    assert "queued for 5 min 00 s by now" in late
    assert "doctor" in late


def test_running_tells_the_phase() -> None:
    said = explained(drop("running", attempt=1, attempts=(running(),)))

    assert "run run-7 is in phase load since 2026-11-21 03:00:05Z" in said
    assert "intake        0.01 s  files 1" in said
    assert "load            runs" in said


def test_publishing_tells_the_run() -> None:
    said = explained(drop("publishing", attempt=1, attempts=(running(),)))

    assert "run run-7 writes the files" in said


def test_published_shows_files_and_warnings() -> None:
    answer = receipt(
        "published",
        version=3,
        tables=(roads_table(),),
        warnings=(Warn(code="crs.ballpark", message="Not exact.", file=ROADS, layer="roads"),),
        run_url="http://host/runs/run-7",
    )
    published = drop(
        "published", version=3, attempt=1, receipt=answer.model_dump(mode="json"), is_settled=True
    )

    said = explained(published)

    assert said.startswith("published: batch roads-1 for transport/roads@3\n")
    assert "waits for" not in said
    assert "s3://data-lake/k/roads.gpkg" in said
    assert f"warning  crs.ballpark ({ROADS}, layer roads): Not exact." in said


@pytest.mark.parametrize("status", ["rejected", "failed", "canceled"])
def test_a_refusal_shows_code_place_message_and_remedy(status: str) -> None:
    answer = receipt(status, reason=NO_CRS)
    refused = drop(status, reason=NO_CRS, receipt=answer.model_dump(mode="json"))

    said = explained(refused)

    assert said.startswith(f"{status}: ")
    for line in (
        "answered  2026-11-21 03:01:30Z, after 1 min 30 s",
        "code      crs.missing",
        f"where     {ROADS}, layer roads, row 7",
        "what      expected a CRS, found none.",
        "remedy    Declare it.",
    ):
        assert line in said


def test_an_unreadable_manifest_is_explained_without_batch() -> None:
    reason = Reason(code="manifest.invalid_json", message="Not JSON.", remedy="Correct it.")
    nameless = {"batch_id": None, "dataset_id": None, "manifest": None, "files": ()}
    answer = receipt("rejected", batch_id=None, dataset_id=None, reason=reason)

    said = explained(
        drop("rejected", **nameless, reason=reason, receipt=answer.model_dump(mode="json"))
    )

    assert said.startswith("rejected: manifest manifests/roads-1.json for no dataset\n")
    assert "manifest.invalid_json" in said


def test_unchanged_and_later_deliveries_are_told() -> None:
    answer = receipt("unchanged", version=2, note="Version 2 already holds this content.")
    later = Delivery(key="manifests/again.json", etag="m", received_at=T0 + timedelta(hours=1))
    known = drop(
        "unchanged", version=2, receipt=answer.model_dump(mode="json"), redeliveries=(later,)
    )

    said = explained(known, other_manifest_since=T0 + timedelta(hours=2))

    assert "note      Version 2 already holds this content." in said
    assert "2026-11-21 04:00:00Z  manifests/again.json" in said
    assert "lies in manifests/ since 2026-11-21 05:00:00Z" in said


def test_control_characters_do_not_reach_the_terminal() -> None:
    reason = NO_CRS.model_copy(update={"message": "found \x1b[2J\nnothing"})

    assert not any("\x1b" in line for line in receipt_lines(receipt("failed", reason=reason), "b"))


@pytest.mark.parametrize(
    "name",
    [
        "roads-1",
        "roads-1.json",
        "manifests/roads-1.json",
        "rejected/roads-1.json",
        "s3://landing-zone/archive/roads-1.json",
    ],
)
def test_a_drop_is_found_by_every_name_of_its_manifest(name: str) -> None:
    assert "manifests/roads-1.json" in manifest_keys(name)
