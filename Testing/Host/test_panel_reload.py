"""A developer's day: Reload takes the whole library anew and ends what the old one runs; a setup that fails says why."""

import sys

import pytest
import SampleData
import slicer

import SAMed
import slicerhost
from SAMedLib.worker import client as workerModule


def test_reload_takes_the_library_anew_not_the_module_s_file_alone(panel):
    old = {
        name: sys.modules[name]
        for name in ("SAMed", "SAMedLib.panel.panel", "SAMedLib.worker.client", "SAMedCore.service.messages")
    }
    panel.onReload()
    assert [name for name, module in old.items() if sys.modules[name] is module] == []
    new = slicer.modules.SAMedWidget
    assert type(new.panel) is sys.modules["SAMedLib.panel.panel"].Panel
    assert new.panel.parameterNode.inputVolume is None
    assert new.ui.applyButton.toolTip == "Select a CT volume."


def test_reload_ends_the_worker_of_the_old_library(panel):
    panel.logic.worker.start()
    panel.onReload()
    assert not workerModule.sharedWorker().isRunning
    assert slicer.modules.SAMedWidget.logic.worker is sys.modules["SAMedLib.worker.client"].sharedWorker()
    assert slicer.modules.SAMedWidget.logic.worker is not workerModule.sharedWorker()


def test_after_a_reload_the_sample_s_tile_runs_the_new_code(panel):
    panel.onReload()
    new = sys.modules["SAMedLib.sampleData"]
    shown = []
    new.showSample = shown.append
    slicerhost.click(SampleData.tile("SAMedAbdomenCT"))
    assert [source.sampleName for source in shown] == ["SAMedAbdomenCT"]


@pytest.fixture
def failing(monkeypatch, sameModules):
    """The module, loaded while its setup() fails; slicerhost.signals.slotErrors has what was printed."""
    monkeypatch.setattr(SAMed, "Panel", lambda *_arguments: (_ for _ in ()).throw(RuntimeError("PythonSlicer was not found")))
    return slicerhost.loadModule("SAMed")


def printed() -> list[str]:
    """What PythonQt would have printed since the last time."""
    lines = [str(error) for error in slicerhost.signals.slotErrors]
    slicerhost.signals.slotErrors.clear()
    return lines


def test_what_made_setup_fail_is_the_one_error_that_is_seen(failing):
    slicer.util.selectModule("SegmentEditor")
    slicer.util.selectModule("SAMed")
    slicerhost.closeScene()
    slicerhost.unloadModule("SAMed")
    assert printed() == ["PythonSlicer was not found"]


def test_after_a_setup_that_failed_reload_brings_the_panel(failing):
    failing.onReload()
    try:
        assert slicer.modules.SAMedWidget.ui.applyButton.text == "Apply"
        assert printed() == ["PythonSlicer was not found"]
    finally:
        slicerhost.unloadModule("SAMed")
