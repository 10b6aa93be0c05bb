"""The containers of `make compose-test`: images, passwords and ports of their own, and questions.

What belongs here: docker and compose. What does not: the story that is told with them (`compose`).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.local.ports import is_free
from services.local.settings import read_env_file

ROOT = Path(__file__).parents[2]
COMPOSE = os.environ.get("COMPOSE", "docker-compose").split()
PROJECT = "spatial-etl-test"
BASE = f"{PROJECT}-base"
IMAGES = {"BASE_IMAGE": BASE} | {
    f"{name.upper().replace('-', '_')}_IMAGE": f"{PROJECT}-{name}"
    for name in ("user-code", "dagster", "postgis", "offline")
}
PORTS = {"WEBSERVER_PORT": 3100, "MINIO_PORT": 9100, "MINIO_CONSOLE_PORT": 9101,
         "MONGO_PORT": 27117}  # fmt: skip
PROGRAMS = {COMPOSE[0]: "docker-compose", "docker": "docker.io", "debootstrap": "debootstrap",
            "chromium": "chromium"}  # fmt: skip
WITH_VARIABLES = ("docker-compose.yml", "tests/e2e/compose.offline.yml")
WITH_FILES = (*WITH_VARIABLES, "docker-compose.secrets.yml",
              "tests/e2e/compose.offline.secrets.yml")  # fmt: skip


def output(*command: str, **options: Any) -> str:
    """Return what a command prints; one that fails says why and ends the test."""
    done = subprocess.run(command, check=False, text=True, capture_output=True, **options)
    if done.returncode:
        sys.stderr.write(done.stderr)
    done.check_returncode()
    return done.stdout.strip()


class Containers:
    """A stack of containers whose settings are files of a folder."""

    def __init__(self, folder: Path) -> None:
        busy = [port for port in PORTS.values() if not is_free(port)]
        assert not busy, f"ports {busy} are taken"
        self.env_file = folder / "env"
        self.files = WITH_VARIABLES
        settings = {**PORTS, **IMAGES, "SECRETS_FOLDER": f"{self.env_file}.secrets"}
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        subprocess.run([ROOT / "services/compose/env.sh", self.env_file], check=True)
        self.webserver = f"http://127.0.0.1:{PORTS['WEBSERVER_PORT']}"

    def command(self, *arguments: str) -> list[str]:
        """Return a command of compose for this stack."""
        files = [part for file in self.files for part in ("-f", file)]
        return [*COMPOSE, "-p", PROJECT, "--env-file", str(self.env_file), *files, *arguments]

    def compose(self, *arguments: str) -> str:
        """Run a command of compose; return what it prints."""
        return output(*self.command(*arguments), cwd=ROOT)

    def wait_until_healthy(self) -> str:
        """Return after how many seconds, and how large the images are."""
        return output(str(ROOT / "services/compose/wait.sh"), *self.command(), cwd=ROOT)

    def inspect(self, service: str = "") -> list[dict[str, Any]]:
        """Return what docker says of a service's containers, or of all, ended ones included."""
        ids = self.compose("ps", "-a", "-q", *filter(None, [service])).split()
        found: list[dict[str, Any]] = json.loads(output("docker", "inspect", *ids))
        return found

    def kill(self, service: str) -> None:
        """Kill a service's first process from outside, as the kernel does when memory runs out."""
        (container,) = self.inspect(service)
        os.kill(container["State"]["Pid"], signal.SIGKILL)

    def passwords(self) -> dict[str, str]:
        """Return every secret that was generated, by its name."""
        return {
            path.name: path.read_text().strip()
            for path in Path(f"{self.env_file}.secrets").iterdir()
        }

    def identity(self, name: str) -> dict[str, str]:
        """Return the settings that a user of the stack is given."""
        found = read_env_file(Path(f"{self.env_file}.{name}"))
        return {"MINIO_SECURE": "false", "MINIO_REGION": "us-east-1", **found}


@contextmanager
def containers() -> Iterator[Containers]:
    """Yield a stack that is not up yet; take it away with its volumes and networks."""
    with tempfile.TemporaryDirectory(prefix="spatial-etl-compose-") as folder:
        stack = Containers(Path(folder))
        try:
            yield stack
        except BaseException:
            sys.stderr.write(stack.compose("logs", "--no-color", "--tail", "40"))
            raise
        finally:
            stack.compose("down", "--volumes", "--timeout", "30")


def missing_packages() -> list[str]:
    """Return the Debian packages that are needed and not there."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def images() -> dict[str, int]:
    """Return the size in bytes of each image of the test."""
    names = output("docker", "images", "--format", "{{.Repository}}", f"{PROJECT}-*").split()
    return {
        name: int(output("docker", "image", "inspect", "--format", "{{.Size}}", name))
        for name in sorted(names)
    }


def unnamed_images() -> set[str]:
    """Return the images without a name, such as the first stage of a build leaves."""
    return set(output("docker", "images", "-q", "--no-trunc", "-f", "dangling=true").split())


def remove_images(unnamed: set[str]) -> None:
    """Remove the images of the test, and those that its builds left."""
    for image in [*images(), *unnamed]:
        subprocess.run(["docker", "image", "rm", "--force", image], stdout=subprocess.DEVNULL,
                       check=True)  # fmt: skip


def photograph(url: str, path: Path, wanted: str) -> None:
    """Save a picture of a page, as a browser without a screen sees it once it shows `wanted`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 120
    with tempfile.TemporaryDirectory(prefix="spatial-etl-chromium-") as profile:
        browser = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={profile}", "--window-size=1500,900", "--virtual-time-budget=20000",
        ]  # fmt: skip
        while wanted not in output(*browser, "--dump-dom", url, timeout=120):
            assert time.monotonic() < until, f"{url} does not show {wanted}"
        output(*browser, f"--screenshot={path}", url, timeout=120)
