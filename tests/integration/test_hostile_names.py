"""Names that mean something to a shell, a database or a path are names here and nothing else."""

import json
from pathlib import Path

import pytest

from libs.pipeline.reception import look
from libs.storage.landing import receipt_key
from tests.integration.line import Line
from tests.support import geojson, make_manifest, point

TEXTS = {
    "shell": "-rf $(touch pwned)`touch pwned`; touch pwned",
    "sql": "it's \"quoted\"'; DROP TABLE assets; DROP SCHEMA public CASCADE; --",
    "formats": '{"$gt": ""} %2e%2e%2fx %s {0}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_name_that_says_something_is_a_name(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    features = geojson(({text: text}, point(1, 2)))
    path = line.user.put(f"uploads/{text}/{text}.geojson", features)
    manifest = make_manifest("odd", [path], batch_id=text, uploader=text)
    manifest["files"][0]["table"] = text
    manifest["metadata"] = {"project": text, "description": text, "title": text}

    version = line.run(text, manifest)

    (table,) = version.tables
    assert (table.name, table.rows, table.columns[0].name) == (text, 1, text)
    assert version.metadata.description == text
    assert not (tmp_path / "pwned").exists()


UNANSWERABLE = {
    "a line break": "a\nb\tc.json",
    "control characters": "a\x01\x7fb.json",
    "as long as a file system takes": "n" * 250 + ".json",
    "too long for its receipt": "n" * 255,
    "as long as S3 takes": "d/" * 507,
    "no name": ".json",
}


def test_manifests_are_answered_whatever_they_are_called(line: Line) -> None:
    names = [name.rstrip("/") for name in UNANSWERABLE.values()]
    long_path = f"s3://{line.user.bucket}/{'x' * 2000}"
    waits_for_long = make_manifest("long", [long_path], options={"wait_for_files_s": 0})
    line.user.put("manifests/long-path.json", json.dumps(waits_for_long).encode())
    for content in (b"{", b"[]", b"another"):
        for name in names:
            line.user.put(f"manifests/{name}", content)
        look(line.clients, lambda *_: "active")

    receipts = [line.user.read_json(receipt_key(f"manifests/{name}")) for name in names]
    assert {receipt["status"] for receipt in receipts} == {"rejected"}
    reason = line.user.read_json("receipts/long-path.json")["reason"]
    assert reason["code"] == "source.missing"
    assert line.clients.landing.list_manifests() == []
    moved = line.user.client.list_objects(line.user.bucket, prefix="rejected/", recursive=True)
    assert len([*moved]) == 3 * len(names) + 1
