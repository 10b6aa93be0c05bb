"""Who may import whom, and that modules named in docstrings exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("libs", "etl_pipelines", "services")
FORBIDDEN = {
    "libs": {"dagster", "click", "services", "etl_pipelines", "tests", "fastapi", "flask"},
    "etl_pipelines": {"services", "tests", "click"},
    "services": {"tests"},
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def called(node: ast.Call) -> str:
    """Return the last part of the name that is called; empty where it is not called by name."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def imported(path: Path) -> Iterator[str]:
    """Yield the first part of everything a module imports, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] if node.level == 0 else "a relative import"
        elif (
            isinstance(node, ast.Call)
            and called(node).endswith(("import_module", "__import__"))
            and node.args
        ):
            yield ast.unparse(node.args[0]).lstrip("f").strip("'\"").partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in modules(package)
        if (found := {*imported(path)} & {*FORBIDDEN[package], "a relative import"})
    }
    assert modules(package)
    assert wrong == {}


def test_the_rule_sees_imports_inside_functions_and_by_name(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import os.path\n"
        "def f(name):\n"
        "    from dagster import op\n"
        "    import_module(f'services.{name}')\n"
        "    importlib.import_module('click')\n"
    )
    assert {*imported(module)} == {"os", "dagster", "services", "click"}


def test_every_package_says_what_it_is_and_wires_nothing() -> None:
    for package in ("libs", "etl_pipelines"):
        for path in (ROOT / package).rglob("__init__.py"):
            tree = ast.parse(path.read_text())
            assert ast.get_docstring(tree), path
            assert len(tree.body) == 1, f"{path} holds more than a docstring"


MODULE_NAME = re.compile(r"`((?:libs|etl_pipelines|services)(?:\.\w+)+)(?:\.\*)?`")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_named_in_a_docstring_exists(package: str) -> None:
    missing = []
    for path in modules(package):
        for name in MODULE_NAME.findall(path.read_text()):
            parts = name.split(".")
            places = [ROOT.joinpath(*parts[: len(parts) - cut]) for cut in (0, 1, 2)]
            is_there = any(
                place.with_suffix(".py").exists() for place in places if place != ROOT / parts[0]
            )
            if not is_there and not places[0].is_dir():
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert missing == []
