"""What Slicer's own process imports: nothing that the user has not agreed to install, no network, no threads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from SAMedLib.setup.packages import TORCH_REQUIREMENTS, otherRequirements

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "SlicerSAMed").rglob("*.py"))
WORKERS_PACKAGES = {Requirement(line).name.replace("-", "_") for line in (*TORCH_REQUIREMENTS, *otherRequirements())}
CONCURRENCY = {"threading", "_thread", "concurrent", "multiprocessing", "asyncio"}

WITHOUT_THEM = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {WORKERS_PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
sys.path[:0] = {[str(ROOT / "SlicerSAMed"), str(ROOT / "Testing" / "Host")]!r}
import slicerhost
slicerhost.boot()
"""


def imported(source: Path) -> set[str]:
    """The packages that a file imports anywhere, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_the_module_has_no_threads_and_imports_none_of_the_workers_packages():
    wrong = CONCURRENCY | WORKERS_PACKAGES | {"PySide6", "PyQt5", "slicerhost"}
    found = {source.name: imported(source) & wrong for source in SOURCES}
    assert {"SAMed.py", "client.py", "consoleApi.py"} <= found.keys()
    assert {name: names for name, names in found.items() if names} == {}


def test_panel_and_logic_are_there_before_anything_is_installed():
    code = "panel = slicerhost.loadModule('SAMed'); print(type(panel.logic).__name__, panel.ui.modelComboBox.currentText)"
    done = subprocess.run([sys.executable, "-c", WITHOUT_THEM + code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SAMedLogic abdomen-demo\n"), done.stderr
    assert "Traceback" not in done.stderr
