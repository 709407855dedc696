"""A Slicer whose Python is real and has only what Slicer ships; pip finds wheels that are made here in place of an index."""

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pip
import pytest

import slicerhost
from SAMedLib.setup.install import InstallPlan

NEEDED = {
    "torch",
    "torchvision",
    "accelerate",
    "huggingface_hub",
    "matplotlib",
    "peft",
    "platformdirs",
    "safetensors",
    "segment-anything",
    "tqdm",
}
"""Every package that is installed for SAMed, without what these need themselves."""


def mustNotRun(*_arguments: object) -> None:
    raise AssertionError("this must not be asked for")


def makeWheel(folder: Path, name: str, version: str, requires: str = "", files: dict[str, str] | None = None) -> None:
    """A wheel that pip installs, with nothing in it but a version and these files."""
    stem = f"{name.replace('-', '_')}-{version}"
    header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {requires}\n" if requires else "")
    info = {"METADATA": header, "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": ""}
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in (files or {}).items():
            wheel.writestr(path, text)
        for path, text in info.items():
            wheel.writestr(f"{stem}.dist-info/{path}", text)


@dataclass(frozen=True)
class FreshSlicer:
    """A Slicer whose Python has what Slicer ships and nothing else.

    Attributes:
        wheels: what pip may install: everything that is needed, and newer versions of what Slicer ships.
        answered: the plans that the user was asked about.
    """

    wheels: Path
    answered: list[InstallPlan]

    def sayYes(self, plan: InstallPlan) -> bool:
        self.answered.append(plan)
        return True

    def sayNo(self, plan: InstallPlan) -> bool:
        self.answered.append(plan)
        return False


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    makeWheel(folder, "numpy", "2.4.6")
    makeWheel(folder, "numpy", "3.0")
    for name in NEEDED - {"tqdm"}:
        makeWheel(folder, name, "9.0", requires="numpy")
    makeWheel(folder, "tqdm", "9.0", requires="numpy")
    makeWheel(folder, "tqdm", "9.1", requires="numpy>=3")
    return folder


@pytest.fixture(scope="session")
def a_slicer_home(tmp_path_factory, wheels) -> Path:
    """Slicer's folder, with spaces and other letters: a Python that has pip and NumPy, and the launcher that starts it."""
    home = tmp_path_factory.mktemp("Jürgens Slicer 5.12")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "python"], check=True)
    python = home / "python" / "bin" / "python"
    (sitePackages(home) / "pip").symlink_to(Path(pip.__file__).parent)
    launcher = home / "bin" / "PythonSlicer"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\n{shlex.quote(str(python))} "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    offline = ["--isolated", "--no-index", "--find-links", wheels, "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *offline, "numpy==2.4.6"], check=True)
    return home


def sitePackages(home: Path) -> Path:
    return next((home / "python" / "lib").glob("python*/site-packages"))


@pytest.fixture
def a_fresh_slicer(tmp_path, monkeypatch, wheels, a_slicer_home) -> Iterator[FreshSlicer]:
    """Its pip knows the wheels alone; slicer.packaging asks that pip too. Each test finds the packages as Slicer ships them."""
    site, asShipped = sitePackages(a_slicer_home), tmp_path / "as shipped"
    shutil.copytree(site, asShipped, symlinks=True)
    temporary = tmp_path / "übergangsweise Dateien"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("PATH", str(a_slicer_home / "bin"), prepend=os.pathsep)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setattr(slicerhost.packaging, "installed", [])
    monkeypatch.setattr(slicerhost.packaging, "onInstall", installByPip)
    yield FreshSlicer(wheels, [])
    assert list(temporary.iterdir()) == [], "a temporary file remains"
    shutil.rmtree(site)
    shutil.copytree(asShipped, site, symlinks=True)


def installByPip(requirements: list[str]) -> str:
    """What the real slicer.packaging does; pip's output."""
    command = ["PythonSlicer", "-m", "pip", "install", *requirements, "-c", slicerhost.packaging.installed[-1]["constraints"]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout
