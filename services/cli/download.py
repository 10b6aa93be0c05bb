"""`spatial-etl download`: the files of a version onto this machine, verified.

What belongs here: choosing files, writing them whole or not at all. What does not: what a version
holds (`services.cli.catalog`).
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import click

from libs.models.version import Output, Version
from libs.storage import client as s3
from libs.storage.lake import Lake, sha256_of_file
from services.cli.catalog import parse_dataset
from services.cli.connections import connections
from services.cli.exits import CliError
from services.cli.output import Progress, json_option, print_json, print_lines, say, size


@dataclass(frozen=True)
class Target:
    """A published file and where it goes."""

    table: str
    output: Output
    path: Path


@click.command()
@click.argument("dataset", metavar="DATASET[@VERSION]")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--table", "tables", multiple=True, help="Only this table; may be repeated.")
@click.option("--format", "formats", multiple=True,
              help="Only this format, e.g. geoparquet; may be repeated.")  # fmt: skip
@json_option
@click.pass_context
def download(
    context: click.Context,
    /,
    dataset: str,
    directory: Path,
    tables: tuple[str, ...],
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Download the files of a dataset version into DIR.

    Each file is compared with the sha256 in the ledger and appears under its name only when it is
    whole. A file that is there already is left alone; a different one is never overwritten.
    """
    servers = connections(context)
    version = servers.catalog.get(*parse_dataset(dataset))
    targets = choose(version, directory, tables=tables, formats=formats)
    there = {target.path for target in targets if is_there(target)}
    directory.mkdir(parents=True, exist_ok=True)
    for target in targets:
        if target.path in there:
            say(f"{target.path} is there already")
        else:
            fetch(servers.lake, target)
            say(f"{target.path}  {size(target.output.size_bytes)}, sha256 verified")
    if as_json:
        print_json([_entry(version, target, target.path in there) for target in targets])
    else:
        print_lines(str(target.path) for target in targets)


def choose(
    version: Version, directory: Path, *, tables: Iterable[str], formats: Iterable[str]
) -> list[Target]:
    """Return the files of a version in these tables and formats, all where none is named.

    Raises `CliError` where the version has no such table or format.
    """
    name = f"{version.dataset_id}@{version.version}"
    all_targets = [
        Target(item.name, output, directory / PurePosixPath(output.key).name)
        for item in version.tables
        for output in item.outputs
    ]
    _refuse_unknown(name, "table", tables, {target.table for target in all_targets})
    _refuse_unknown(name, "format", formats, {target.output.format for target in all_targets})
    wanted_tables, wanted_formats = set(tables), set(formats)
    return [
        target
        for target in all_targets
        if (not wanted_tables or target.table in wanted_tables)
        and (not wanted_formats or target.output.format in wanted_formats)
    ]


def _refuse_unknown(
    name: str, kind: Literal["table", "format"], asked: Iterable[str], known: set[str]
) -> None:
    unknown = sorted(set(asked) - known)
    if unknown:
        raise CliError(
            f"cli.no_such_{kind}",
            f"expected {name} to have {kind} {', '.join(unknown)}, found "
            f"{', '.join(sorted(known))}.",
            remedy=f"Name one of these with --{kind}, or leave it out for all.",
        )


def is_there(target: Target) -> bool:
    """Return whether the file is there; raises `CliError` where another one is."""
    if not os.path.lexists(target.path):
        return False
    if target.path.is_file() and sha256_of_file(target.path) == target.output.sha256:
        return True
    raise CliError(
        "cli.different_file",
        f"expected nothing, or the file with sha256 {target.output.sha256}, found another one.",
        remedy="Move it away or choose another DIR; nothing was downloaded over it.",
        file=str(target.path),
    )


def fetch(lake: Lake, target: Target) -> None:
    """Stream a file beside its final name, verify it, and only then give it the name.

    Raises `CliError` where the lake has no such file or another one, or where another file came
    into the way meanwhile.
    """
    if s3.stat(lake.client, lake.bucket, target.output.key) is None:
        raise CliError(
            "cli.file_gone",
            "expected the file that the ledger names, found nothing in the lake.",
            remedy="Restore the lake's object, or ask whoever runs the service.",
            file=f"s3://{lake.bucket}/{target.output.key}",
        )
    part = target.path.with_name(f".{target.path.name}.{os.getpid()}.part")
    progress = Progress(target.path.name, target.output.size_bytes)
    digest = hashlib.sha256()
    try:
        with part.open("xb") as file:
            for chunk in s3.stream(lake.client, lake.bucket, target.output.key):
                digest.update(chunk)
                file.write(chunk)
                progress.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        _require_sha256(target, digest.hexdigest(), f"s3://{lake.bucket}/{target.output.key}")
        if not is_there(target):
            part.rename(target.path)
    finally:
        progress.close()
        part.unlink(missing_ok=True)


def _require_sha256(target: Target, found: str, place: str) -> None:
    if found != target.output.sha256:
        raise CliError(
            "cli.sha256_differs",
            f"expected sha256 {target.output.sha256}, found {found}; the file was not kept.",
            remedy="Try again; if it persists, the lake's object is damaged: restore it.",
            file=place,
        )


def _entry(version: Version, target: Target, was_there: bool) -> dict[str, object]:
    return {
        "dataset_id": version.dataset_id,
        "version": version.version,
        "table": target.table,
        **target.output.model_dump(),
        "path": str(target.path),
        "was_there": was_there,
    }
