"""What the installed package has beside its modules, and what it asks pip for."""

import ast
import inspect
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import SAMedCore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imported_in(source: str) -> set[str]:
    """The top-level packages that a module imports, those within its functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_type_checkers_find_the_librarys_types_once_it_is_installed(settings):
    """PEP 561: the marker lies in the package, and setuptools is told to take it along."""
    assert files("SAMedCore").joinpath("py.typed").is_file()
    assert "py.typed" in settings["tool"]["setuptools"]["package-data"]["SAMedCore"]


def test_what_the_package_exports_is_there_and_known_to_type_checkers():
    assert sorted(SAMedCore.__all__) == sorted(SAMedCore.HOMES)
    assert all(getattr(SAMedCore, name).__name__ == name for name in SAMedCore.__all__)
    tree = ast.parse(inspect.getsource(SAMedCore))
    (for_types,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {alias.name: node.module for node in for_types.body for alias in node.names}
    assert homes == {name: f"SAMedCore.{home}" for name, home in SAMedCore.HOMES.items()}


def test_whatever_is_imported_comes_with_a_declared_package(settings):
    project = settings["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    homes = packages_distributions()
    imported = set().union(*(imported_in(path.read_text(encoding="utf-8")) for path in (ROOT / "SAMedCore").rglob("*.py")))
    foreign = imported - sys.stdlib_module_names - {"SAMedCore"}
    undeclared = {name for name in foreign if not declared & {canonicalize_name(home) for home in homes.get(name, [name])}}
    assert {"torch", "peft", "highdicom"} <= foreign
    assert undeclared == set()
