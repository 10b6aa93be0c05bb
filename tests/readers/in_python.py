"""A reader whose request is the Python that it does."""


def main(request: str) -> None:
    """Do it."""
    exec(request)
