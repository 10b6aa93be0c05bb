"""A run id and the name of its schema, both ways."""

import uuid

import pytest

from libs.models.errors import TerminalError
from libs.spatial_utils.schema_mapper import MAX_IDENTIFIER_BYTES, RunIdSchemaMapping

RUN_IDS = [
    "a",
    "run1",
    "0-0",
    "a-b-c",
    "x" * (MAX_IDENTIFIER_BYTES - len("proc_")),
    *(str(uuid.UUID(int=number * 0x1234567890ABCDEF, version=4)) for number in range(20)),
]


@pytest.mark.parametrize("run_id", RUN_IDS)
def test_a_run_id_comes_back_from_its_schema(run_id: str) -> None:
    there = RunIdSchemaMapping.from_run_id(run_id)
    back = RunIdSchemaMapping.from_schema_name(there.schema_name)
    assert back == there
    assert back.run_id == run_id


def test_a_schema_is_named_as_the_architecture_says() -> None:
    run_id = "0b1c2d3e-aaaa-4bbb-8ccc-123456789abc"
    name = RunIdSchemaMapping.from_run_id(run_id).schema_name
    assert name == "proc_0b1c2d3e_aaaa_4bbb_8ccc_123456789abc"


def test_no_two_run_ids_share_a_schema() -> None:
    names = {RunIdSchemaMapping.from_run_id(run_id).schema_name for run_id in RUN_IDS}
    assert len(names) == len(set(RUN_IDS))


@pytest.mark.parametrize(
    "run_id",
    ["", "-", "-a", "a-", "a--b", "a_b", "A", "ä", "a b", "a\n", "a;b", 'a"b', "x" * 59, "٣"],
)
def test_a_run_id_that_would_not_come_back_is_refused(run_id: str) -> None:
    with pytest.raises(TerminalError) as caught:
        RunIdSchemaMapping.from_run_id(run_id)
    assert caught.value.reason.code == "schema.invalid_run_id"
    assert repr(run_id) in caught.value.reason.message


@pytest.mark.parametrize(
    "name",
    ["", "public", "proc_", "proc", "proc__a", "proc_a_", "proc_a__b", "PROC_a", "proc_A",
     "proc_a-b", "xproc_a", "proc_" + "x" * 59, "proc_a\n", "pg_catalog"],
)  # fmt: skip
def test_a_foreign_schema_is_refused(name: str) -> None:
    with pytest.raises(TerminalError):
        RunIdSchemaMapping.from_schema_name(name)
