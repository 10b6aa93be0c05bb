"""The scripts of the containers: who may read what `make env` writes, and secrets from files."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = {"PATH": os.environ["PATH"]}
SHOWS_ITS_ENVIRONMENT = '#!/bin/sh\necho "mc $*"\nenv | sed "s/^/env /"\nsed "s/^/stdin /"\n'
IDENTITIES = ("PIPELINE", "REAPER", "UPLOADER", "READER")


def run(script: str, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROOT / script, *arguments],
        env=PATH | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("a b$c\n")
    return file


def test_a_secret_in_a_file_becomes_the_variable_of_a_command(secret: Path) -> None:
    env = {"MONGO_URI_FILE": f"{secret}", "MONGO_URI": "", "ADMIN_PASSWORD_FILE": f"{secret}",
           "SSL_CERT_FILE": "/none", "SPATIAL_ETL_ENV_FILE": "/none"}  # fmt: skip
    done = run("services/compose/entrypoint.sh", "printenv", "MONGO_URI", "ADMIN_PASSWORD", **env)
    assert (done.returncode, done.stdout) == (0, "a b$c\na b$c\n"), done.stderr


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"MONGO_URI_FILE": "/none"}, "MONGO_URI_FILE to name a file"),
        ({"MONGO_URI_FILE": "/dev"}, "found none at /dev"),
        ({"MONGO_URI_FILE": "{secret}", "MONGO_URI": "x"}, "found both"),
        ({"POSTGRES_PASSWORD_FILE": "{empty}"}, "found an empty file"),
    ],
    ids=["missing", "a folder", "both", "empty"],
)
def test_a_secret_that_cannot_be_taken_from_its_file_ends_the_start(
    secret: Path, tmp_path: Path, env: dict[str, str], said: str
) -> None:
    (tmp_path / "empty").touch()
    given = {k: v.format(secret=secret, empty=tmp_path / "empty") for k, v in env.items()}
    done = run("services/compose/entrypoint.sh", "echo", "started", **given)
    assert (done.returncode, done.stdout) == (78, "")
    assert said in done.stderr
    assert "a b$c" not in done.stderr


def test_identities_are_made_with_secrets_from_files_and_none_in_a_command_line(
    secret: Path, tmp_path: Path
) -> None:
    mc = tmp_path / "mc"
    mc.write_text(SHOWS_ITS_ENVIRONMENT)
    mc.chmod(0o755)
    files = [f"MINIO_{name}_SECRET_KEY" for name in IDENTITIES]
    env = {f"{name}_FILE": f"{secret}" for name in ("MC_HOST_store", *files)}
    env |= {f"MINIO_{name}_ACCESS_KEY": name.lower() for name in IDENTITIES}
    # MinIO's image names files that are not there.
    env |= {"PATH": f"{tmp_path}:{PATH['PATH']}", "MINIO_ROOT_PASSWORD_FILE": "secret_key"}

    done = run("services/minio/init.sh", **env)

    assert done.returncode == 0, done.stderr
    commands = [line for line in done.stdout.splitlines() if line.startswith("mc ")]
    assert [line for line in commands if "user add" in line] == [
        f"mc admin user add store {name.lower()}" for name in IDENTITIES
    ]
    assert "a b$c" not in "".join(commands)
    assert done.stdout.count("stdin a b$c\n") == len(IDENTITIES)
    assert "env MC_HOST_store=a b$c\n" in done.stdout

    done = run("services/minio/init.sh", **env | {"MINIO_READER_SECRET_KEY_FILE": "/none"})
    assert (done.returncode, done.stdout) == (78, "")
    assert "MINIO_READER_SECRET_KEY_FILE to name a file" in done.stderr


def test_what_is_generated_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("POSTGRES_PASSWORD=mine\nMONGO_PORT=27018\n")

    assert run("services/compose/env.sh", f"{env_file}").returncode == 0

    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    folder = tmp_path / ".env.secrets"
    modes = {path.name: oct(path.stat().st_mode)[-3:] for path in tmp_path.iterdir()}
    assert modes == {
        ".env": "600", ".env.reader": "600", ".env.uploader": "600", ".env.secrets": "700"
    }  # fmt: skip
    assert {oct(path.stat().st_mode)[-3:] for path in folder.iterdir()} == {"444"}
    assert before[folder / "postgres_password"] == "mine\n"
    assert "@127.0.0.1:27018/" in before[tmp_path / ".env.reader"]
    assert run("services/compose/env.sh", f"{env_file}").returncode == 0
    assert {path: path.read_text() for path in before} == before
