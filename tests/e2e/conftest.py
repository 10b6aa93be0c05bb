"""The webserver of the stack."""

import pytest

from tests.e2e.webserver import Webserver


@pytest.fixture(scope="session")
def webserver(stack_env: dict[str, str]) -> Webserver:
    """The Dagster webserver."""
    return Webserver(stack_env["SPATIAL_ETL_WEBSERVER_URL"])
