"""The reference page and the list of commands cannot drift; the entry point stays light."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from services.cli.main import COMMANDS, cli
from services.cli.reference import reference

CHECKOUT = Path(__file__).resolve().parents[2]
HEAVY = ("dagster", "pyarrow", "sqlalchemy", "pymongo", "minio", "pydantic", "psycopg2", "grpc")


def test_the_reference_page_is_the_help() -> None:
    page = (CHECKOUT / "docs" / "cli.md").read_text("utf-8")

    assert page == reference(), "run: python -m services.cli.reference > docs/cli.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert command.name == name
    assert (command.help or "").partition("\n")[0] == COMMANDS[name][1]
    assert f"\n## {name}\n" in reference()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts} has no help"


def test_the_entry_point_imports_nothing_heavy() -> None:
    code = (
        "import sys; from services.cli.main import main; main(['--help']); "
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )

    assert done.stdout.endswith("loaded: []\n")
