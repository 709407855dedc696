"""What the installed package has beside its modules."""

import tomllib
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_type_checkers_find_the_librarys_types_once_it_is_installed():
    """PEP 561: the marker lies in the package, and setuptools is told to take it along."""
    assert files("SAMedCore").joinpath("py.typed").is_file()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in settings["tool"]["setuptools"]["package-data"]["SAMedCore"]
