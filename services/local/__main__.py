"""`python -m services.local up|down|status|env`.

What belongs here: options, and what a person reads. What does not: doing it (`stack`).
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from services.local.errors import StackError
from services.local.layout import DEFAULT_STATE_DIR, Layout
from services.local.ports import Ports
from services.local.stack import (
    ServiceStatus,
    remove_stack,
    stack_environment,
    stack_status,
    start_stack,
    stop_stack,
)


def _of_one_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option that names its stack."""
    option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_STATE_DIR,
        show_default=True,
        help="Where the stack keeps its data, settings and logs.",
    )
    return option(command)


class _Commands(click.Group):
    """Commands whose StackError is a message and exit code 1, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except StackError as err:
            raise click.ClickException(str(err)) from err


@click.group(cls=_Commands)
def main() -> None:
    """The whole stack on this machine, without containers."""


@main.command()
@_of_one_stack
@click.option(
    "--ports",
    type=click.Choice(["preferred", "free"]),
    default="preferred",
    show_default=True,
    help="The usual ports where they are free, or any free ones.",
)
@click.option("--only", metavar="NAME,…", help="Start these services and no others.")
def up(state_dir: Path, ports: Ports, only: str | None) -> None:
    """Start what does not run yet, and wait until it is healthy."""
    began = time.monotonic()
    names = only.split(",") if only else None
    settings = start_stack(state_dir, ports=ports, only=names, say=click.echo)
    seconds = time.monotonic() - began
    click.echo(f"healthy in {seconds:.1f} s; settings: {Layout.of(state_dir).stack_env}")
    if names is None or "webserver" in names:
        click.echo(f"Dagster webserver: {settings['SPATIAL_ETL_WEBSERVER_URL']}")


@main.command()
@_of_one_stack
@click.option("--remove-data", is_flag=True, help="Delete data, passwords and logs as well.")
def down(state_dir: Path, remove_data: bool) -> None:
    """End what was started; data stays."""
    if remove_data:
        remove_stack(state_dir)
        click.echo("the stack and its data are gone")
    elif stop_stack(state_dir):
        click.echo("the stack is down; its data stays")
    else:
        click.echo("the stack was not running")


@main.command()
@_of_one_stack
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def status(state_dir: Path, is_json: bool) -> None:
    """Show each service; exit code 1 unless all are healthy."""
    statuses = stack_status(state_dir)
    if is_json:
        click.echo(json.dumps([dataclasses.asdict(status) for status in statuses], indent=1))
    elif statuses:
        _print_table(statuses)
        click.echo(f"logs: {Layout.of(state_dir).log_dir}")
    else:
        click.echo(f"no stack has been started in {state_dir}: run `make up`")
    sys.exit(0 if statuses and all(status.is_healthy for status in statuses) else 1)


@main.command()
@_of_one_stack
def env(state_dir: Path) -> None:
    """Print the settings of the stack as KEY=VALUE lines, passwords included."""
    stack_environment(state_dir)
    click.echo(Layout.of(state_dir).stack_env.read_text(), nl=False)


def _print_table(statuses: Sequence[ServiceStatus]) -> None:
    click.echo(f"{'service':17} {'state':9} {'pid':>7}  {'health':9} where")
    for status in statuses:
        health = "healthy" if status.is_healthy else "-" if status.pid is None else "UNHEALTHY"
        pid = status.pid or "-"
        click.echo(f"{status.name:17} {status.state:9} {pid:>7}  {health:9} {status.place}")
        if status.detail:
            click.echo(f"{'':17} {status.detail.splitlines()[0]}")


if __name__ == "__main__":
    main(prog_name="python -m services.local")
