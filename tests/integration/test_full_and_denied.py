"""A full disk and a lake that may only be read: a reason, a receipt, and nothing left behind."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from tests.crash.stage import LAKE, Stage

ROWS = b"id,text\n" + b"".join(b"%d,%064d\n" % (n, n) for n in range(40_000))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("a disk is mounted by root only")
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only_lake(s3_client: Minio) -> Iterator[None]:
    """Let nobody write into the lake."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{LAKE}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3_client.set_bucket_policy(LAKE, json.dumps(policy))
    yield
    s3_client.delete_bucket_policy(LAKE)


def failed(stage: Stage, name: str) -> dict[str, Any]:
    """Play the daemon until all is quiet; return the reason in the receipt of a failed drop."""
    assert stage.finish() == []
    receipt = stage.user.read_json(f"receipts/{name}.json")
    assert (receipt["status"], receipt["attempt"]) == ("failed", 3)
    assert stage.user.exists(f"rejected/{name}.json")
    reason: dict[str, Any] = receipt["reason"]
    return reason


def assert_nothing_is_left(stage: Stage) -> None:
    audit = stage.audit()
    assert audit.leaked == []


def test_a_full_disk_below_the_work_folder_is_told(
    stage: Stage, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The estimate would refuse it at the door.
    monkeypatch.setenv("SPATIAL_ETL_DISK_FACTOR", "0")
    monkeypatch.setenv("SPATIAL_ETL_WORK_DIR", str(tiny_disk))
    stage.refresh()
    stage.drop("full", "full", rows=ROWS)

    reason = failed(stage, "full")

    assert reason["code"] == "compute.disk_full"
    assert "SPATIAL_ETL_WORK_DIR" in reason["remedy"]
    assert list(tiny_disk.iterdir()) == []
    assert_nothing_is_left(stage)


def test_a_drop_too_large_for_the_disk_is_refused_before_it_fills_it(
    stage: Stage, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIAL_ETL_WORK_DIR", str(tiny_disk))
    stage.refresh()
    stage.drop("full", "full", rows=ROWS)
    stage.finish()

    receipt = stage.user.read_json("receipts/full.json")
    assert (receipt["status"], receipt["reason"]["code"]) == (
        "rejected",
        "source.too_large_for_disk",
    )


@pytest.mark.usefixtures("read_only_lake")
def test_a_lake_that_refuses_to_be_written_is_told(stage: Stage) -> None:
    stage.drop("denied", "denied")

    reason = failed(stage, "denied")

    assert reason["code"] == "storage.denied"
    assert "AccessDenied" in reason["message"]
    assert_nothing_is_left(stage)
