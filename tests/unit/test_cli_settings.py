"""Where the command line finds its settings, and what it says when they are missing."""

from pathlib import Path

import pytest

from libs.models.config import MinIOSettings, PostGISSettings
from services.cli import settings
from services.cli.exits import CliUsageError
from services.cli.main import COMMANDS, main
from services.cli.settings import Environment, load_environment, read_env_file


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, the checkout being another one, without settings."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path / "checkout")
    for name in list(settings.os.environ):
        if name.startswith(settings.PREFIXES):
            monkeypatch.delenv(name)
    return here


def stack_env(folder: Path, endpoint: str, name: str = "stack.env") -> Path:
    """Write a file of settings as `make up` does."""
    path = folder / ".local" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"# stack\nMINIO_ENDPOINT={endpoint}\nMINIO_ACCESS_KEY=me\nMINIO_SECRET_KEY='top secret'\n"
        "PATH=/nowhere\n"
    )
    return path


def endpoint_of(environment: Environment) -> str:
    return environment.build(MinIOSettings).endpoint


def test_the_environment_goes_before_the_file(elsewhere: Path) -> None:
    stack_env(elsewhere, "file:1")

    assert endpoint_of(load_environment(None, {})) == "file:1"
    assert endpoint_of(load_environment(None, {"MINIO_ENDPOINT": "env:1"})) == "env:1"
    assert endpoint_of(load_environment(None, {"MINIO_ENDPOINT": ""})) == "file:1"


def test_an_explicit_file_goes_before_the_environment(tmp_path: Path) -> None:
    path = stack_env(tmp_path / "other", "other:1")

    assert endpoint_of(load_environment(path, {"MINIO_ENDPOINT": "env:1"})) == "other:1"


def test_the_variable_names_a_file_and_the_checkout_is_last(
    tmp_path: Path, elsewhere: Path
) -> None:
    stack_env(tmp_path / "checkout", "checkout:1")
    assert endpoint_of(load_environment(None, {})) == "checkout:1"

    stack_env(elsewhere, "here:1")
    assert endpoint_of(load_environment(None, {})) == "here:1"

    named = {"SPATIAL_ETL_ENV_FILE": str(stack_env(tmp_path / "named", "named:1"))}
    assert endpoint_of(load_environment(None, named)) == "named:1"


def test_a_command_is_run_with_the_keys_of_its_own_user(tmp_path: Path, elsewhere: Path) -> None:
    stack_env(tmp_path / "checkout", "checkout:1", "uploader.env")
    stack_env(elsewhere, "pipeline:1")
    assert endpoint_of(load_environment(None, {}, "submit")) == "pipeline:1"

    stack_env(elsewhere, "uploader:1", "uploader.env")
    stack_env(elsewhere, "reader:1", "reader.env")

    found = {
        command: endpoint_of(load_environment(None, {}, command))
        for command in ("submit", "explain", "download", "reap", "doctor")
    }
    assert found == {
        "submit": "uploader:1",
        "explain": "uploader:1",
        "download": "reader:1",
        "reap": "pipeline:1",
        "doctor": "pipeline:1",
    }


def test_every_command_with_keys_of_its_own_is_a_command() -> None:
    assert set(settings.IDENTITY_FILES) < set(COMMANDS)


def test_only_settings_are_taken_from_a_file(elsewhere: Path) -> None:
    assert set(read_env_file(stack_env(elsewhere, "x:1"))) == {
        "MINIO_ENDPOINT",
        "MINIO_ACCESS_KEY",
        "MINIO_SECRET_KEY",
    }


def test_missing_settings_are_named_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 2

    said = capsys.readouterr().err
    assert "MONGO_URI" in said
    assert "make up" in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_named_without_its_value() -> None:
    environment = Environment({"POSTGRES_PASSWORD": "x", "POSTGRES_PORT": "hunter2"}, ("here",))

    with pytest.raises(CliUsageError, match="POSTGRES_PORT") as caught:
        environment.build(PostGISSettings)
    assert "hunter2" not in str(caught.value)


def test_a_broken_file_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.env"
    path.write_text("MINIO_ENDPOINT=a:1\nMINIO_SECRET_KEY='secret\n")

    with pytest.raises(CliUsageError) as caught:
        read_env_file(path)
    assert (caught.value.reason.file, caught.value.reason.row) == (str(path), 2)
    assert "secret" not in str(caught.value)


def test_secrets_are_struck_out() -> None:
    environment = Environment(
        {"MINIO_SECRET_KEY": "s3cret", "MONGO_URI": "mongodb://me:p%40ss@host/db"}, ()
    )

    said = environment.redact("s3cret and p@ss and p%40ss and mongodb://me:p%40ss@host/db")

    assert said == "*** and *** and *** and ***"
