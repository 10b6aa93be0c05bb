"""Two of everything at once: looks, runs, publications, clients that drop the same manifest."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from libs.models.errors import SupersededError
from libs.models.version import Version
from libs.pipeline.answer import answer_published
from libs.pipeline.attempts import RunOrder
from libs.pipeline.check import check
from libs.pipeline.dump import dump
from libs.pipeline.fetch import fetch
from libs.pipeline.intake import intake
from libs.pipeline.load import load
from libs.pipeline.publish import publish
from libs.pipeline.reception import look
from libs.pipeline.transform import transform
from tests.integration.line import Line
from tests.support import make_manifest

AT_ONCE = 4
T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Make calls in threads that set out together; return what they return."""
    start = threading.Barrier(len(calls))

    def made(call: Callable[[], T]) -> T:
        start.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(made, calls))


def drop(line: Line, name: str, dataset: str, *, key: str | None = None) -> None:
    """Drop a table that no other drop holds."""
    path = line.user.put(f"uploads/{name}.csv", f"id,name\n1,{name}\n".encode())
    files = [{"path": path, "type": "tabular"}]
    manifest = make_manifest(
        name, [], intent="ingest_tabular", dataset_id=f"test/{dataset}", files=files
    )
    line.user.drop(key or name, manifest)


def run(line: Line, order: RunOrder, before_publish: threading.Barrier | None = None) -> Version:
    """Run an attempt and answer it; publish together with others where there is a barrier."""
    with line.workbench() as bench:
        state: Any = intake(bench, order.drop_id, order.attempt)
        for phase in (fetch, load, transform, check, dump):
            state = phase(bench, state)
        if before_publish is not None:
            before_publish.wait(60)
        version = publish(bench, state).version
    answer_published(line.clients, order.drop_id, version)
    return version


def test_looks_at_the_same_time_give_each_drop_one_attempt(line: Line, name: str) -> None:
    for number in range(12):
        drop(line, f"{name}-{number}", name)

    looks = at_once(*[lambda: look(line.clients, lambda *_: "active").orders] * AT_ONCE)

    given = Counter((order.drop_id, order.attempt) for orders in looks for order in orders)
    drops = line.clients.ledger.find()
    assert set(given) == {(item.id, 1) for item in drops}
    assert set(given.values()) == {1}
    assert [(item.status, item.attempt) for item in drops] == [("queued", 1)] * 12


def test_of_runs_of_one_order_one_works_and_the_others_change_nothing(
    line: Line, name: str
) -> None:
    drop(line, name, name)
    (order,) = look(line.clients, lambda *_: "active").orders

    def attempt() -> Version | None:
        try:
            return run(line, order)
        except SupersededError:
            return None

    versions = at_once(*[attempt] * AT_ONCE)

    assert len([version for version in versions if version is not None]) == 1
    assert [item.version for item in line.clients.catalog.versions(f"test/{name}")] == [1]
    (record,) = line.clients.ledger.find()
    assert (record.status, record.attempt, len(record.attempts)) == ("published", 1, 1)


def test_manifests_for_one_dataset_published_at_once_get_numbers_without_a_gap(
    line: Line, name: str
) -> None:
    for number in range(AT_ONCE):
        drop(line, f"{name}-{number}", name)
    orders = look(line.clients, lambda *_: "active").orders
    together = threading.Barrier(AT_ONCE)

    published = at_once(*[lambda order=order: run(line, order, together) for order in orders])

    versions = line.clients.catalog.versions(f"test/{name}")
    assert [item.version for item in versions] == list(range(1, AT_ONCE + 1))
    assert {item.run_id for item in versions} == {item.run_id for item in published}
    named = {output.key for item in versions for table in item.tables for output in table.outputs}
    there = {key for key in line.clients.lake.list_keys() if key.startswith(f"test/{name}/")}
    assert there == named


def test_a_manifest_dropped_at_the_last_moment_before_its_name_is_freed_stays(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local stack's server heeds a condition on deleting."""
    landing, key = line.clients.landing, "manifests/last-moment.json"
    landing.put_json(key, b"answered")
    (answered,) = [item for item in landing.list_manifests() if item.key == key]
    holds = type(landing).holds

    def replaced_after_the_last_look(*args: Any, **named: Any) -> bool:
        held = holds(*args, **named)
        landing.put_json(key, b"dropped since")
        return held

    with monkeypatch.context() as patch:
        patch.setattr("libs.storage.landing.LandingZone.holds", replaced_after_the_last_look)
        patch.setattr(landing.client, "copy_object", lambda *_: None)
        landing.settle(key, answered.etag, folder="archive/")
    assert landing.read_manifest(landing.stat(key)) == b"dropped since"


def test_one_manifest_dropped_by_two_clients_runs_once_and_answers_both(
    line: Line, name: str
) -> None:
    at_once(
        lambda: drop(line, name, name, key=f"{name}-ana"),
        lambda: drop(line, name, name, key=f"{name}-ben"),
        lambda: drop(line, name, name, key=f"{name}-ben"),
    )
    looks = at_once(*[lambda: look(line.clients, lambda *_: "active").orders] * 2)
    (order,) = {order for orders in looks for order in orders}
    run(line, order)
    look(line.clients, lambda *_: "active")

    answers = [line.user.receipt(f"{name}-{who}", timeout_s=5) for who in ("ana", "ben")]
    assert sorted(answer["status"] for answer in answers) == ["published", "unchanged"]
    assert {answer["version"] for answer in answers} == {1}
    (record,) = line.clients.ledger.find()
    assert record.attempt == 1
