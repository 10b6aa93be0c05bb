"""`spatial-etl contract`: a contract for the next manifest, read off a published version.

What belongs here: printing it. What does not: finding it (`libs.pipeline.contract_draft`).
"""

import click

from services.cli.catalog import parse_dataset
from services.cli.connections import connections
from services.cli.output import print_json, say


@click.command()
@click.argument("dataset", metavar="DATASET[@VERSION]")
@click.pass_context
def contract(context: click.Context, /, dataset: str) -> None:
    """Print a contract that a dataset version keeps, for the next manifest.

    The JSON object goes into a manifest as its "contract": CRS, extent, geometry types, columns
    and number of rows of the version, the newest without @VERSION; for several tables what holds
    for all of them. Widen or tighten it by hand. A key is not in it, because a version does not
    tell which columns are one: add "key": ["id"].
    """
    from libs.pipeline.contract_draft import draft_contract

    dataset_id, number = parse_dataset(dataset)
    version = connections(context).catalog.get(dataset_id, number)
    print_json(draft_contract(version).model_dump(mode="json", exclude_none=True))
    name = f"{version.dataset_id}@{version.version}"
    say(f'bbox and min_rows are exactly those of {name}; add "key" where columns are one')
