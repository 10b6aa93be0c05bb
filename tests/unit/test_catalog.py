"""The catalog: versions are committed once, numbered without gaps, and never changed."""

from typing import Any

import pytest

from libs.ledger.catalog import Catalog
from libs.models.errors import NotFoundError, SupersededError
from tests.unit.examples import ROADS, version


def test_a_version_comes_back_as_it_was(catalog: Catalog) -> None:
    assert catalog.publish(version()) == version()
    assert catalog.get("transport/roads") == version()
    assert catalog.version_of_drop("d1") == version()


def test_the_loser_of_a_race_for_a_number_takes_the_next_one(catalog: Catalog) -> None:
    number = catalog.next_version("transport/roads")
    assert catalog.publish(version(number, manifest_id="winner")) is not None
    assert catalog.publish(version(number, manifest_id="loser")) is None
    number = catalog.next_version("transport/roads")
    assert number == 2
    assert catalog.publish(version(number, manifest_id="loser")).version == 2


def test_a_second_attempt_of_a_drop_finds_the_first_ones_version(catalog: Catalog) -> None:
    catalog.publish(version(1, run_id="run1"))
    again = catalog.publish(version(2, manifest_id="d1", run_id="run2"))
    assert (again.version, again.run_id) == (1, "run1")
    assert len(catalog.versions("transport/roads")) == 1


def test_a_number_taken_by_the_same_drop_is_its_version(catalog: Catalog) -> None:
    catalog.publish(version(1, run_id="run1"))
    assert catalog.publish(version(1, run_id="run2")).run_id == "run1"


def test_a_sealed_attempt_publishes_nothing_and_the_next_one_does(catalog: Catalog) -> None:
    for _ in range(2):
        assert catalog.seal("d1", 1) is None
    with pytest.raises(SupersededError, match="found that it was given up"):
        catalog.publish(version(1))
    assert catalog.version_of_drop("d1") is None
    assert (catalog.datasets(), catalog.published_keys()) == ([], set())

    second = version(1, attempt=2, run_id="run2")
    assert catalog.publish(second) == second
    (seal,) = catalog.seals()
    catalog.unseal(seal)
    assert catalog.seals() == []
    assert catalog.publish(version(2, manifest_id="d1")) == second


def test_a_seal_that_comes_too_late_tells_what_was_published(catalog: Catalog) -> None:
    catalog.publish(version(1))
    assert catalog.seal("d1", 1) == version(1)
    assert catalog.seals() == []


def test_a_sealed_attempt_is_told_so_where_its_number_is_taken_too(catalog: Catalog) -> None:
    catalog.seal("d1", 1)
    catalog.publish(version(1, manifest_id="another"))
    with pytest.raises(SupersededError):
        catalog.publish(version(1))


def test_datasets_are_numbered_apart(catalog: Catalog) -> None:
    assert catalog.next_version("transport/roads") == 1
    catalog.publish(version(1))
    catalog.publish(version(2))
    catalog.publish(version(1, dataset_id="a/b", manifest_id="x"))
    assert catalog.next_version("transport/roads") == 3
    assert catalog.next_version("a/b") == 2
    assert [(item.dataset_id, item.version) for item in catalog.datasets()] == [
        ("a/b", 1),
        ("transport/roads", 2),
    ]


def test_versions_come_oldest_first_and_the_newest_is_the_latest(catalog: Catalog) -> None:
    for number in (10, 9, 2):
        catalog.publish(version(number))
    assert [item.version for item in catalog.versions("transport/roads")] == [2, 9, 10]
    assert catalog.latest("transport/roads").version == 10
    assert catalog.get("transport/roads", 9).version == 9


@pytest.mark.parametrize(
    ("number", "wanted"), [(None, "transport/roads"), (3, "transport/roads@3")]
)
def test_an_unknown_version_is_named(catalog: Catalog, number: int | None, wanted: str) -> None:
    with pytest.raises(NotFoundError, match=wanted) as caught:
        catalog.get("transport/roads", number)
    assert caught.value.reason.code == "ledger.no_such_version"


def test_content_is_known_in_any_version(catalog: Catalog) -> None:
    assert not catalog.has_content("c" * 64)
    catalog.publish(version(1))
    catalog.publish(version(2, content_hash="f" * 64))
    assert catalog.has_content("c" * 64)
    assert not catalog.has_content("0" * 64)


def test_lineage_is_recorded_once_however_often(catalog: Catalog, database: Any) -> None:
    inputs = [
        {"path": path, "size_bytes": 10, "sha256": "b" * 64} for path in (ROADS, f"{ROADS}.prj")
    ]
    for _ in range(2):
        catalog.record_lineage(version(1, inputs=inputs))
    edges = list(database.lineage.find({}, {"_id": 0}))
    assert [edge["input"] for edge in edges] == [ROADS, f"{ROADS}.prj"]
    assert {edge["manifest_id"] for edge in edges} == {"d1"}


def test_an_input_of_two_versions_has_two_edges(catalog: Catalog, database: Any) -> None:
    catalog.record_lineage(version(1))
    catalog.record_lineage(version(2))
    assert [edge["version"] for edge in database.lineage.find({"input": ROADS})] == [1, 2]
