"""A job ends while another module is shown: its result is there all the same, and is seen when the user comes back."""

import shutil
from pathlib import Path

import pytest
import slicer

import slicerhost
from heldWorker import HeldWorker
from SAMedCore.checkpoint import catalogue
from SAMedLib.setup import install
from SAMedLib.worker import client as workerModule
from scans import crop, ctNode, segmentIn

JOBS = ("segment", "import", "fetch", "complete", "finetune", "rank")


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A checkpoint as fine-tuning or importing leaves it."""
    return Path(shutil.copytree(catalogue.find_checkpoint("abdomen-demo").folder, tmp_path / "mine"))


@pytest.fixture
def held(monkeypatch, tmp_path, checkpoint, lite_weights) -> HeldWorker:
    worker = HeldWorker(tmp_path, checkpoint)
    monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: worker.program)
    monkeypatch.setattr(workerModule, "_shared", None)
    monkeypatch.setattr(workerModule, "CANCEL_MSEC", 60_000)  # it must be the late answer that ends the job
    return worker


@pytest.fixture
def begin(held, ct, drawn, panel, monkeypatch, tmp_path):
    """Starts a job of a kind by a click, as far as the worker's answer."""
    ui, parameters = panel.ui, panel.panel.parameterNode

    def prepareImport() -> None:
        file = tmp_path / "epoch_159.pth"
        file.write_bytes(b"")
        # Of the model that was chosen before; the file does not say its organs.
        parameters.leftOutOrgans = ["gallbladder"]
        parameters.modelBase = str(tmp_path / "base.pth")
        parameters.model = str(file)

    def prepareFetch() -> None:
        monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "empty"))

    def prepareComplete() -> None:
        parameters.completeVolume, parameters.completeSegmentation = ct, drawn

    def prepareFinetune() -> None:
        slicerhost.click(ui.addSceneButton)
        parameters.output = str(tmp_path / "mine")

    def prepareRank() -> None:
        parameters.nextSliceBy = "doubt"

    prepared = {
        "segment": (lambda: None, ui.applyButton),
        "import": (prepareImport, ui.applyButton),
        "fetch": (prepareFetch, ui.applyButton),
        "complete": (prepareComplete, ui.completeButton),
        "finetune": (prepareFinetune, ui.finetuneButton),
        "rank": (prepareRank, ui.rankButton),
    }

    def start(kind: str) -> None:
        prepare, button = prepared[kind]
        prepare()
        slicerhost.click(button)
        slicerhost.waitUntil(held.heard, seconds=20)

    return start


def leave() -> None:
    slicer.util.selectModule("SegmentEditor")


def comeBack(panel) -> None:
    slicer.util.selectModule("SAMed")
    assert panel.ui.applyButton.text == "Apply"


def waitForEnd(panel) -> None:
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=20)


def assertSegmented(panel, ct) -> None:
    segmentation = panel.panel.parameterNode.outputSegmentation
    assert segmentation.GetName() == "CT segmentation"
    assert segmentIn(segmentation, "liver", ct)[:, 20:40, 20:60].all()
    assert panel.ui.outputSelector.currentNode() is segmentation
    assert panel.ui.show3DButton.enabled


def assertSelected(panel, checkpoint) -> None:
    assert panel.panel.parameterNode.model == str(checkpoint)
    assert panel.ui.modelComboBox.currentText == checkpoint.name
    assert panel.ui.organsList.count == 8


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_ends_while_another_module_is_shown_leaves_its_result(kind, begin, held, panel, ct, drawn, checkpoint):
    begin(kind)
    leave()
    held.answer()
    waitForEnd(panel)
    comeBack(panel)
    assert slicerhost.dialogs.texts("error") == []
    if kind in ("segment", "import", "fetch"):
        assertSegmented(panel, ct)
    if kind in ("import", "finetune"):
        assertSelected(panel, checkpoint)
    if kind == "complete":
        assert "One slice." in panel.ui.estimateLabel.text
        assert segmentIn(drawn, "liver", ct)[1, 20:40, 20:60].all()
        assert panel.ui.completeRevertButton.enabled
    if kind == "rank":
        assert panel.ui.rankedList.item(0).text() == "Slice 2, doubt 0.50"


def test_an_installation_that_ends_while_another_module_is_shown_goes_on_to_the_job(held, panel, ct, monkeypatch):
    def installMeanwhile(**_options) -> bool:
        leave()
        return True

    panel.panel.parameterNode.inputVolume = ct
    monkeypatch.setattr(install, "install", installMeanwhile)
    slicerhost.click(panel.ui.applyButton)
    held.answer()
    waitForEnd(panel)
    comeBack(panel)
    assert held.heard() == ["Segment"]
    assertSegmented(panel, ct)


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_whose_scene_is_closed_meanwhile_starts_no_other_and_changes_no_new_scene(
    kind, begin, held, panel, ct, checkpoint, sample_ct
):
    begin(kind)
    leave()
    slicerhost.closeScene()
    other = ctNode(crop(sample_ct, 80, 84), "other")
    held.answer()
    waitForEnd(panel)
    comeBack(panel)
    assert len(held.heard()) == 1
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    assert panel.panel.parameterNode.inputVolume is panel.ui.inputVolumeSelector.currentNode() is other
    assert panel.ui.applyButton.enabled
    if kind in ("import", "finetune"):
        assertSelected(panel, checkpoint)
