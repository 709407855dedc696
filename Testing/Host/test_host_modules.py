"""A scripted module lives in the stand-in as in Slicer: loaded, entered, left, reloaded, with its scene closed."""

import hashlib
import sys
import time
import unittest
from pathlib import Path

import pytest
import qt
import slicer

import slicerhost
from slicerhost import StallMeter, click, closeScene, dialogs, packaging, selectModule, waitUntil


def test_a_loaded_module_is_entered(counter):
    assert counter.calls == ["enter"]
    assert counter.parent.isEntered
    assert slicer.modules.counter.widgetRepresentation().self() is counter
    assert slicer.modules.CounterWidget is counter
    assert slicer.modules.counter.title == "Counter"
    assert slicer.util.getModuleLogic("Counter") is counter.logic


def test_leaving_and_coming_back(counter):
    selectModule("SegmentEditor")
    assert not counter.parent.isEntered
    slicer.util.selectModule("Counter")
    assert counter.calls == ["enter", "exit", "enter"]
    assert slicer.util.selectedModule() == "Counter"


def test_an_unknown_module_is_refused():
    with pytest.raises(RuntimeError, match="NoSuchModule"):
        slicer.util.selectModule("NoSuchModule")


def test_a_click_goes_through_the_panel_to_the_parameter_node(counter):
    click(counter.ui.countButton)
    assert counter.ui.clicksSpinBox.value == counter.parameters.clicks == 2


def test_a_disabled_button_cannot_be_clicked(counter):
    counter.ui.countButton.enabled = False
    with pytest.raises(AssertionError, match="Count one more"):
        click(counter.ui.countButton)


def test_closing_the_scene_starts_anew(counter):
    click(counter.ui.countButton)
    closeScene()
    assert counter.calls[-1] == "scene closed"
    assert counter.ui.clicksSpinBox.value == 1
    click(counter.ui.countButton)
    assert counter.parameters.clicks == 2


def test_reloading_makes_a_new_panel_and_cleans_up_the_old_one(counter):
    counter.onReload()
    again = slicer.modules.CounterWidget
    assert again is not counter
    assert type(again) is not type(counter)
    assert counter.calls[-1] == "cleanup"
    click(again.ui.countButton)
    assert again.parameters.clicks == 2


def test_the_module_s_own_test_runs(counter):
    slicer.selfTests["Counter"]()
    assert dialogs.shown == [("delay", "counting")]


def test_texts_that_go_through_the_translation_are_known(counter):
    assert "Count one more" in slicerhost.i18n.translated
    assert "Count" not in slicerhost.i18n.translated


def test_other_modules_open_the_segment_editor():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSegmentationNode(node)
    assert slicer.modules.SegmentEditorWidget.editor.segmentationNode() == node


def test_the_application_says_when_it_has_started_and_when_it_ends():
    seen = []
    for signal in ("startupCompleted()", "aboutToQuit()"):
        slicer.app.connect(signal, lambda signal=signal: seen.append(signal))
    slicer.app.startupCompleted.emit()
    slicer.app.aboutToQuit.emit()
    assert seen == ["startupCompleted()", "aboutToQuit()"]


def test_waiting_ends_with_a_clear_error():
    with pytest.raises(AssertionError, match=r"not within 0\.05 s"):
        waitUntil(lambda: False, seconds=0.05)


def test_a_stall_of_the_event_loop_is_measured():
    with StallMeter() as stalls:
        qt.QTimer.singleShot(20, lambda: time.sleep(0.15))
        waitUntil(lambda: stalls.longestMs > 100, seconds=5)
    assert stalls.longestMs >= 145


def test_whatever_a_test_raises_is_displayed_as_its_failure(counter, monkeypatch):
    monkeypatch.setattr(sys.modules["Counter"].CounterTest, "test_counting", lambda self: self.skipTest("nothing to count"))
    with pytest.raises(unittest.SkipTest):
        counter.onTest()
    assert ("error", "Test failed.\n\nnothing to count") in dialogs.shown


def test_packages_are_looked_up_and_noted_but_not_installed():
    assert slicer.packaging.pip_check("numpy>=1 vtk")
    assert not slicer.packaging.pip_check("no-such-package-xyz")
    assert slicer.packaging.pip_check("no-such-package-xyz; python_version < '3'")
    slicer.packaging.pip_ensure(["numpy", "no-such-package-xyz>=2"], constraints="constraints.txt", requester="SAMed")
    assert [call["requirements"] for call in packaging.installed] == [["no-such-package-xyz>=2"]]
    assert len(dialogs.texts("okcancel")) == 1
    dialogs.answers["okcancel"] = False
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("no-such-package-xyz")


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """A registered sample that is a text file, and the path of that file."""
    import SampleData

    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    path = tmp_path / "notes.txt"
    path.write_text("a file")
    logic = SampleData.SampleDataLogic
    logic.registerCustomSampleDataCategory("Examples", title="Examples")
    for _twice in range(2):
        logic.registerCustomSampleDataSource(
            category="Examples",
            sampleName="Notes",
            uris=path.as_uri(),
            fileNames=f"{tmp_path.name}.txt",
            loadFiles=False,
            checksums=f"SHA256:{hashlib.sha256(b'a file').hexdigest()}",
            customDownloader=print,
        )
    return path


def test_a_sample_is_registered_once_and_fetched_into_the_cache(notes):
    import SampleData

    assert len(slicer.modules.sampleDataSources["Examples"]) == 1
    fetched = Path(SampleData.downloadSample("Notes"))
    assert fetched != notes
    assert fetched.read_text() == "a file"
    notes.write_text("another file")
    assert Path(SampleData.downloadSample("Notes")).read_text() == "a file"


def test_a_sample_that_is_not_what_its_checksum_says_does_not_stay(notes):
    import SampleData

    notes.write_text("another file")
    assert not Path(SampleData.downloadSample("Notes")).exists()


def test_only_a_tile_asks_a_sample_s_own_downloader(notes):
    import SampleData

    source = SampleData.SampleDataLogic().sourceForSampleName("Notes")
    asked = []
    source.customDownloader = asked.append
    SampleData.downloadSample("Notes")
    assert asked == []
    click(SampleData.tile("Notes"))
    assert asked == [source]


def test_an_address_that_leads_nowhere_is_tried_three_times_and_gives_nothing(notes, monkeypatch):
    import SampleData

    seen = []
    monkeypatch.setattr(
        slicer.modules, "sampleDataUrlRewriteRules", {"seen": lambda url: seen.append(url) or url}, raising=False
    )
    notes.unlink()
    assert SampleData.downloadSamples("Notes") == []
    assert seen == 3 * [notes.as_uri()]


def test_what_a_panel_raises_is_printed_and_the_application_goes_on(counter, monkeypatch):
    def fail(self) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(type(counter), "enter", fail)
    selectModule("SegmentEditor")
    selectModule("Counter")
    assert counter.parent.isEntered
    assert [str(error) for error in slicerhost.signals.slotErrors] == ["not today"]
    slicerhost.signals.slotErrors.clear()
