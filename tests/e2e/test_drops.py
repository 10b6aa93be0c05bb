"""Drops through the real daemon, sensor and code server, seen by users with bare clients."""

import time
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from minio import Minio
from pymongo.database import Database

from tests.e2e.webserver import Webserver
from tests.support import LandingUser, asset, geojson, make_manifest, multi_layer_geopackage, point

Ledger = Database[dict[str, Any]]


def leftover_schemas(env: dict[str, str]) -> list[str]:
    connection = psycopg2.connect(
        host=env["POSTGRES_HOST"],
        port=env["POSTGRES_PORT"],
        user=env["POSTGRES_USER"],
        password=env["POSTGRES_PASSWORD"],
        dbname=env["POSTGRES_DB"],
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'proc\\_%'")
        names = [row[0] for row in cursor.fetchall()]
    connection.close()
    return names


def wait_for_no_schema(env: dict[str, str]) -> None:
    until = time.monotonic() + 20
    while leftover_schemas(env):
        assert time.monotonic() < until, leftover_schemas(env)
        time.sleep(0.2)


def test_a_good_drop_is_published_and_the_webserver_shows_how(
    user: LandingUser,
    ledger_database: Ledger,
    s3_client: Minio,
    stack_env: dict[str, str],
    webserver: Webserver,
    data: Path,
    name: str,
) -> None:
    user.drop_files(name, data / "nz-pa-points-topo-150k.gpkg")

    receipt = user.receipt(name)

    assert (receipt["status"], receipt["version"], receipt["reason"]) == ("published", 1, None)
    version = asset(ledger_database, f"test/{name}", 1)
    (table,) = version["tables"]
    assert (table["name"], table["rows"], table["crs"]) == (name, 2143, "EPSG:4326")
    hops = table["hops"]
    measured = [*hops["read"], *hops["loaded"], hops["transformed"], *hops["written"].values()]
    assert [facts["rows"] for facts in measured] == [2143] * 5
    assert len({str(facts["columns"]) for facts in measured}) == 1
    prefix = f"test/{name}/v1-{receipt['run_id']}/"
    assert [output["key"] for output in table["outputs"]] == [
        f"{prefix}{name}.parquet",
        f"{prefix}{name}.fgb",
    ]
    for output in table["outputs"]:
        assert s3_client.stat_object("data-lake", output["key"]).size == output["size_bytes"]
    assert user.exists(f"archive/{name}.json")
    (edge,) = ledger_database.lineage.find({"dataset_id": f"test/{name}"})
    assert edge["input"].endswith("nz-pa-points-topo-150k.gpkg")
    wait_for_no_schema(stack_env)
    steps = webserver.wait_for_steps(receipt["run_id"])
    assert list(steps) == ["intake", "fetch", "load", "transform", "check", "dump", "publish"]
    assert set(steps.values()) == {"SUCCESS"}
    metadata = webserver.output_metadata(receipt["run_id"])
    assert metadata["load"]["rows"] == 2143
    assert metadata["dump"]["seconds"] > 0
    assert webserver.materialization(["bronze", "test", name])["version"] == 1


def test_what_was_published_before_is_answered_unchanged(
    user: LandingUser, ledger_database: Ledger, data: Path, name: str
) -> None:
    manifest = user.drop_files(name, data / "poly.gpkg.zip")
    first = user.receipt(name)

    user.drop(f"{name}-again", manifest)
    user.drop(f"{name}-other", manifest | {"batch_id": f"{name}-other"})
    again, other = user.receipt(f"{name}-again"), user.receipt(f"{name}-other")

    assert (first["status"], again["status"], other["status"]) == (
        "published",
        "unchanged",
        "unchanged",
    )
    assert (again["version"], other["version"]) == (1, 1)
    assert again["run_id"] == first["run_id"], "the same drop twice is no other run"
    assert ledger_database.runs.count_documents({"drop_id": first["drop_id"]}) == 1


def test_two_manifests_on_one_tick_keep_their_own_data(
    user: LandingUser, ledger_database: Ledger, name: str
) -> None:
    manifests = {}
    for number in (1, 2):
        content = geojson(*(({"n": n}, point(n, number)) for n in range(number * 3)))
        path = user.put(f"uploads/{name}/{number}.geojson", content)
        manifests[f"{name}-{number}"] = make_manifest(f"{name}-{number}", [path])
    for label, manifest in manifests.items():
        user.drop(label, manifest)

    receipts = {label: user.receipt(label) for label in manifests}

    assert [receipt["tables"][0]["rows"] for receipt in receipts.values()] == [3, 6]
    boxes = [asset(ledger_database, f"test/{label}", 1)["tables"][0]["bbox"] for label in manifests]
    assert [(box[1], box[3]) for box in boxes] == [(1, 1), (2, 2)]


def test_new_content_becomes_the_next_version(
    user: LandingUser, ledger_database: Ledger, name: str
) -> None:
    for number in (1, 2):
        path = user.put(f"uploads/{name}/{number}.geojson", geojson(({"n": number}, point(1, 1))))
        label = f"{name}-{number}"
        user.drop(label, make_manifest(label, [path], dataset_id=f"test/{name}"))
        assert user.receipt(label)["version"] == number

    keys = [
        output["key"]
        for number in (1, 2)
        for output in asset(ledger_database, f"test/{name}", number)["tables"][0]["outputs"]
    ]
    assert len(set(keys)) == 4


def test_every_layer_of_a_geopackage_is_published(
    user: LandingUser, name: str, tmp_path: Path
) -> None:
    user.drop_files(name, multi_layer_geopackage(tmp_path / "layers.gpkg"))

    receipt = user.receipt(name)

    rows = {table["name"]: table["rows"] for table in receipt["tables"]}
    assert rows == {"countries": 177, "places": 243, "population": 177}


def test_a_file_that_comes_after_its_manifest_is_waited_for(
    user: LandingUser, ledger_database: Ledger, name: str
) -> None:
    path = f"s3://landing-zone/uploads/{name}/late.geojson"
    user.drop(name, make_manifest(name, [path]))
    until = time.monotonic() + 30
    while not (found := ledger_database.manifests.find_one({"batch_id": name})):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert (found["status"], found["missing"]) == ("waiting", [path])

    user.put(f"uploads/{name}/late.geojson", geojson(({"n": 1}, point(1, 2))))

    assert user.receipt(name)["status"] == "published"
    assert ledger_database.manifests.count_documents({"batch_id": name}) == 1


def test_a_file_that_never_comes_is_named(user: LandingUser, name: str) -> None:
    path = f"s3://landing-zone/uploads/{name}/never.geojson"
    user.drop(name, make_manifest(name, [path], options={"wait_for_files_s": 1}))

    reason = user.receipt(name)["reason"]

    assert (reason["code"], reason["file"]) == ("source.missing", path)


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b'{"batch_id": ', "manifest.invalid_json", None),
        (b'{"intent": "ingest_vektor"}', "manifest.unknown_intent", None),
        (b'{"intent": "ingest_vector"}', "manifest.invalid", None),
    ],
)
def test_an_unreadable_manifest_is_rejected(
    user: LandingUser, name: str, content: bytes, code: str, place: str | None
) -> None:
    user.drop(name, content)

    receipt = user.receipt(name)

    assert (receipt["status"], receipt["reason"]["code"]) == ("rejected", code)
    assert receipt["reason"]["remedy"]
    assert user.exists(f"rejected/{name}.json")
    assert not user.exists(f"archive/{name}.json")


def test_a_path_in_another_bucket_is_rejected(user: LandingUser, name: str) -> None:
    user.drop(name, make_manifest(name, ["s3://data-lake/secret.gpkg"]))

    reason = user.receipt(name)["reason"]

    assert (reason["code"], reason["file"]) == (
        "manifest.foreign_path",
        "s3://data-lake/secret.gpkg",
    )


def test_a_file_without_crs_is_rejected_with_place_and_remedy(
    user: LandingUser, stack_env: dict[str, str], data: Path, name: str
) -> None:
    parts = [data / f"naturalearth_lowres.{part}" for part in ("shp", "shx", "dbf", "cpg")]
    user.drop_files(name, *parts)

    receipt = user.receipt(name)

    reason = receipt["reason"]
    assert (receipt["status"], reason["code"]) == ("rejected", "crs.missing")
    assert reason["file"].endswith("naturalearth_lowres.shp")
    assert "files[].crs" in reason["remedy"]
    assert user.exists(f"rejected/{name}.json")
    wait_for_no_schema(stack_env)


def test_a_broken_file_is_rejected_with_what_is_missing(
    user: LandingUser, data: Path, name: str
) -> None:
    user.drop_files(name, data / "bad_featurecollection.geojson")

    reason = user.receipt(name)["reason"]

    assert reason["code"] == "source.unreadable"
    assert "features" in reason["message"]
    assert reason["file"].endswith("bad_featurecollection.geojson")


def test_no_secret_is_shown_anywhere(
    user: LandingUser, webserver: Webserver, stack_env: dict[str, str], data: Path, name: str
) -> None:
    user.drop_files(name, data / "naturalearth_lowres.shp")
    user.drop_files(f"{name}-2", data / "countries.fgb")
    seen = ""
    until = time.monotonic() + 60
    while not (user.exists(f"receipts/{name}-2.json") and user.exists(f"receipts/{name}.json")):
        assert time.monotonic() < until
        seen += process_arguments()
        time.sleep(0.02)
    for label in (name, f"{name}-2"):
        run_id = user.read_json(f"receipts/{label}.json")["run_id"]
        seen += webserver.everything_about(run_id)
    state_dir = Path(stack_env["DAGSTER_HOME"]).parent
    for log in (state_dir / "log").rglob("*"):
        seen += log.read_text(errors="replace") if log.is_file() else ""

    secrets = {value for key, value in stack_env.items() if "PASSWORD" in key or "SECRET" in key}
    secrets.add(stack_env["MONGO_URI"].split("@")[0].rpartition(":")[2])
    assert "ogr2ogr" in seen
    assert "multiprocessing.forkserver" in seen, "a run is forked from a warm process"
    assert len(secrets) >= 4
    assert [secret for secret in secrets if secret in seen] == []


def process_arguments() -> str:
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)
