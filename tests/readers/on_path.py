"""A reader that becomes the program `reader` on its PATH, with its request as argument."""

import os


def main(request: str) -> None:
    """Become it."""
    os.execvp("reader", ["reader", request])
