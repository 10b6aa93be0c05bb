"""The error tree: what its docstring shows is what there is."""

import ast
import functools
import inspect
import pickle
import re
from pathlib import Path

import pytest

from libs.models import errors
from libs.models.errors import CrsError, SpatialEtlError, TerminalError, TransientError

LIBS = Path(errors.__file__).parents[1]
CLASSES = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if issubclass(item, SpatialEtlError)
]
LINE = re.compile(r"^ *(?P<lead>[│ ├└─]*)(?P<name>[A-Z]\w+Error)\b *(?:(?P<codes>\w+)\.\*)?")


@functools.cache
def documented() -> dict[str, tuple[str | None, str | None]]:
    """Return name -> (name of the parent, code prefix) as the module's docstring draws it."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = LINE.match(line)
        if found and (found["lead"] or not tree):
            depth = line.index(found["name"])
            above = [(d, name) for d, name in above if d < depth]
            tree[found["name"]] = (above[-1][1] if above else None, found["codes"])
            above.append((depth, found["name"]))
    return tree


def test_the_docstring_draws_the_classes_and_their_parents() -> None:
    actual = {
        item.__name__: item.__base__.__name__ if item is not SpatialEtlError else None
        for item in CLASSES
    }
    assert {name: parent for name, (parent, _) in documented().items()} == actual


def test_an_error_is_either_terminal_or_transient() -> None:
    for item in set(CLASSES) - {SpatialEtlError}:
        assert issubclass(item, TerminalError) != issubclass(item, TransientError), item


@functools.cache
def raised_codes() -> list[tuple[str, str, str]]:
    """Return (file, error class, code) of every error that `libs` makes with a literal code."""
    made = []
    for path in sorted(LIBS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            code = node.args[0]
            if isinstance(code, ast.JoinedStr):
                code = code.values[0]
            if node.func.id in documented() and isinstance(code, ast.Constant):
                made.append((str(path.relative_to(LIBS)), node.func.id, code.value))
    return made


def test_every_code_begins_as_the_docstring_says() -> None:
    assert len(raised_codes()) > 40
    prefixes = {name: prefix for name, (_, prefix) in documented().items() if prefix}
    wrong = [
        made for made in raised_codes() if made[1] in prefixes
        and made[2].partition(".")[0] != prefixes[made[1]]
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("kind", CLASSES, ids=lambda item: item.__name__)
def test_an_error_keeps_its_reason_across_a_process_border(kind: type[SpatialEtlError]) -> None:
    error = kind("a.b", "expected x, found y.", remedy="Do z.", file="f", layer="l", row=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.reason == error.reason
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, "crs.missing: expected x. Remedy: do y."),
        ({"file": "a.shp"}, "crs.missing (file a.shp): expected x. Remedy: do y."),
        (
            {"file": "a.shp", "layer": "a", "row": 0},
            "crs.missing (file a.shp, layer a, row 0): expected x. Remedy: do y.",
        ),
    ],
)
def test_an_error_says_code_place_message_and_remedy(place: dict, expected: str) -> None:
    assert str(CrsError("crs.missing", "expected x.", remedy="do y.", **place)) == expected
