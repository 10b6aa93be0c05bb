"""Receipts, versions and drops through the ledger and through JSON: nothing changes on the way."""

from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from pydantic import BaseModel, ValidationError

from libs.models.errors import Reason
from libs.models.receipt import FINAL_STATUSES, PhaseRecord, Receipt
from libs.models.version import Version
from tests.unit.examples import NOON, drop, receipt, version

REASON = Reason(code="crs.missing", message="m", remedy="r", file="f", layer="l", row=0)
FULL_RECEIPT = receipt(
    status="failed",
    version=3,
    tables=version().tables,
    reason=REASON,
    phases=(PhaseRecord(name="load", started_at=NOON, seconds=0.5, facts={"rows": 2, "x": "y"}),),
    warnings=({"code": "a.b", "message": "m", "file": "f"},),
)
TRANSFORMATION = {
    "source_crs": "EPSG:25832", "target_crs": "EPSG:4326", "name": "n", "accuracy_m": None,
    "is_ballpark": True,
}  # fmt: skip
FULL_VERSION = version(
    tables=[{**version().tables[0].model_dump(), "transformations": [TRANSFORMATION]}],
    warnings=[{"code": "a.b", "message": "m"}],
)
UTC_AWARE = CodecOptions(tz_aware=True)


@pytest.mark.parametrize(
    "value",
    [receipt(), FULL_RECEIPT, version(), FULL_VERSION],
    ids=["receipt", "full receipt", "version", "full version"],
)
def test_a_value_comes_back_from_json_and_bson(value: BaseModel) -> None:
    kind = type(value)
    assert kind.model_validate_json(value.model_dump_json(indent=2)) == value
    assert kind.model_validate(value.model_dump(mode="json")) == value
    assert kind.model_validate(bson.decode(bson.encode(value.model_dump()), UTC_AWARE)) == value


def test_a_drop_comes_back_from_bson() -> None:
    before = drop(receipt=FULL_RECEIPT.model_dump(mode="json"), reason=REASON)
    again = type(before).model_validate(bson.decode(bson.encode(before.document()), UTC_AWARE))
    assert again == before
    assert Receipt.model_validate(again.receipt) == FULL_RECEIPT


def test_a_receipt_has_a_final_status() -> None:
    assert FINAL_STATUSES == ("published", "unchanged", "rejected", "failed", "canceled")
    with pytest.raises(ValidationError, match="status"):
        receipt(status="running")


@pytest.mark.parametrize(
    "changes",
    [{"version": 0}, {"kind": "music"}, {"colour": "red"}, {"tables": [{"name": "x"}]}],
    ids=str,
)
def test_a_version_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        version(**changes)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            Version,
            "dataset_id version manifest_id run_id content_hash kind tables metadata created_at",
        ),
        (
            Version.model_fields["tables"].annotation.__args__[0],
            "name rows columns geometry_types crs bbox source outputs",
        ),
    ],
)
def test_the_names_that_the_architecture_fixes_are_there(kind: type[BaseModel], names: str) -> None:
    assert set(names.split()) <= set(kind.model_fields)
