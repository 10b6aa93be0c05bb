"""`spatial-etl datasets` and `show`: what is published.

What belongs here: reading the catalog and its words. What does not: fetching files
(`services.cli.download`).
"""

import re
from collections.abc import Sequence

import click

from libs.models.receipt import PhaseRecord
from libs.models.version import SourceRows, TableVersion, Transformation, Version
from services.cli.connections import Connections, connections
from services.cli.exits import CliUsageError
from services.cli.fidelity import fidelity_lines
from services.cli.output import (
    clean,
    fields,
    json_option,
    moment,
    print_json,
    print_lines,
    size,
    table,
)
from services.cli.rasters import band_lines, raster_pairs
from services.cli.receipts import facts_text, warning_lines

DATASET = re.compile(r"(?P<dataset>[^@]+)(?:@v?(?P<version>[1-9]\d{0,8}))?")


@click.command()
@json_option
@click.pass_context
def datasets(context: click.Context, /, as_json: bool) -> None:
    """List published datasets, each with its newest version."""
    newest = connections(context).catalog.datasets()
    if as_json:
        print_json([_summary(version) for version in newest])
        return
    print_lines(_listing(newest) if newest else ["no dataset is published yet"])


@click.command()
@click.argument("dataset", metavar="DATASET[@VERSION]")
@click.option("--versions", is_flag=True, help="List all versions instead.")
@click.option(
    "--timings", is_flag=True, help="Add the seconds of each phase of its run, and of its parts."
)
@click.option("--fidelity", is_flag=True, help="Add what each table held at each hop.")
@json_option
@click.pass_context
def show(
    context: click.Context,
    /,
    dataset: str,
    versions: bool,
    timings: bool,
    fidelity: bool,
    as_json: bool,
) -> None:
    """Describe a dataset version: tables, files, inputs.

    Shows columns, rows at each hop of the pipeline, extent, CRS, transformations, each file with
    its size and sha256, and warnings. Without @VERSION the newest is described.
    """
    servers = connections(context)
    dataset_id, number = parse_dataset(dataset)
    if versions:
        servers.catalog.get(dataset_id, number)
        found = [
            item for item in servers.catalog.versions(dataset_id) if number in {None, item.version}
        ]
        if as_json:
            print_json([_summary(version) for version in found])
        else:
            print_lines(_listing(found))
        return
    version = servers.catalog.get(dataset_id, number)
    phases = _timings(servers, version) if timings else None
    if as_json:
        extra = {} if phases is None else {"timings": _timings_document(phases)}
        print_json(version.model_dump(mode="json") | extra)
        return
    print_lines(version_lines(version, servers.lake.bucket))
    for item in version.tables if fidelity else ():
        print_lines(["", *fidelity_lines(item)])
    if phases is not None:
        print_lines(["", "phases", *fields(_timings_rows(phases))])


def parse_dataset(text: str) -> tuple[str, int | None]:
    """Return the dataset id and the version number of DATASET[@VERSION]."""
    found = DATASET.fullmatch(text)
    if found is None:
        raise CliUsageError(
            "cli.dataset",
            f"expected DATASET or DATASET@VERSION, such as transport/roads@3, found {text!r}.",
            remedy="`spatial-etl datasets` lists what is published.",
        )
    number = found["version"]
    return found["dataset"], int(number) if number else None


def _summary(version: Version) -> dict[str, object]:
    return {
        "dataset_id": version.dataset_id,
        "version": version.version,
        "kind": version.kind,
        "title": version.metadata.title,
        "project": version.metadata.project,
        "description": version.metadata.description,
        "tables": [item.name for item in version.tables],
        "rows": sum(item.rows for item in version.tables),
        "size_bytes": _size_bytes(version),
        "warnings": len(version.warnings),
        "run_id": version.run_id,
        "created_at": version.created_at.isoformat(),
    }


def _listing(versions: list[Version]) -> list[str]:
    rows = [
        (version.dataset_id, f"{version.version}", f"{len(version.tables)}",
         f"{sum(item.rows for item in version.tables)}", size(_size_bytes(version)),
         moment(version.created_at), version.metadata.title or version.metadata.project)
        for version in versions
    ]  # fmt: skip
    heads = ("DATASET", "VERSION>", "TABLES>", "ROWS>", "SIZE>", "CREATED", "TITLE OR PROJECT")
    return table(heads, rows)


def _size_bytes(version: Version) -> int:
    return sum(output.size_bytes for item in version.tables for output in item.outputs)


def version_lines(version: Version, lake_bucket: str) -> list[str]:
    """Return everything that is known of a version, but the timings."""
    about = version.metadata
    pairs = [
        ("title", about.title or ""),
        ("project", about.project),
        ("description", about.description),
        ("source", about.source or ""),
        ("license", about.license or ""),
        ("keywords", ", ".join(about.keywords)),
        ("created", moment(version.created_at)),
        ("drop", version.manifest_id),
        ("run", f"{version.run_id}, attempt {version.attempt}"),
    ]
    lines = [f"{version.dataset_id}@{version.version}"]
    lines += fields([(name, value) for name, value in pairs if value])
    for item in version.tables:
        lines += ["", *_table_lines(item, lake_bucket)]
    rows = [(item.path, size(item.size_bytes), item.sha256) for item in version.inputs]
    lines += ["", "inputs", *_indented(table(("FILE", "SIZE>", "SHA256"), rows))]
    if version.warnings:
        lines += ["", *warning_lines(version.warnings)]
    return lines


def _table_lines(item: TableVersion, lake_bucket: str) -> list[str]:
    pairs = [
        ("rows", facts_text(item.hops.rows)),
        *(raster_pairs(item.raster) if item.raster else _geometry_pair(item)),
        ("crs", item.crs or ""),
        ("extent", ", ".join(f"{edge:.10g}" for edge in item.bbox) if item.bbox else ""),
        *(("source", _source(ref)) for ref in item.sources),
        *(("transformed", _transformation(step)) for step in item.transformations),
        ("join", facts_text(item.join.model_dump()) if item.join else ""),
    ]
    files = [
        (output.format, size(output.size_bytes), output.sha256, f"s3://{lake_bucket}/{output.key}")
        for output in item.outputs
    ]
    columns = [(column.name, column.type) for column in item.columns]
    return [
        clean(f"table {item.name}"),
        *fields([(name, value) for name, value in pairs if value]),
        *_indented(band_lines(item.raster) if item.raster else table(("COLUMN", "TYPE"), columns)),
        *_indented(table(("FORMAT", "SIZE>", "SHA256", "FILE"), files)),
    ]


def _geometry_pair(item: TableVersion) -> list[tuple[str, str]]:
    return [("geometry", ", ".join(item.geometry_types) or "none: an attribute table")]


def _source(ref: SourceRows) -> str:
    return f"{ref.file}, layer {ref.layer}: {ref.rows} rows" if ref.layer else ref.file


def _transformation(step: Transformation) -> str:
    accuracy = "unknown" if step.accuracy_m is None else f"{step.accuracy_m:g} m"
    said = [f"accuracy {accuracy}"]
    said += ["ballpark"] if step.is_ballpark else []
    said += ["not confirmed by the coordinates"] if step.is_confirmed is False else []
    return f"{step.source_crs} -> {step.target_crs}: {step.name} ({', '.join(said)})"


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _timings(servers: Connections, version: Version) -> list[PhaseRecord]:
    """Return the phases of the run that published a version, as the ledger keeps them."""
    drop = servers.ledger.get(version.manifest_id)
    attempts = drop.attempts if drop else ()
    return [
        phase
        for attempt in attempts
        if attempt.number == version.attempt
        for phase in attempt.phases
        if phase.seconds is not None
    ]


def _timings_rows(phases: Sequence[PhaseRecord]) -> list[tuple[str, str]]:
    """Return each phase and its parts with their seconds, and the sum."""
    rows = []
    for phase in phases:
        rows.append((phase.name, f"{phase.seconds:.3f} s"))
        rows += [(f"  {part}", f"{seconds:.3f} s") for part, seconds in phase.parts.items()]
    return [*rows, ("all", f"{sum(phase.seconds or 0 for phase in phases):.3f} s")]


def _timings_document(phases: Sequence[PhaseRecord]) -> dict[str, object]:
    return {phase.name: {"seconds": phase.seconds, **phase.parts} for phase in phases}
