"""`spatial-etl schema`: the form of a manifest.

What belongs here: printing it. What does not: the form (`libs.models.manifest`).
"""

import click

from libs.models.manifest import manifest_schema
from services.cli.output import print_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of a manifest.

    Editors that know JSON Schema complete and check manifests with it.
    """
    print_json(manifest_schema())
