"""`spatial-etl submit`: files and a manifest into the landing zone.

What belongs here: the options and what they mean together. What does not: building the drop
(`services.cli.drop`), sending it (`services.cli.deliver`), its answer (`services.cli.follow`).
"""

import getpass
from pathlib import Path
from typing import Any, get_args

import click

from libs.models.errors import TransientError
from libs.models.manifest import INTENT_FILE_TYPES, OutputFormat
from services.cli.connections import connections
from services.cli.deliver import deliver
from services.cli.drop import (
    Drop,
    Request,
    default_batch_id,
    drop_from_manifest,
    drop_from_options,
    intent_for,
)
from services.cli.exits import STATUS_EXITS
from services.cli.follow import follow
from services.cli.output import json_option, print_json, print_lines, say
from services.cli.receipts import receipt_lines

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
REQUIRED = ("dataset", "project", "description")
METADATA = ("title", "source", "license")
FILE_FACTS = ("crs", "layer", "table", "encoding")


@click.command()
@click.argument("files", nargs=-1, type=EXISTING, metavar="[FILE]...")
@click.option("--dataset", metavar="ID", help="Dataset id, a slug path such as transport/roads.")
@click.option("--project", help="Project the dataset belongs to.")
@click.option("--description", help="What the data is, for people.")
@click.option("--title", help="Title of the dataset.")
@click.option("--source", help="Where the data comes from.")
@click.option("--license", help="License of the data.")
@click.option("--keyword", multiple=True, help="A keyword; may be repeated.")
@click.option("--crs", help="CRS of the files: declares a missing one, is checked against others.")
@click.option("--layer", help="Take this layer only.")
@click.option("--table", help="Name of the table that the files become.")
@click.option("--encoding", help="Encoding of the text in the files.")
@click.option("--target-crs", help="CRS to publish in; 'source' keeps it.  [default: EPSG:4326]")
@click.option(
    "--output",
    multiple=True,
    type=click.Choice(get_args(OutputFormat)),
    help="Format to publish; may be repeated.  [default: what suits the data]",
)
@click.option("--repair", is_flag=True, help="Make invalid geometries valid.")
@click.option(
    "--intent",
    type=click.Choice(tuple(INTENT_FILE_TYPES)),
    help="[default: by the first file's name]",
)
@click.option("--x-column", help="Column with x or longitude: a table becomes points.")
@click.option("--y-column", help="Column with y or latitude.")
@click.option("--guess-types", is_flag=True, help="Give a CSV's columns types where it is safe.")
@click.option("--keep-bad-rows", is_flag=True, help="Keep ragged rows and undecodable bytes.")
@click.option("--uploader", help="Who drops the files.  [default: the user's name]")
@click.option("--batch", metavar="ID", help="Label of the drop.  [default: dataset and time]")
@click.option(
    "--manifest", type=EXISTING, help="Drop this manifest, instead of one made of the options."
)
@click.option(
    "--replace", is_flag=True, help="Overwrite another manifest that waits under the batch's name."
)
@click.option("--wait", is_flag=True, help="Follow the drop and print its answer.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="How long --wait waits."
)
@json_option
@click.pass_context
def submit(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    manifest: Path | None,
    replace: bool,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    **described: Any,
) -> int:
    """Upload FILEs and drop a manifest for them.

    The parts of a shapefile that lie beside a .shp come along. Files go to
    uploads/<dataset>/<batch>/, the manifest to manifests/<batch>.json. The manifest is checked
    before anything is sent.

    With --manifest, FILEs go to the paths of the same name in it; without FILEs only the manifest
    is dropped, and files that are not there yet are waited for.

    Without --wait the batch id is printed; `spatial-etl explain` tells what became of it. The
    same manifest that already waits is not dropped again; another one of the same batch id is
    overwritten only with --replace.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait.")
    servers = connections(context)
    drop = _drop(files, manifest, described, servers.landing.bucket)
    if wait:
        servers.ledger.find(limit=1)  # A ledger that is down is told before anything is dropped.
    for path in drop.left_out:
        say(f"{path} is not named by the manifest: not uploaded")
    dropped = deliver(servers.landing, drop, is_replacing=replace)
    batch_id = drop.manifest.batch_id
    if not wait:
        say(f"follow it with: spatial-etl explain {batch_id}")
        if as_json:
            print_json({"batch_id": batch_id, "manifest": drop.key})
        else:
            print_lines([batch_id])
        return 0
    try:
        receipt = follow(servers, dropped, timeout_s=timeout)
    except (TransientError, KeyboardInterrupt):
        say(f"the drop goes on: spatial-etl explain {batch_id}")
        raise
    if as_json:
        print_json(receipt.model_dump(mode="json"))
    else:
        print_lines(receipt_lines(receipt, servers.lake.bucket))
    return STATUS_EXITS[receipt.status]


def _drop(
    files: tuple[Path, ...], manifest: Path | None, described: dict[str, Any], bucket: str
) -> Drop:
    given = [name for name, value in described.items() if value]
    if manifest is not None:
        if given:
            raise click.UsageError(
                f"{_options(given)} cannot go with --manifest: say it in the manifest."
            )
        return drop_from_manifest(manifest, files, bucket=bucket)
    missing = [name for name in REQUIRED if name not in given]
    if missing or not files:
        wanted = _options(missing) if missing else "FILE"
        raise click.UsageError(f"Missing {wanted}, or --manifest.")
    return drop_from_options(_request(described, files), files, bucket=bucket)


def _options(names: list[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _request(described: dict[str, Any], files: tuple[Path, ...]) -> Request:
    options: dict[str, Any] = {}
    if described["target_crs"]:
        options["target_crs"] = described["target_crs"]
    if described["repair"]:
        options["repair"] = True
    for name in ("x_column", "y_column", "guess_types"):
        if described[name]:
            options[name] = described[name]
    if described["keep_bad_rows"]:
        options["bad_rows"] = "keep"
    if described["output"]:
        options["outputs"] = list(dict.fromkeys(described["output"]))
    metadata: dict[str, Any] = {name: described[name] for name in METADATA if described[name]}
    if described["keyword"]:
        metadata["keywords"] = list(described["keyword"])
    return Request(
        dataset_id=described["dataset"],
        project=described["project"],
        description=described["description"],
        uploader=described["uploader"] or _user_name(),
        intent=described["intent"] or intent_for(files),
        batch_id=described["batch"] or default_batch_id(described["dataset"]),
        file_facts={name: described[name] for name in FILE_FACTS if described[name]},
        metadata=metadata,
        options=options,
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
