"""Every path, make target and command's module that the map and the README name is there."""

import re
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("CONTEXT.md", "README.md")
FOLDERS = "etl_pipelines|libs|services|tests|docs|shared"
_PATH = re.compile(rf"`((?:{FOLDERS})/[\w./{{}},-]*)`")
_MODULE = re.compile(rf"`(?:python -m )?((?:{FOLDERS})(?:\.\w+)+)")
_TARGET = re.compile(r"`make ([a-z-]+(?: \| [a-z-]+)*)")
_CHOICE = re.compile(r"\{([^{}]*)\}")


def alternatives(path: str) -> list[str]:
    """Return the paths that `a/{b,c}.py` stands for."""
    parts = _CHOICE.split(path)
    choices = [part.split(",") if n % 2 else [part] for n, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


def is_there(module: str) -> bool:
    """Return whether a dotted name is a module, a package, or a name inside of a module."""
    path = ROOT.joinpath(*module.split("."))
    own, outer = path.with_suffix(".py"), path.parent.with_suffix(".py")
    return path.is_dir() or own.exists() or outer.exists()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = [path for found in _PATH.findall(text) for path in alternatives(found)]
    wanted = [target for found in _TARGET.findall(text) for target in found.split(" | ")]

    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [module for module in _MODULE.findall(text) if not is_there(module)] == []
    assert sorted(set(wanted) - targets) == []
    assert len(wanted) > 2


def test_a_choice_of_paths_is_several() -> None:
    assert alternatives("tests/{a,b}_{c,d}.py") == [
        "tests/a_c.py", "tests/a_d.py", "tests/b_c.py", "tests/b_d.py",
    ]  # fmt: skip
    assert not is_there("libs.pipeline.no_such_phase")
