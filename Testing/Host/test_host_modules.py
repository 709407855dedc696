"""The module lives in the stand-in as in Slicer; dialogs, packages and samples are what they are there."""

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
import qt
import SampleData
import slicer

from slicerhost import StallMeter, click, dialogs, packaging, selectModule, waitUntil


def test_a_loaded_module_is_entered(panel):
    assert panel.parent.isEntered
    assert slicer.modules.samed.widgetRepresentation().self() is slicer.modules.SAMedWidget is panel
    assert slicer.util.getModule("SAMed").title == "SAMed"


def test_leaving_and_coming_back(panel, monkeypatch):
    calls = []
    for name in ("enter", "exit"):
        monkeypatch.setattr(type(panel), name, lambda self, name=name: calls.append((name, self.parent.isEntered)))
    selectModule("SegmentEditor")
    slicer.util.selectModule("SAMed")
    assert calls == [("exit", False), ("enter", True)]


def test_a_disabled_button_cannot_be_clicked(panel):
    with pytest.raises(AssertionError, match=r"Select a CT volume\."):
        click(panel.ui.applyButton)


def test_a_stall_of_the_event_loop_is_measured():
    with StallMeter() as stalls:
        qt.QTimer.singleShot(20, lambda: time.sleep(0.15))
        waitUntil(lambda: stalls.longestMs > 100, seconds=5)
    assert stalls.longestMs >= 145


def test_dialogs_are_noted_with_their_kind_and_answered_at_once():
    assert slicer.util.errorDisplay("Broken", windowTitle="SAMed", detailedText="more") is None
    assert slicer.util.infoDisplay("Well") is None
    assert slicer.util.confirmOkCancelDisplay("Delete?", windowTitle="SAMed") is True
    dialogs.answers["okcancel"] = False
    assert slicer.util.confirmOkCancelDisplay("Sure?") is False
    assert dialogs.shown == [("error", "Broken"), ("info", "Well"), ("okcancel", "Delete?"), ("okcancel", "Sure?")]


def test_file_dialogs_answer_with_a_plain_path():
    dialogs.answers["open"] = "/some/file.pth"
    assert qt.QFileDialog.getOpenFileName(None, "A model", "", "*.pth") == "/some/file.pth"
    assert qt.QFileDialog.getExistingDirectory(None, "A folder") == ""
    assert dialogs.shown == [("open", "A model"), ("folder", "A folder")]


def test_a_dialog_that_would_wait_for_a_person_is_refused():
    with pytest.raises(NotImplementedError, match="would wait for a person"):
        qt.QMessageBox().exec_()


def test_what_pip_says_comes_from_the_event_loop_and_is_not_shown(monkeypatch):
    def fail(_requirements: list[str]) -> str:
        raise subprocess.CalledProcessError(1, "pip", output="first\nlast")

    monkeypatch.setattr(packaging, "onInstall", fail)
    said, options = [], {"blocking": False, "show_progress": False}
    slicer.packaging.pip_install(
        ["peft"], constraints="c.txt", logCallback=said.append, completedCallback=said.append, **options
    )
    assert (said, packaging.installed) == ([], [{"requirements": ["peft"], "constraints": "c.txt"}])
    waitUntil(lambda: said == ["first", "last", 1])
    with pytest.raises(NotImplementedError, match="neither blocks nor shows"):
        slicer.packaging.pip_install(["peft"])


@pytest.fixture
def labels(tmp_path, monkeypatch) -> Path:
    """The file of a registered sample."""
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    monkeypatch.setattr(slicer.modules, "sampleDataUrlRewriteRules", {})
    path = tmp_path / "labels.nrrd"
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nencoding: ascii\nspace: left-posterior-superior\n"
    path.write_text(f"{header}space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n1 2 3 4 5 6 7 8\n")
    for _twice in range(2):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="Examples",
            sampleName="Labels",
            uris=[path.as_uri()],
            fileNames=[f"{tmp_path.name}.nrrd"],
            nodeNames=["labels"],
            loadFileTypes=["VolumeFile"],
            checksums=[f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}"],
            customDownloader=print,
            thumbnailFileName="",
        )
    return path


def test_a_sample_is_registered_once_and_fetched_into_the_cache(labels):
    assert len(SampleData.SampleDataLogic.sampleDataSourcesByCategory("Examples")) == 1
    assert SampleData.downloadSample("Labels").GetStorageNode() is None
    labels.write_text("another file")
    assert slicer.util.arrayFromVolume(SampleData.downloadSample("Labels")).max() == 8


def test_a_sample_that_is_not_what_its_checksum_says_is_left_out(labels, caplog):
    labels.write_text("another file")
    assert SampleData.downloadSamples("Labels") == []
    assert "the checksum is not" in caplog.text


def test_only_a_tile_asks_a_sample_s_own_downloader(labels):
    asked = []
    source = SampleData.SampleDataLogic().sourceForSampleName("Labels")
    source.customDownloader = asked.append
    SampleData.downloadSample("Labels")
    assert asked == []
    click(SampleData.tile("Labels"))
    assert asked == [source]


def test_an_address_that_leads_nowhere_is_tried_three_times_and_gives_nothing(labels):
    seen = []
    SampleData.SampleDataLogic.registerUrlRewriteRule("seen", lambda url: seen.append(url) or url)
    labels.unlink()
    assert SampleData.downloadSamples("Labels") == []
    assert seen == 3 * [labels.as_uri()]
