"""The reference of the command line, made of its own help: `python -m services.cli.reference`.

What belongs here: the page docs/cli.md as Markdown. What does not: a command's help, which stands
with the command.
"""

import click

from services.cli.main import cli

WIDTH = 100


def reference() -> str:
    """Return the content of docs/cli.md."""
    root = _context(cli, "spatial-etl", None)
    parts = [
        "# The command `spatial-etl`",
        "This page is made by `python -m services.cli.reference > docs/cli.md`.",
        _block(cli.get_help(root)),
    ]
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        if command is not None:
            parts += [f"## {name}", _block(command.get_help(_context(command, name, root)))]
    return "\n\n".join(parts) + "\n"


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
