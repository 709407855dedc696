"""The self-test as the application runs it: it passes here, and is skipped, never passed, where something is missing."""

from __future__ import annotations

import io
import re
import unittest
from pathlib import Path

import pytest
import slicer

import SAMed
import slicerhost
from SAMedLib.sampleData import addVolume
from SAMedLib.selfTest import phantom
from SAMedLib.setup import packages

CMAKE = (Path(__file__).parents[2] / "SlicerSAMed" / "CMakeLists.txt").read_text(encoding="utf-8")
CASES = [name for name in dir(SAMed.SAMedTest) if name.startswith("test_")]
FOUND_TOO = ["ScriptedLoadableModuleTest"]
"""Slicer's own, empty one: the module imports it, so unittest takes it for a test of the module."""


def asCTestRunsIt() -> tuple[unittest.TestResult, str]:
    """What `slicer.testing.runUnitTest` does with the module, and what it says."""
    suite, said = unittest.TestLoader().loadTestsFromName("SAMed"), io.StringIO()
    return unittest.TextTestRunner(said, verbosity=2).run(suite), said.getvalue()


@pytest.fixture(params=["package", "base model"])
def missing(request, monkeypatch) -> str:
    """Something that the tests need is not installed; what they say of it."""
    if request.param == "base model":
        monkeypatch.setattr("SAMedLib.selfTest.cachedFiles", list)
        return 'the base model "lite" has not been fetched'
    installed = packages.installedVersion
    monkeypatch.setattr(packages, "installedVersion", lambda name: None if name == "torch" else installed(name))
    return "not installed: torch>=2.4"


def test_the_self_test_passes(logic):
    if not hasattr(slicer.modules, "segmenteditorsamed"):
        slicerhost.registerModule("SegmentEditorSAMed")
    result, said = asCTestRunsIt()
    assert result.wasSuccessful(), said
    assert (result.testsRun, result.skipped) == (len(CASES + FOUND_TOO), [])
    assert len(CASES) >= 5


def test_every_case_is_skipped_where_something_is_missing(missing):
    result, said = asCTestRunsIt()
    assert sorted(case.id().rpartition(".")[2] for case, _reason in result.skipped) == CASES
    assert {reason for _case, reason in result.skipped} == {missing}
    assert said.count(" ... ok") == len(FOUND_TOO)


def test_ctest_reports_such_a_run_as_skipped(missing):
    pattern = re.search(r'PROPERTIES SKIP_REGULAR_EXPRESSION "(.*)"', CMAKE)[1].replace("\\\\", "\\")
    _result, said = asCTestRunsIt()
    assert re.search(pattern, said)


def test_reload_and_test_runs_every_case_in_an_empty_scene(lite_weights, monkeypatch):
    ran = []

    def case(name: str):
        def run(self) -> None:
            ran.append((name, slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")))
            addVolume(phantom(), "left behind")

        return run

    for name in CASES:
        monkeypatch.setattr(SAMed.SAMedTest, name, case(name))
    SAMed.SAMedTest().runTest()
    assert ran == [(name, 0) for name in CASES]


def test_reload_and_test_says_skipped_where_something_is_missing(missing):
    slicerhost.dialogs.clear()
    try:
        SAMed.SAMedTest().runTest()
    except unittest.SkipTest:
        pytest.fail("Slicer calls whatever is raised a failure")
    said = f"SAMed's self-test was skipped, nothing has been tested ({missing})."
    assert slicerhost.dialogs.shown == [("info", said)]


def test_reload_and_test_fails_where_a_case_fails(lite_weights, monkeypatch):
    monkeypatch.setattr(SAMed.SAMedTest, CASES[-1], lambda self: self.fail("not what it should be"))
    for name in CASES[:-1]:
        monkeypatch.setattr(SAMed.SAMedTest, name, lambda self: None)
    with pytest.raises(AssertionError, match="not what it should be"):
        SAMed.SAMedTest().runTest()
