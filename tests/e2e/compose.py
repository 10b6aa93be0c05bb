"""`make compose-test`: the containers, from no image to the end, on a machine that can pull none.

A base is made, images are built, everything is started; drops are made from outside with bare
clients; what is in the lake is read; the code server is killed while a run is under way; all is
stopped under another run and started again; and passwords are looked for wherever users of docker
may look. Nothing is left behind but two pictures of the webserver in `.local/compose`.
`ARGS=--keep` leaves the images for the next time, which then takes them.

What belongs here: that one story. What does not: docker and compose (`containers`), the stand-ins
for MinIO and MongoDB (`offline`).
"""

import argparse
import hashlib
import io
import json
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from minio import Minio
from pymongo import MongoClient

from tests.e2e.containers import (
    BASE,
    IMAGES,
    ROOT,
    WITH_FILES,
    Containers,
    containers,
    images,
    missing_packages,
    output,
    photograph,
    remove_images,
    unnamed_images,
)
from tests.support import DATA, LandingUser, bare_s3_client, geojson, make_manifest, point

ANSWER_S = 300
LARGE_ROWS = 400_000
PICTURES = ROOT / ".local" / "compose"
SECRET_IN_A_FILE = "MINIO_SECRET_KEY_FILE=/run/secrets/none"


def main() -> int:
    """Tell the story; an assertion ends it."""
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the images, take those there are")
    parser.add_argument("--build", action="store_true", help="end once the images are built")
    options = parser.parse_args()
    missing = missing_packages()
    assert not missing, f"as root, type: apt-get install {' '.join(missing)}"
    before = unnamed_images()
    try:
        if not options.keep:
            remove_images(set())
        say("images", images())
        with containers() as stack:
            build(stack)
            if not options.build:
                story(stack)
    finally:
        if not options.keep:
            remove_images(unnamed_images() - before)
    say("images left", images())
    return 0


def build(stack: Containers) -> None:
    began = time.monotonic()
    subprocess.run([ROOT / "tests/e2e/offline/base.sh", BASE], check=True)
    say("base made after", seconds(began))
    stack.compose("build", "--quiet")
    found = images()
    assert set(found) == set(IMAGES.values())
    say("built after", seconds(began))
    for name, size_bytes in found.items():
        say(name, f"{size_bytes / 1e6:.0f} MB")


def story(stack: Containers) -> None:
    say("up", up(stack))
    user = LandingUser(bare_s3_client(stack.identity("uploader")), "landing-zone")
    reader = bare_s3_client(stack.identity("reader"))
    uri = stack.identity("reader")["MONGO_URI"]
    with MongoClient[dict[str, Any]](uri) as mongo:
        ledger = mongo.spatial_etl
        published_and_refused(user, reader, ledger, stack)
        killed(user, ledger, stack)
        stopped(user, ledger, stack)
    shown = passwords_in(stack, inspected(stack))
    say("passwords that docker inspect shows, given as variables", sorted(shown))
    stack.compose("down")
    stack.files = WITH_FILES
    say("down, and up with passwords in files", up(stack))
    with MongoClient[dict[str, Any]](uri) as mongo:
        known = mongo.spatial_etl.assets.count_documents({})
        receipt = drop(user, "after", DATA / "countries.fgb")
        assert receipt["status"] == "published", receipt
        assert mongo.spatial_etl.assets.count_documents({}) == known + 1
        say("published beside", f"{known} versions from before")
    no_password_is_shown(stack)
    a_missing_file_ends_the_start()


def up(stack: Containers) -> str:
    began = time.monotonic()
    stack.compose("up", "-d")
    sizes = stack.wait_until_healthy().splitlines()[1:]
    return f"all healthy after {seconds(began)}; {', '.join(sizes)}"


def published_and_refused(user: LandingUser, reader: Minio, ledger: Any, stack: Containers) -> None:
    vector = drop(user, "vector", DATA / "nz-pa-points-topo-150k.gpkg")
    raster = drop(user, "raster", DATA / "naip_20100629.tif", intent="ingest_raster")
    refused = drop(user, "refused", DATA / "bad_featurecollection.geojson")
    found = [receipt["status"] for receipt in (vector, raster, refused)]
    assert found == ["published", "published", "rejected"], (vector, raster, refused)
    say("refused", refused["reason"])
    for receipt in (vector, raster):
        version = ledger.assets.find_one({"dataset_id": receipt["dataset_id"]})
        for table in version["tables"]:
            for item in table["outputs"]:
                say("in the lake", read_back(reader, item, table["rows"]))
        run_id = receipt["run_id"]
        picture = PICTURES / f"{receipt['batch_id'].partition('-')[0]}.png"
        photograph(f"{stack.webserver}/runs/{run_id}", picture, run_id.partition("-")[0])
        say("picture", picture.relative_to(ROOT))


def read_back(reader: Minio, item: dict[str, Any], rows: int) -> str:
    """Read a published file with the reader's keys: its hash, and what is in it."""
    with reader.get_object("data-lake", item["key"]) as response:
        content = response.read()
    assert hashlib.sha256(content).hexdigest() == item["sha256"], item
    said = f"{item['key']} {len(content)} bytes, sha256 as in the ledger"
    if item["key"].endswith(".parquet"):
        assert pq.ParquetFile(io.BytesIO(content)).metadata.num_rows == rows
        return f"{said}, {rows} rows"
    if item["key"].endswith(".tif"):
        with tempfile.NamedTemporaryFile(suffix=".tif") as file:
            Path(file.name).write_bytes(content)
            facts = json.loads(output("gdalinfo", "-json", file.name))
        assert facts["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
        return f"{said}, COG of {facts['size']} pixels"
    return said


def killed(user: LandingUser, ledger: Any, stack: Containers) -> None:
    """Kill the code server under a run: docker starts it, and another attempt publishes."""
    name = drop_large(user, ledger, "killed")
    began = time.monotonic()
    stack.kill("user-code")
    receipt = user.receipt(name, timeout_s=ANSWER_S)
    assert (receipt["status"], receipt["attempt"] > 1) == ("published", True), receipt
    say_taken_over("killed in load", receipt, began)


def stopped(user: LandingUser, ledger: Any, stack: Containers) -> None:
    """Stop everything under a run: after the start the drop is published, and nothing is lost."""
    name = drop_large(user, ledger, "stopped")
    known = ledger.assets.count_documents({})
    began = time.monotonic()
    stack.compose("stop")
    say("stopped after", seconds(began))
    began = time.monotonic()
    stack.compose("start")
    say("started again", stack.wait_until_healthy().splitlines()[0])
    receipt = user.receipt(name, timeout_s=ANSWER_S)
    assert receipt["status"] == "published", receipt
    assert ledger.assets.count_documents({}) == known + 1
    say_taken_over("stopped in load", receipt, began)


def drop_large(user: LandingUser, ledger: Any, label: str) -> str:
    """Drop a file whose loading takes seconds; return the drop's name once it is being loaded."""
    name = f"{label}-{secrets.token_hex(3)}"
    content = geojson(*(({"n": n}, point(n % 180, n % 90)) for n in range(LARGE_ROWS)))
    user.drop(name, make_manifest(name, [user.put(f"uploads/{name}.geojson", content)]))
    until = time.monotonic() + ANSWER_S
    while not is_loading(ledger.manifests.find_one({"batch_id": name})):
        assert time.monotonic() < until
        time.sleep(0.1)
    return name


def is_loading(found: dict[str, Any] | None) -> bool:
    attempts = (found or {}).get("attempts", ())
    return any(
        phase["name"] == "load" and not phase["seconds"]
        for attempt in attempts
        for phase in attempt["phases"]
    )


def inspected(stack: Containers) -> str:
    return json.dumps(stack.inspect())


def passwords_in(stack: Containers, text: str) -> list[str]:
    return [name for name, value in stack.passwords().items() if value in text]


def no_password_is_shown(stack: Containers) -> None:
    places = {
        "docker inspect": inspected(stack),
        "logs": stack.compose("logs", "--no-color"),
        "ps": output("ps", "axww"),
    }
    shown = {place: passwords_in(stack, text) for place, text in places.items()}
    assert not any(shown.values()), shown
    say("passwords shown, given as files", shown)


def a_missing_file_ends_the_start() -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", SECRET_IN_A_FILE, IMAGES["USER_CODE_IMAGE"], "true"],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "/run/secrets/none" in done.stderr) == (78, True), done
    say("a secret's file that is missing", done.stderr.strip())


def drop(user: LandingUser, label: str, file: Path, **changes: Any) -> dict[str, Any]:
    name = f"{label}-{secrets.token_hex(3)}"
    path = user.put(f"uploads/{name}/{file.name}", file)
    manifest = make_manifest(name, [path], **changes)
    if changes:
        manifest["files"][0]["type"] = changes["intent"].removeprefix("ingest_")
    user.drop(name, manifest)
    return user.receipt(name, timeout_s=ANSWER_S)


def say_taken_over(what: str, receipt: dict[str, Any], began: float) -> None:
    rows = receipt["tables"][0]["rows"]
    assert rows == LARGE_ROWS
    say(what, f"published by attempt {receipt['attempt']} after {seconds(began)}, {rows} rows")


def seconds(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def say(what: str, found: object) -> None:
    sys.stdout.write(f"{what}: {found}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
