"""`make compose-test`: the containers, on a machine that can pull no image.

Bases are made, images built, everything started; drops are made from outside with bare clients; the
code server is killed while a run is under way; all is stopped and started again; and no password is
in a log or in what users can list. Needs docker, compose and root.

What belongs here: that one story. What does not: the stand-ins for MinIO and MongoDB (`offline`).
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minio import Minio
from pymongo import MongoClient

from services.local.ports import is_free
from services.local.settings import read_env_file
from tests.support import DATA, LandingUser, bare_s3_client, geojson, make_manifest, point

ROOT = Path(__file__).parents[2]
COMPOSE = os.environ.get("COMPOSE", "docker-compose").split()
PROJECT = "spatial-etl-test"
ANSWER_S = 240
LARGE_ROWS = 400_000


class Containers:
    """The containers of one test, with passwords and ports of their own."""

    def __init__(self, env_file: Path) -> None:
        self.env_file = env_file
        ports = {"WEBSERVER_PORT": 3100, "MINIO_PORT": 9100, "MINIO_CONSOLE_PORT": 9101,
                 "MONGO_PORT": 27117}  # fmt: skip
        busy = [port for port in ports.values() if not is_free(port)]
        assert not busy, f"ports {busy} are taken"
        env_file.write_text("".join(f"{name}={port}\n" for name, port in ports.items()))
        subprocess.run([ROOT / "services/compose/env.sh", env_file], check=True)
        self.settings = read_env_file(env_file)
        self.webserver = f"http://127.0.0.1:{ports['WEBSERVER_PORT']}"

    def compose(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = [*COMPOSE, "-p", PROJECT, "--env-file", str(self.env_file)]
        files = ["-f", "docker-compose.yml", "-f", "tests/e2e/compose.offline.yml"]
        return subprocess.run(
            [*command, *files, *arguments], cwd=ROOT, check=True, text=True, **options
        )

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service, stdout=subprocess.PIPE).stdout.strip()

    def wait_until_healthy(self) -> float:
        """Return after how many seconds every service that has a health check passes it."""
        started = time.monotonic()
        while unhealthy := [state for state in self.states() if state[1] not in ("healthy", "-")]:
            assert time.monotonic() - started < ANSWER_S * 2, unhealthy
            time.sleep(1)
        return time.monotonic() - started

    def states(self) -> list[tuple[str, str]]:
        ids = self.compose("ps", "-q", stdout=subprocess.PIPE).stdout.split()
        said = "{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}}"
        listed = subprocess.run(
            ["docker", "inspect", "--format", said, *ids], check=True, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        return [
            (name, state)
            for name, state in (line.split() for line in listed.stdout.split("\n") if line)
        ]

    def identity(self, name: str) -> dict[str, str]:
        found = read_env_file(Path(f"{self.env_file}.{name}"))
        return {"MINIO_SECURE": "false", "MINIO_REGION": "us-east-1", **found}


@contextmanager
def containers() -> Iterator[Containers]:
    with tempfile.TemporaryDirectory(prefix="spatial-etl-compose-") as folder:
        stack = Containers(Path(folder) / "env")
        try:
            yield stack
        finally:
            stack.compose("down", "--volumes", "--timeout", "30")


def main() -> int:
    """Tell the story; an assertion ends it."""
    subprocess.run([ROOT / "tests/e2e/offline/base.sh"], check=True)
    with containers() as stack:
        say("images", stack.compose("build", "--quiet") and sizes())
        stack.compose("up", "-d")
        say("healthy after", f"{stack.wait_until_healthy():.0f} s: {stack.states()}")
        user = LandingUser(bare_s3_client(stack.identity("uploader")), "landing-zone")
        reader = bare_s3_client(stack.identity("reader"))
        with MongoClient[dict[str, Any]](stack.identity("reader")["MONGO_URI"]) as mongo:
            ledger = mongo.spatial_etl
            published_and_refused(user, reader, ledger, stack)
            taken_over(user, ledger, stack)
            versions = ledger.assets.count_documents({})
            stack.compose("stop")
            stack.compose("start")
            say("stopped and started, healthy after", f"{stack.wait_until_healthy():.0f} s")
            assert ledger.assets.count_documents({}) == versions
            receipt = drop(user, "after", DATA / "countries.fgb")
            say("published after the restart", receipt["dataset_id"])
        no_secret_is_shown(stack)
    return 0


def published_and_refused(user: LandingUser, reader: Minio, ledger: Any, stack: Containers) -> None:
    vector = drop(user, "vector", DATA / "nz-pa-points-topo-150k.gpkg")
    raster = drop(user, "raster", DATA / "naip_20100629.tif", intent="ingest_raster")
    refused = drop(user, "refused", DATA / "bad_featurecollection.geojson")
    assert [item["status"] for item in (vector, raster, refused)] == [
        "published", "published", "rejected"
    ], (vector, raster, refused)  # fmt: skip
    for receipt in (vector, raster):
        version = ledger.assets.find_one({"dataset_id": receipt["dataset_id"]})
        for table in version["tables"]:
            for output in table["outputs"]:
                found = reader.stat_object("data-lake", output["key"])
                assert found.size == output["size_bytes"]
                say("published", f"{output['key']} {output['size_bytes']} bytes")
    say("refused", refused["reason"]["code"])
    with urllib.request.urlopen(f"{stack.webserver}/server_info", timeout=30) as reply:
        say("webserver", json.load(reply))


def taken_over(user: LandingUser, ledger: Any, stack: Containers) -> None:
    """Kill the code server while a run is under way: the drop is published by another attempt."""
    content = geojson(*(({"n": n}, point(n % 180, n % 90)) for n in range(LARGE_ROWS)))
    path = user.put("uploads/large.geojson", content)
    user.drop("large", make_manifest("large", [path]))
    until = time.monotonic() + ANSWER_S
    while not ledger.manifests.find_one({"batch_id": "large", "status": "running"}):
        assert time.monotonic() < until
        time.sleep(0.2)
    subprocess.run(["docker", "kill", stack.container("user-code")], check=True)
    stack.compose("up", "-d", "user-code")
    receipt = user.receipt("large", timeout_s=ANSWER_S)
    assert (receipt["status"], receipt["attempt"] > 1) == ("published", True), receipt
    say(
        "killed and taken over",
        f"attempt {receipt['attempt']}, {receipt['tables'][0]['rows']} rows",
    )


def no_secret_is_shown(stack: Containers) -> None:
    passwords = [value for name, value in stack.settings.items() if "PORT" not in name]
    shown = stack.compose("logs", "--no-color", stdout=subprocess.PIPE).stdout
    shown += subprocess.run(["ps", "axww"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert [password for password in passwords if password in shown] == []
    say("passwords in logs and process lists", 0)


def drop(user: LandingUser, name: str, file: Path, **changes: Any) -> dict[str, Any]:
    name = f"{name}-{secrets.token_hex(3)}"
    path = user.put(f"uploads/{name}/{file.name}", file)
    manifest = make_manifest(name, [path], **changes)
    if changes:
        manifest["files"][0]["type"] = changes["intent"].removeprefix("ingest_")
    user.drop(name, manifest)
    return user.receipt(name, timeout_s=ANSWER_S)


def sizes() -> str:
    listed = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}} {{.Size}}", "spatial-etl-*"],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return ", ".join(sorted(listed.stdout.splitlines()))


def say(what: str, found: object) -> None:
    sys.stdout.write(f"{what}: {found}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
