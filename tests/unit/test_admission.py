"""Which of the drops that are due may have a run: lanes by size, and room on the disks."""

from collections import Counter
from typing import Any

import pytest

from libs.models.config import MIB
from libs.pipeline import admission
from libs.pipeline.admission import Disk
from libs.pipeline.attempts import RunOrder
from tests.unit.conftest import Reception
from tests.unit.examples import BUCKET, document

LARGE = b"x" * 1000


@pytest.fixture
def reception(reception: Reception) -> Reception:
    """Return a reception to which 500 bytes are large, and one of two places is the small ones'."""
    reception.set(large_drop_bytes=500, max_concurrent_runs=2)
    return reception


def drop(reception: Reception, name: str, content: bytes = b"small") -> None:
    path = f"s3://{BUCKET}/uploads/{name}.gpkg"
    reception.upload(path, content=content)
    files: list[dict[str, Any]] = [{"path": path, "type": "vector", "crs": "EPSG:25832"}]
    reception.drop(f"{name}.json", document(batch_id=name, dataset_id=f"test/{name}", files=files))
    reception.clock.advance(1)


def held(reception: Reception) -> dict[str, str | None]:
    return {
        item.batch_id or "": item.held.code if item.held else None
        for item in reception.clients.ledger.with_status("received")
    }


def disk(monkeypatch: pytest.MonkeyPatch, *, free: int, total: int) -> None:
    """Give runs one disk, and a factor of 2."""
    found = (Disk((), 2, free, total),)
    monkeypatch.setattr(admission, "disks", lambda _: found)


def test_a_large_drop_waits_for_another_and_small_ones_pass_it(reception: Reception) -> None:
    for name, content in (("big-1", LARGE), ("big-2", LARGE), ("small-1", b"x"), ("big-3", LARGE)):
        drop(reception, name, content)

    first = reception.look()

    assert [order.batch_id for order in first] == ["big-1", "small-1"]
    assert held(reception) == {"big-2": "held.large_lane", "big-3": "held.large_lane"}
    for order in first:
        reception.publish(order)
    assert [order.batch_id for order in reception.look()] == ["big-2"]


def test_small_drops_share_runs_where_more_are_due_than_may_run(reception: Reception) -> None:
    for number in range(5):
        drop(reception, f"small-{number}")

    orders = reception.look()

    keys = [order.run_key for order in orders]
    assert [order.batch_id for order in orders] == [f"small-{number}" for number in range(5)]
    assert keys == [own_key(orders[0])] * 2 + [own_key(orders[2])] * 3
    # A look that was not followed by a run is followed by the next one's, with the same keys.
    assert [order.run_key for order in reception.look()] == keys


def test_a_shared_run_takes_one_place_and_so_many_drops(reception: Reception) -> None:
    reception.set(max_queued=2, shared_run_drops=3, max_concurrent_runs=1)
    for number in range(8):
        drop(reception, f"small-{number}")

    orders = reception.look()

    runs = Counter(order.run_key for order in orders)
    assert sorted(runs.values()) == [3, 3]
    for order in orders:
        reception.runs[order.run_key] = "active"
    reception.start(orders[0])
    assert len(reception.look()) == 2


def test_drops_for_which_there_is_a_place_have_runs_of_their_own(reception: Reception) -> None:
    for number in range(2):
        drop(reception, f"small-{number}")

    orders = reception.look()

    assert [order.run_key for order in orders] == [own_key(order) for order in orders]
    assert [order.shared_key for order in orders] == [None, None]


def test_a_drop_that_was_tried_shares_no_run(reception: Reception) -> None:
    reception.set(retry_backoff_s=0)
    for number in range(3):
        drop(reception, f"small-{number}")
    first, *others = reception.look()
    reception.start(first)
    reception.runs[first.run_key] = "ended"

    again = reception.look()

    assert {order.batch_id for order in again} == {order.batch_id for order in (first, *others)}
    alone = [order for order in again if order.batch_id == first.batch_id]
    assert [order.shared_key for order in alone] == [None]


def own_key(order: RunOrder) -> str:
    return f"{order.drop_id}:{order.attempt}"


def test_a_drop_waits_for_room_that_runs_take_by_estimate(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=900, total=10_000)
    drop(reception, "first", b"x" * 400)
    drop(reception, "second", b"x" * 400)
    drop(reception, "tiny", b"x")

    (first, tiny) = reception.look()

    assert (first.batch_id, tiny.batch_id) == ("first", "tiny")
    assert held(reception) == {"second": "held.no_room"}
    reception.publish(first)
    assert "second" in [order.batch_id for order in reception.look()]
    assert held(reception) == {}


def test_a_large_drop_that_waits_for_room_is_not_overtaken_in_its_lane(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=1500, total=10_000)
    drop(reception, "larger", LARGE)
    drop(reception, "large", b"x" * 600)
    drop(reception, "small")

    assert [order.batch_id for order in reception.look()] == ["small"]
    assert held(reception) == {"larger": "held.no_room", "large": "held.large_lane"}


def test_a_drop_that_can_never_fit_is_refused_at_the_door(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=100, total=1500)
    drop(reception, "never", LARGE)

    assert reception.look() == []

    receipt = reception.receipt("never.json")
    assert receipt.reason is not None
    assert (receipt.status, receipt.reason.code) == ("rejected", "source.too_large_for_disk")
    assert receipt.reason.file == f"s3://{BUCKET}/uploads/never.gpkg"


def test_the_disks_of_this_machine_are_counted_once_where_they_are_one(
    reception: Reception,
) -> None:
    settings = reception.clients.settings
    (alone,) = admission.disks(settings)
    (shared,) = admission.disks(
        settings.model_copy(update={"compute_dir": str(settings.work_dir.parent)})
    )
    assert (alone.factor, shared.factor) == (8, 16)
    assert alone.total_bytes > MIB


def test_manifests_that_wait_for_files_keep_no_new_one_from_its_turn(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.pipeline.reception.RECEIVED_PER_LOOK", 3)
    for number in range(6):
        files = [{"path": f"s3://{BUCKET}/uploads/late-{number}.gpkg", "type": "vector"}]
        reception.drop(f"late-{number}.json", document(batch_id=f"late-{number}", files=files))
    reception.look()
    reception.look()
    assert reception.statuses() == ["waiting"] * 6
    drop(reception, "ready")

    assert [order.batch_id for order in reception.look()] == ["ready"]
