"""Pandas hidden from a process: PyArrow imports it at the first array, and nothing here needs it.

What belongs here: hiding it, in processes that others are forked from and that start for each file
or run. What does not: deciding which processes those are.
"""

import sys
from importlib.abc import MetaPathFinder


class WithoutPandas(MetaPathFinder):
    """Finds no pandas, wherever it is installed, and leaves all else to other finders."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def hide_pandas() -> None:
    """Let this process and its forks go without pandas."""
    sys.meta_path.insert(0, WithoutPandas())
