"""Errors and answers as exit codes and messages."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.models import errors
from libs.models.receipt import FINAL_STATUSES, Receipt
from services.cli import schema
from services.cli.exits import (
    STATUS_EXITS,
    AnswerTimeoutError,
    CliError,
    CliUsageError,
    ExitCode,
    as_known_error,
    exit_code_of,
)
from services.cli.main import EXIT_CODES, INTERRUPTED, main


@pytest.mark.parametrize(
    ("error_class", "code"),
    [
        (CliUsageError, 2),
        (errors.ManifestError, 2),
        (AnswerTimeoutError, 5),
        (errors.TransientError, 6),
        (errors.NotFoundError, 1),
        (errors.InternalError, 1),
        (CliError, 1),
    ],
)
def test_an_error_ends_with_its_code(error_class: type[errors.SpatialEtlError], code: int) -> None:
    assert exit_code_of(error_class("x.y", "message", remedy="remedy")) == code


def test_only_published_and_unchanged_end_well() -> None:
    assert set(STATUS_EXITS) == set(FINAL_STATUSES)
    assert {status for status, code in STATUS_EXITS.items() if code == 0} == {
        "published",
        "unchanged",
    }
    assert STATUS_EXITS["rejected"] != STATUS_EXITS["failed"]


def test_every_exit_code_is_documented() -> None:
    assert set(EXIT_CODES) == {*map(int, ExitCode), INTERRUPTED}


def test_a_document_of_another_version_is_a_known_error() -> None:
    with pytest.raises(ValidationError) as caught:
        Receipt.model_validate({"status": "published", "colour": "red"})

    known = as_known_error(caught.value)

    assert known is not None
    assert "colour" in known.reason.message


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("defect")

    monkeypatch.setattr(schema, "manifest_schema", broken)
    with pytest.raises(KeyError):
        main(["schema"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["submit"],
        ["submit", "--timeout", "3", "--manifest", __file__],
        ["submit", "--manifest", __file__, "--crs", "EPSG:4326"],
        ["submit", __file__, "--dataset", "a", "--project", "b"],
        ["submit", "/no/such/file"],
        ["explain"],
    ],
)
def test_wrong_options_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"MINIO_{name}", "localhost:1")

    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "Usage: spatial-etl" in output.err


def test_an_error_shows_code_place_message_and_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable() -> None:
        raise errors.TransientError("x.down", "It is down.", remedy="Start it.", file="a.gpkg")

    monkeypatch.setattr(schema, "manifest_schema", unreachable)

    assert main(["schema"]) == 6
    assert capsys.readouterr().err == (
        "error: x.down\n  where   a.gpkg\n  what    It is down.\n  remedy  Start it.\n"
    )


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "manifest_schema", interrupted)
    assert main(["schema"]) == INTERRUPTED


def test_a_file_name_that_is_no_utf8_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"MINIO_{name}", "localhost:1")
    path = tmp_path / "roads\udcff.geojson"
    path.write_text("{}")

    described = ["--dataset", "a", "--project", "b", "--description", "c"]
    assert main(["submit", str(path), *described]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "cli.not_utf8" in output.err
    assert r"roads\udcff.geojson" in output.err


def test_characters_that_the_terminal_lacks_are_not_blamed_on_the_user() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "ß".encode("ascii")
    assert as_known_error(caught.value) is None


def test_a_ledger_uri_of_another_form_ends_with_2_and_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_URI", "mongodb://me:top/secret@localhost:1")

    assert main(["status"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "MONGO_URI" in output.err
    assert "secret" not in output.err
