"""The command line with the keys of those who drop and of those who read, and no others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.settings import PREFIXES
from services.local.layout import Layout


@pytest.fixture
def layout(stack_env: dict[str, str]) -> Layout:
    """Where the stack wrote the settings of each user."""
    return Layout.of(Path(stack_env["DAGSTER_HOME"]).parent)


def run(env_file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with the settings of a file and no others."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", "--env-file", str(env_file), *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_are_dropped_and_read_with_ones_own_keys_alone(
    layout: Layout, data: Path, name: str, tmp_path: Path
) -> None:
    uploader, reader = layout.identity_env("uploader"), layout.identity_env("reader")
    about = ["--dataset", f"test/{name}", "--project", "tests", "--description", "rights"]
    drop = ["submit", str(data / "countries.fgb"), *about, "--batch", name, "--wait"]

    refused = run(reader, *drop)
    assert (refused.returncode, "AccessDenied" in refused.stderr) == (6, True), refused.stderr
    dropped = run(uploader, *drop)
    assert dropped.returncode == 0, dropped.stderr
    assert run(uploader, "explain", name).returncode == 0

    refused = run(uploader, "download", f"test/{name}", str(tmp_path))
    assert (refused.returncode, "AccessDenied" in refused.stderr) == (6, True), refused.stderr
    downloaded = run(reader, "download", f"test/{name}", str(tmp_path))
    assert downloaded.returncode == 0, downloaded.stderr
    version = json.loads(run(reader, "show", f"test/{name}", "--json").stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        output["key"].rpartition("/")[2] for output in version["tables"][0]["outputs"]
    )


def test_doctor_is_content_with_the_pipelines_keys(layout: Layout) -> None:
    found = run(layout.stack_env, "doctor")

    assert found.returncode == 0, found.stdout
