"""`spatial-etl reap`: take away what dead runs left behind.

What belongs here: asking for it, and telling. What does not: what may be taken away
(`libs.pipeline.reaping`).
"""

from collections.abc import Sequence
from dataclasses import asdict

import click

from libs.pipeline.reaping import Finding
from libs.pipeline.reaping import reap as take_away
from services.cli.connections import connections
from services.cli.output import json_option, print_json, print_lines, say, table


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be taken away; change nothing.")
@json_option
@click.pass_context
def reap(context: click.Context, /, dry_run: bool, as_json: bool) -> None:
    """Take away what dead runs left behind.

    Ephemeral schemas, work folders, files in the lake that no version names, half uploads, and
    claims in the ledger, where the run they belong to is proved to be over: its process is gone
    from this machine, or it gave no sign of life for long enough. What a live run uses, and what
    belongs to another service, is kept. Says what and why.
    """
    findings = take_away(connections(context).clients, dry_run=dry_run)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_lines(finding_lines(findings, dry_run=dry_run))
    over = sum(finding.is_over for finding in findings)
    say(f"{'would reap' if dry_run else 'reaped'} {over}, kept {len(findings) - over}")


def finding_lines(findings: Sequence[Finding], *, dry_run: bool) -> list[str]:
    """Return the findings in words; none for none."""
    if not findings:
        return []
    verb = "would reap" if dry_run else "reaped"
    rows = (
        (verb if finding.is_over else "kept", finding.kind, finding.name, finding.why)
        for finding in findings
    )
    return table(("", "kind", "name", "why"), rows)
