"""Who is patient with a server that does not answer: runs, but no tick of a sensor."""

from dagster import InitResourceContext

from libs.models.config import ServiceSettings


def patience_of(context: InitResourceContext) -> float:
    """Return the seconds that the clients of this context wait for their servers to come back."""
    return ServiceSettings().outage_patience_s if context.run is not None else 0
