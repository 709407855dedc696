"""The Python packages that the worker needs: which, which are installed, and what keeps Slicer's own as they are.

Everything is asked of the packages' metadata; none is imported, for Slicer's process must never hold torch.
"""

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

RESOURCES = Path(__file__).parents[2] / "Resources"

TORCH_REQUIREMENTS = ("torch>=2.4", "torchvision>=0.19")
"""Installed apart from the others, for which build suits a computer depends on its graphics card."""


def otherRequirements() -> list[str]:
    """What requirements.txt lists: everything but torch, torchvision and what Slicer ships."""
    return _listed("requirements.txt")


def installedVersion(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def installedVersions() -> dict[str, str | None]:
    """Package -> its version, or None where it is not installed; torch and torchvision first."""
    wanted = [Requirement(line) for line in (*TORCH_REQUIREMENTS, *otherRequirements())]
    return {requirement.name: installedVersion(requirement.name) for requirement in wanted}


def missingPackages() -> list[str]:
    """The requirements that no installed package meets, as pip writes them; torch and torchvision first."""
    return [line for line in (*TORCH_REQUIREMENTS, *otherRequirements()) if not _isMet(Requirement(line))]


def keptPackages() -> dict[str, str]:
    """Package that Slicer ships -> its installed version."""
    versions = {name: installedVersion(name) for name in _listed("kept-packages.txt")}
    return {name: version for name, version in versions.items() if version is not None}


@contextlib.contextmanager
def constraintsFile() -> Iterator[Path]:
    """A file for pip's `--constraint` that pins every package that Slicer ships to what is installed; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="samed-pip-") as folder:
        path = Path(folder) / "constraints.txt"
        pins = [f"{name}=={version}\n" for name, version in keptPackages().items()]
        path.write_text("".join(pins), encoding="utf-8")
        yield path


def _isMet(requirement: Requirement) -> bool:
    version = installedVersion(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _listed(fileName: str) -> list[str]:
    lines = (RESOURCES / fileName).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
