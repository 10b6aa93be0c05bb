"""The entry point `spatial-etl`: its commands, loaded when they are called, and how they end.

What belongs here: the list of commands, and the one place where an error becomes a message and an
exit code. What does not: any import that takes time; `spatial-etl --help` must not load servers'
clients.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "submit": ("services.cli.submit", "Upload FILEs and drop a manifest for them."),
    "status": ("services.cli.status", "List drops in progress and the latest answers."),
    "explain": ("services.cli.explain", "Tell why a drop did or did not run, and its answer."),
    "datasets": ("services.cli.catalog", "List published datasets, each with its newest version."),
    "show": ("services.cli.catalog", "Describe a dataset version: tables, files, inputs."),
    "download": ("services.cli.download", "Download the files of a dataset version into DIR."),
    "contract": (
        "services.cli.contract",
        "Print a contract that a dataset version keeps, for the next manifest.",
    ),
    "schema": ("services.cli.schema", "Print the JSON Schema of a manifest."),
    "reap": ("services.cli.reap", "Take away what dead runs left behind."),
    "doctor": ("services.cli.doctor", "Check every service and say what to do about it."),
}
EXIT_CODES: dict[int, str] = {
    0: "done; for `submit --wait`: published or unchanged",
    1: "not done: unknown dataset, another file in the way, a check of `doctor` fails",
    2: "wrong options, manifest or settings; nothing was dropped",
    3: "the drop was rejected: the files or the manifest are wrong",
    4: "the drop failed or was canceled",
    5: "no answer within --timeout; the drop goes on",
    6: "a service does not answer",
    130: "interrupted (Ctrl-C)",
}
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command; None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings as KEY=VALUE lines; they go before the environment.",
)
@click.version_option(package_name="spatial-etl", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, env_file: Path | None) -> None:
    """Drop spatial files; get published, versioned, traceable datasets.

    Settings are environment variables (MINIO_ENDPOINT, MONGO_URI, ...). Those that are not set
    come from the file that SPATIAL_ETL_ENV_FILE names, else from those that `make up` writes to
    .local, in the current directory or the project's checkout: uploader.env for submit, status and
    explain, reader.env for datasets, show, download and contract, stack.env for the rest.

    Data goes to stdout, messages and progress to stderr; --json makes the data one JSON document.
    """
    context.obj = env_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; click ends a broken pipe with 1."""
    try:
        result = cli.main(
            list(arguments) if arguments is not None else None,
            prog_name="spatial-etl",
            standalone_mode=False,
        )
    except click.ClickException as err:
        err.show()
        return err.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as err:
        code = _say(err)
        if code is None:
            raise
        return code
    return result if isinstance(result, int) else 0


def _say(error: Exception) -> int | None:
    """Print an error of ours and return its exit code; None for a defect of this program."""
    from services.cli.exits import as_known_error, exit_code_of
    from services.cli.output import say_reason

    known = as_known_error(error)
    if known is None:
        return None
    say_reason(known.reason)
    return int(exit_code_of(known))


if __name__ == "__main__":
    sys.exit(main())
