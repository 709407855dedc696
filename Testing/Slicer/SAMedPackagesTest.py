"""Packages, as Slicer itself has them: run there by CTest, and here by test_install.py."""

import importlib.metadata
import sys
import unittest
from pathlib import Path

import slicer

from SAMedLib.setup.locations import coreFolder, makeCoreImportable, pythonSlicerExecutable
from SAMedLib.setup.packages import constraintsFile, missingPackages


class SAMedPackagesTest(unittest.TestCase):
    def test_torch_is_not_imported_to_find_out_what_is_missing(self):
        missingPackages()
        assert "torch" not in sys.modules

    def test_the_core_is_found(self):
        makeCoreImportable()
        import SAMedCore

        assert Path(SAMedCore.__file__).resolve().parents[1] == coreFolder()

    def test_slicers_python_starts_and_has_pip(self):
        command = [pythonSlicerExecutable(), "-m", "pip", "--version"]
        process = slicer.util.launchConsoleProcess(command, useStartupEnvironment=False)
        said, _errors = process.communicate()
        assert process.returncode == 0
        assert said.startswith("pip ")

    def test_the_packages_that_slicer_ships_are_pinned_to_what_is_installed(self):
        with constraintsFile() as path:
            pins = path.read_text().splitlines()
        for name in ("numpy", "scipy", "simpleitk", "pydicom"):
            assert f"{name}=={importlib.metadata.version(name)}" in pins
        assert not path.exists()
