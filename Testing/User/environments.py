"""Virtual environments as users have them, made by pip from nothing, with torch lent by the tests' own.

torch and what it needs of CUDA take 6 GB. Those distributions, and no others, are linked into a new environment with their
metadata, so that pip finds them installed. Whatever else is wanted pip gets from its index.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "Testing" / "Slicer" / "data" / "slicer-5.12-packages.txt"
"""What Slicer 5.12 has in its Python, pinned."""

LENT = re.compile(r"torch|torchvision|triton|(nvidia|cuda)[-_].*", re.IGNORECASE)
"""Names of the distributions that are linked."""

OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Variables by which this environment's packages could be seen."""


@dataclass(frozen=True)
class UserPython:
    """An interpreter and the folder that its user works in.

    Attributes:
        folder: of the virtual environment.
        desk: the working folder, far from the checkout.
        variables: what is set beside this process's own environment.
    """

    folder: Path
    desk: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OURS}
        return {**inherited, "PYTHONNOUSERSITE": "1", **self.variables}

    def start(self, *command: object) -> subprocess.CompletedProcess:
        """Run a command at the desk and return how it ended, with what it said."""
        words = [str(word) for word in command]
        return subprocess.run(
            words, cwd=self.desk, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def run(self, *command: object) -> str:
        """What a command that must succeed says on stdout."""
        done = self.start(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, code: str, *arguments: object) -> str:
        """What a piece of Python prints."""
        return self.run(self.program, "-c", code, *arguments)

    def samed(self, *arguments: object) -> str:
        """What the command line says."""
        return self.run(self.folder / "bin" / "samed", *arguments)

    def install(self, *requirements: object) -> None:
        """Have pip install these, at its newest versions unless they say otherwise."""
        self.run(self.program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def fresh_environment(folder: Path, desk: Path, variables: dict[str, str] | None = None) -> UserPython:
    """A virtual environment with pip and the lent distributions."""
    desk.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    for distribution in importlib.metadata.distributions():
        if LENT.fullmatch(distribution.name):
            _lend(distribution, site)
    return UserPython(folder, desk, variables or {})


def build_wheel(folder: Path) -> Path:
    """The wheel of the checkout as it is now, built outside of it, where no earlier build lies."""
    source = folder / "source"
    copy_core(source)
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    return next(folder.glob("samedcore-*.whl"))


def copy_core(folder: Path) -> Path:
    """The package SAMedCore alone in a folder, as the extension has it among Slicer's modules; returns the folder."""
    shutil.copytree(ROOT / "SAMedCore", folder / "SAMedCore", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def pinned(path: Path) -> Sequence[str]:
    """The requirements that a file lists, without its comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _lend(distribution: importlib.metadata.Distribution, site: Path) -> None:
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(distribution.locate_file(top))))
