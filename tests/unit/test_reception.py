"""Reception: what each look at the landing zone makes of what lies there."""

from typing import Any

import pytest

from libs.models.errors import StorageError
from libs.models.manifest import MAX_MANIFEST_BYTES, Manifest
from libs.pipeline import reception as reception_module
from libs.pipeline.answer import receipt_of
from libs.pipeline.reception import RECEIVED_PER_LOOK
from libs.storage.landing import LandingZone
from tests.unit.conftest import Reception
from tests.unit.examples import BUCKET, ROADS, document
from tests.unit.fakes import FakeMinio, s3_error

OTHER = f"s3://{BUCKET}/uploads/other.gpkg"


def test_a_good_drop_gives_one_order(dropped: Reception) -> None:
    order = dropped.order()
    assert order.run_key == f"{order.drop_id}:1"
    assert (order.batch_id, order.dataset_id) == ("roads-2026-11", "transport/roads")
    drop = dropped.clients.ledger.get(order.drop_id)
    assert (drop.status, drop.attempt, drop.attempt_limit) == ("queued", 1, 3)
    assert [file.path for file in drop.files] == [ROADS]
    assert drop.files[0].size_bytes == 4
    assert dropped.waiting_manifests() == ["roads.json"]


@pytest.mark.parametrize("state", ["active", "running"])
def test_a_second_look_gives_no_new_order(dropped: Reception, state: str) -> None:
    order = dropped.order()
    if state == "running":
        dropped.start(order)
    dropped.runs[order.run_key] = "active"
    assert dropped.look() == []
    assert dropped.look() == []


def test_a_queued_drop_without_a_run_is_ordered_again_under_the_same_key(
    dropped: Reception,
) -> None:
    order = dropped.order()
    assert dropped.look() == [order]
    assert dropped.look() == [order]


def test_a_published_drop_is_answered_and_archived(dropped: Reception) -> None:
    dropped.publish(dropped.order())
    receipt = dropped.receipt("roads.json")
    assert (receipt.status, receipt.version, receipt.attempt) == ("published", 1, 1)
    assert receipt.run_url == f"http://127.0.0.1:3000/runs/{receipt.run_id}"
    assert dropped.names("archive/") == ["roads.json"]
    assert dropped.waiting_manifests() == []
    assert dropped.look() == []


def test_a_drop_that_is_answered_during_a_look_keeps_its_answer(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = dropped.order()
    dropped.commit(order)
    listed = LandingZone.list_manifests

    def answered_meanwhile(landing: LandingZone) -> Any:
        items = listed(landing)
        drop = dropped.clients.ledger.get(order.drop_id)
        version = dropped.clients.catalog.version_of_drop(order.drop_id)
        receipt = receipt_of(dropped.clients, drop, "published", version=version)
        dropped.clients.ledger.answer(receipt, attempt=1)
        return items

    with monkeypatch.context() as during:
        during.setattr(LandingZone, "list_manifests", answered_meanwhile)
        assert dropped.look() == []
    assert dropped.look() == []

    assert dropped.receipt("roads.json").status == "published"
    assert dropped.waiting_manifests() == []


def test_a_drop_that_comes_again_and_again_has_a_receipt_of_its_own_each_time(
    dropped: Reception,
) -> None:
    dropped.publish(dropped.order())
    receipts = []
    for _ in range(2):
        dropped.drop("roads.json", document())
        assert dropped.look() == []
        receipts.append(dropped.receipt("roads.json"))
    assert [receipt.status for receipt in receipts] == ["unchanged"] * 2
    assert receipts[0] != receipts[1]


def test_the_same_drop_under_a_second_name_is_answered_without_a_run(dropped: Reception) -> None:
    order = dropped.order()
    dropped.drop("again.json", document())
    dropped.runs[order.run_key] = "active"
    assert dropped.look() == []
    assert dropped.waiting_manifests() == ["again.json", "roads.json"]
    dropped.publish(order)
    assert dropped.look() == []
    receipt = dropped.receipt("again.json")
    assert (receipt.status, receipt.version, receipt.drop_id) == ("unchanged", 1, order.drop_id)
    assert receipt.manifest == "manifests/again.json"
    assert "answered published" in receipt.note
    assert dropped.receipt("roads.json").status == "published"
    assert dropped.names("archive/") == ["again.json", "roads.json"]


def test_copies_of_a_drop_that_runs_do_not_hold_up_what_came_after_them(
    dropped: Reception,
) -> None:
    dropped.runs[dropped.order().run_key] = "active"
    for number in range(RECEIVED_PER_LOOK + 1):
        dropped.drop(f"copy-{number}.json", document())
    dropped.clock.advance(1)
    dropped.drop("newer.json", document(batch_id="newer"))
    assert dropped.order().batch_id == "newer"


def test_manifests_that_can_never_be_read_do_not_hold_up_what_came_after_them(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = FakeMinio.get_object

    def get_but_some(minio: FakeMinio, bucket: str, key: str, **how: Any) -> Any:
        if "sealed" in key:
            raise s3_error("InvalidObjectState", bucket, key)
        return get(minio, bucket, key, **how)

    monkeypatch.setattr(FakeMinio, "get_object", get_but_some)
    dropped.runs[dropped.order().run_key] = "active"
    for number in range(RECEIVED_PER_LOOK):
        dropped.drop(f"sealed-{number}.json", document(batch_id=str(number)))
    dropped.clock.advance(1)
    dropped.drop("newer.json", document(batch_id="newer"))
    orders = [order for _ in range(20) for order in dropped.look()]
    assert {order.batch_id for order in orders} == {"newer"}


def test_the_same_manifest_over_changed_files_is_a_new_drop(dropped: Reception) -> None:
    first = dropped.order()
    dropped.publish(first)
    dropped.upload(ROADS, content=b"newer data")
    dropped.drop("roads.json", document())
    assert dropped.order().drop_id != first.drop_id


@pytest.mark.parametrize(
    ("name", "content", "code", "batch_id"),
    [
        ("a.json", b"{", "manifest.invalid_json", None),
        ("a.json", b"", "manifest.invalid_json", None),
        ("notes.txt", b"hello", "manifest.invalid_json", None),
        ("a.json", document(intent="ingest_music"), "manifest.unknown_intent", "roads-2026-11"),
        ("a.json", document(colour="red"), "manifest.invalid", "roads-2026-11"),
        ("a.json", document(batch_id=5), "manifest.invalid", None),
        ("a.json", document("s3://other/x.gpkg"), "manifest.foreign_path", "roads-2026-11"),
        ("big.json", b" " * (MAX_MANIFEST_BYTES + 1), "manifest.too_large", None),
    ],
    ids=["no JSON", "empty", "no manifest", "intent", "field", "label", "path", "size"],
)
def test_a_manifest_that_cannot_run_is_refused(
    reception: Reception, name: str, content: bytes, code: str, batch_id: str | None
) -> None:
    reception.upload(ROADS)
    reception.drop(name, content)
    assert reception.look() == []
    receipt = reception.receipt(name)
    assert (receipt.status, receipt.reason.code) == ("rejected", code)
    assert (receipt.batch_id, receipt.attempt) == (batch_id, 0)
    assert reception.names("rejected/") == [name]
    assert reception.waiting_manifests() == []
    assert reception.statuses() == ["rejected"]
    assert reception.look() == []


def test_what_cannot_be_read_does_not_hold_up_what_can(dropped: Reception) -> None:
    for number in range(3):
        dropped.drop(f"0{number}.json", b"{" * (number + 1))
    assert len(dropped.look()) == 1
    assert len(dropped.names("rejected/")) == 3


def test_a_manifest_that_the_ledger_cannot_hold_does_not_hold_up_others(
    dropped: Reception,
) -> None:
    dropped.drop("a.json", document(contract={"columns": {"a\x00b": "text"}}))
    orders = dropped.look()
    assert len(orders) == 1
    assert dropped.names("rejected/") == ["a.json"]


def test_a_manifest_that_disappears_during_a_look_does_not_hold_up_others(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.drop("a.json", document(batch_id="another"))
    read = LandingZone.read_manifest

    def gone_first(landing: LandingZone, item: object) -> bytes:
        if item.key == "manifests/a.json":
            dropped.take_away("a.json")
        return read(landing, item)

    monkeypatch.setattr(LandingZone, "read_manifest", gone_first)
    assert len(dropped.look()) == 1


def test_a_manifest_that_shows_a_defect_of_ours_does_not_hold_up_others(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.drop("a.json", document(batch_id="broken"))
    real = reception_module.parse_manifest

    def broken(content: dict[str, Any], **arguments: Any) -> Manifest:
        if content["batch_id"] == "broken":
            raise ZeroDivisionError
        return real(content, **arguments)

    monkeypatch.setattr(reception_module, "parse_manifest", broken)
    assert len(dropped.look()) == 1
    assert dropped.receipt("a.json").reason.code == "internal.unexpected"
    assert dropped.names("rejected/") == ["a.json"]


def test_a_manifest_that_a_server_takes_no_part_in_does_not_hold_up_others(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, get = FakeMinio.put_object, FakeMinio.get_object

    def put_but_one(minio: FakeMinio, bucket: str, key: str, *rest: Any) -> Any:
        if key == "receipts/a.json":
            raise s3_error("XMinioParentIsObject", bucket, key)
        return put(minio, bucket, key, *rest)

    def get_but_one(minio: FakeMinio, bucket: str, key: str, **how: Any) -> Any:
        if key == "manifests/b.json":
            raise s3_error("AccessDenied", bucket, key)
        return get(minio, bucket, key, **how)

    dropped.drop("a.json", b"{")
    dropped.drop("b.json", document(batch_id="b"))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(FakeMinio, "put_object", put_but_one)
        meanwhile.setattr(FakeMinio, "get_object", get_but_one)
        dropped.publish(dropped.order())
        assert dropped.look() == []
        assert dropped.receipt("roads.json").status == "published"

    assert [order.batch_id for order in dropped.look()] == ["b"]
    assert dropped.receipt("a.json").status == "rejected"


def test_a_look_ends_where_the_server_does_not_answer(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise s3_error("ServiceUnavailable", BUCKET, "manifests/roads.json")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(FakeMinio, "get_object", away)
        with pytest.raises(StorageError, match="unavailable"):
            dropped.look()
    assert len(dropped.look()) == 1


@pytest.mark.parametrize("name", ["x" * 1025, "d/" * 600 + "x", "d/" + "y" * 256])
def test_a_path_that_the_server_takes_no_key_so_long_as_is_missing(
    dropped: Reception, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    find = FakeMinio.stat_object

    def find_short(minio: FakeMinio, bucket: str, key: str) -> Any:
        if len(key) > 255:
            raise s3_error("BadRequest", bucket, key)
        return find(minio, bucket, key)

    monkeypatch.setattr(FakeMinio, "stat_object", find_short)
    options = {"wait_for_files_s": 0}
    dropped.drop("a.json", document(f"s3://{BUCKET}/{name}", batch_id="a", options=options))
    assert len(dropped.look()) == 1
    assert dropped.receipt("a.json").reason.code == "source.missing"


def test_a_file_larger_than_allowed_is_refused_and_accepted_once_it_is_allowed(
    dropped: Reception,
) -> None:
    dropped.set(max_file_bytes=3)
    assert dropped.look() == []
    assert dropped.receipt("roads.json").reason.code == "source.too_large"
    assert "SPATIAL_ETL_MAX_FILE_BYTES" in dropped.receipt("roads.json").reason.remedy
    dropped.set(max_file_bytes=4)
    dropped.drop("roads.json", document())
    assert dropped.order().attempt == 1


def waiting_for(reception: Reception, wait_s: int = 600) -> Reception:
    """Drop a manifest over two files of which one is there."""
    reception.upload(ROADS)
    options = {"wait_for_files_s": wait_s}
    reception.drop("two.json", document(ROADS, OTHER, options=options))
    return reception


def test_a_drop_whose_files_are_missing_waits_until_they_come(reception: Reception) -> None:
    waiting_for(reception)
    assert reception.look() == []
    (drop,) = reception.clients.ledger.find()
    assert (drop.status, drop.missing) == ("waiting", (OTHER,))
    arrived = drop.received_at
    assert reception.look() == []
    assert reception.statuses() == ["waiting"]
    reception.upload(OTHER)
    order = reception.order()
    assert reception.statuses() == ["queued"]
    assert reception.clients.ledger.get(order.drop_id).received_at == arrived


def test_a_waiting_drop_is_one_drop_while_its_files_come_one_by_one(reception: Reception) -> None:
    reception.drop("two.json", document(ROADS, OTHER))
    reception.look()
    reception.upload(ROADS)
    reception.look()
    (drop,) = reception.clients.ledger.find()
    assert drop.missing == (OTHER,)
    reception.upload(ROADS, content=b"changed")
    reception.look()
    assert reception.statuses() == ["waiting"]


def test_a_drop_whose_files_never_come_is_refused_naming_them(reception: Reception) -> None:
    waiting_for(reception, wait_s=600)
    reception.look()
    reception.clock.advance(590)
    reception.look()
    assert reception.statuses() == ["waiting"]
    reception.clock.advance(20)
    reception.look()
    receipt = reception.receipt("two.json")
    assert (receipt.status, receipt.reason.code) == ("rejected", "source.missing")
    assert f"1 of 2 missing: {OTHER}" in receipt.reason.message
    assert receipt.reason.file == OTHER
    assert reception.statuses() == ["rejected"]
    assert reception.names("rejected/") == ["two.json"]


def test_a_drop_that_may_not_wait_is_refused_at_the_next_look(reception: Reception) -> None:
    waiting_for(reception, wait_s=0)
    reception.look()
    assert reception.statuses() == ["rejected"]


def test_a_refused_drop_that_comes_again_before_its_files_waits_again(
    reception: Reception,
) -> None:
    waiting_for(reception, wait_s=0)
    reception.look()
    options = {"wait_for_files_s": 0}
    reception.clock.advance(60)
    reception.drop("two.json", document(ROADS, OTHER, options=options))
    reception.look()
    assert reception.names("rejected/") == ["two.json"]
    assert reception.waiting_manifests() == []
    assert reception.receipt("two.json").reason.code == "source.missing"


@pytest.mark.parametrize("first", ["withdrawn", "refused"])
def test_a_manifest_that_waits_for_the_second_time_is_shown_as_waiting(
    reception: Reception, first: str
) -> None:
    waiting_for(reception)
    reception.look()
    if first == "withdrawn":
        reception.take_away("two.json")
    else:
        reception.clock.advance(700)
    reception.look()
    reception.drop("two.json", document(ROADS, OTHER, options={"wait_for_files_s": 600}))
    assert reception.look() == []
    assert reception.waiting_manifests() == ["two.json"]
    assert "waiting" in reception.statuses()


def test_a_withdrawn_manifest_is_answered_canceled(reception: Reception) -> None:
    waiting_for(reception)
    reception.look()
    reception.take_away("two.json")
    assert reception.look() == []
    receipt = reception.receipt("two.json")
    assert (receipt.status, receipt.reason.code) == ("canceled", "manifest.withdrawn")
    assert reception.statuses() == ["canceled"]
    assert reception.names("rejected/") == []


def test_a_manifest_dropped_and_claimed_by_another_look_is_not_withdrawn(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_for(reception)
    reception.look()
    with monkeypatch.context() as earlier:
        earlier.setattr(LandingZone, "list_manifests", lambda _: [])
        reception.look()
    assert reception.statuses() == ["waiting"]
    assert reception.waiting_manifests() == ["two.json"]


def test_a_waiting_manifest_replaced_by_another_gives_way_to_it(reception: Reception) -> None:
    waiting_for(reception)
    reception.look()
    reception.drop("two.json", document(ROADS))
    order = reception.order()
    assert sorted(reception.statuses()) == ["canceled", "queued"]
    reception.publish(order)
    assert reception.receipt("two.json").status == "published"


def test_the_receipt_of_a_waiting_manifests_replacement_is_the_replacements(
    reception: Reception,
) -> None:
    waiting_for(reception)
    reception.look()
    reception.drop("two.json", b"{")
    reception.look()
    assert sorted(reception.statuses()) == ["canceled", "rejected"]
    assert reception.receipt("two.json").status == "rejected"
