"""Which packages are needed, which are missing, and what keeps Slicer's own as they are."""

import sys
import tomllib
from pathlib import Path

import dry_run
import pytest
from fresh_slicer import NEEDED
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from SAMedPackagesTest import SAMedPackagesTest  # noqa: F401 - collected here, where Slicer is stood in for

from SAMedLib.setup import packages

ROOT = Path(__file__).parents[3]


def test_the_requirements_are_those_of_the_library_without_what_slicer_ships():
    shipped = {canonicalize_name(name) for name in packages._listed("kept-packages.txt")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    expected = {line for line in project["dependencies"] if canonicalize_name(Requirement(line).name) not in shipped}
    assert {*packages.TORCH_REQUIREMENTS, *packages.otherRequirements()} == expected
    assert dry_run.TORCH_REQUIREMENTS == packages.TORCH_REQUIREMENTS
    assert {Requirement(line).name for line in expected} == NEEDED


def test_every_package_that_slicer_5_12_ships_is_kept():
    assert packages._listed("kept-packages.txt") == [line.split("==")[0] for line in dry_run.listed(dry_run.SHIPPED)]


def test_a_fresh_slicer_lacks_everything(a_fresh_slicer):
    assert packages.missingPackages() == [*packages.TORCH_REQUIREMENTS, *packages.otherRequirements()]
    assert set(packages.installedVersions().values()) == {None}


@pytest.mark.parametrize(
    ("version", "isMissing"), [("2.3.1", True), ("2.4", False), ("2.9.1+cu128", False), ("2.12.0a0", False)]
)
def test_a_package_is_missing_where_it_is_too_old(tmp_path, monkeypatch, version, isMissing):
    info = tmp_path / f"torch-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert ("torch>=2.4" in packages.missingPackages()) == isMissing
    assert packages.installedVersions()["torch"] == version


@pytest.mark.slow
@pytest.mark.parametrize("platform", dry_run.SYSTEMS)
def test_pip_finds_versions_beside_slicers_packages(platform):
    found = dry_run.resolve(dry_run.SYSTEMS[platform], [*packages.TORCH_REQUIREMENTS, *packages.otherRequirements()])
    names = {canonicalize_name(wheel.name) for wheel in found}
    assert names >= {canonicalize_name(name) for name in NEEDED}
    assert dry_run.megabytes(found) > 100
