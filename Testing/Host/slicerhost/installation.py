"""The extension installed as Slicer's extension manager would: by its own CMake files, against a stub of Slicer's package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cmake

ROOT = Path(__file__).parents[3]
STUB = ROOT / "Testing" / "Slicer" / "stub_slicer_package"
CMAKE_FOLDER = Path(cmake.CMAKE_BIN_DIR)
MODULES_FOLDER = "lib/Slicer-5.12/qt-scripted-modules"


def installedTree(folder: Path) -> Path:
    """Configure, build and install into `folder`; returns the qt-scripted-modules of the installation.

    The build tree is `folder`/build, with the same modules below.

    Raises:
        RuntimeError: CMake failed; the message is what it said.
    """
    build, prefix = folder / "build", folder / "install"
    _cmake("-S", ROOT, "-B", build, f"-DSlicer_DIR={STUB}", f"-DCMAKE_TOOLCHAIN_FILE={STUB / 'nothing-compiled.cmake'}")
    _cmake("--build", build)
    _cmake("--install", build, "--prefix", prefix)
    return prefix / MODULES_FOLDER


def registeredTests(folder: Path) -> list[str]:
    """The names of the tests that CTest would run for the build tree below `folder`."""
    said = _run(CMAKE_FOLDER / "ctest", "-N", "--test-dir", folder / "build")
    return [line.partition(": ")[2].strip() for line in said.splitlines() if line.strip().startswith("Test #")]


def _cmake(*arguments: object) -> str:
    return _run(CMAKE_FOLDER / "cmake", *arguments)


def _run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout
