"""Where things lie, with and without the packages that are installed later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from fresh_slicer import NEEDED

from SAMedCore.checkpoint import catalogue
from SAMedLib.setup import locations

ROOT = Path(__file__).parents[3]


WITHOUT_PACKAGES = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.path[:0] = {folders!r}
import slicerhost
slicerhost.boot()
slicerhost.loadModule("SAMed")
from SAMedLib.setup import locations
assert locations.cacheFolder() is None and locations.cacheMegabytes() == 0
"""


def test_the_module_opens_in_a_slicer_that_has_none_of_its_packages():
    names = {name.replace("-", "_") for name in NEEDED} | {"accelerate", "transformers", "huggingface_hub", "yaml"}
    folders = [str(ROOT / "SlicerSAMed"), str(ROOT / "Testing" / "Host")]
    environment = {name: value for name, value in os.environ.items() if name != "SAMED_CACHE"}
    code = WITHOUT_PACKAGES.format(names=names, folders=folders)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_clearing_the_cache_keeps_what_the_user_saved_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path))
    fetched = catalogue.find_base("lite").path
    saved = tmp_path / "models" / "my checkpoint" / "adapter_model.safetensors"
    for path in (fetched, saved):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1_500_000))
    assert locations.cacheFolder() == tmp_path
    assert locations.cacheMegabytes() == 1.5
    locations.clearCache()
    assert not fetched.exists()
    assert saved.is_file()
    assert locations.cacheMegabytes() == 0


def test_no_slicer_python_is_an_error_and_never_slicer_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(slicer.app, "slicerHome", str(tmp_path), raising=False)
    assert locations.pythonSlicerExecutable() == sys.executable
    monkeypatch.setattr(sys, "executable", "/opt/Slicer/bin/SlicerApp-real")
    with pytest.raises(RuntimeError, match="PythonSlicer was not found"):
        locations.pythonSlicerExecutable()
