"""The model's doubt in the panel: over the CT, by structure, and as the slices to correct next. The answers are scripted."""

import numpy as np
import pytest
import slicer

import launchers
import slicerhost
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedLib.scene.uncertainty import OPACITY, uncertaintyOf
from SAMedLib.worker import client as workerModule
from SAMedLib.worker.client import sharedWorker

BODY = """
import numpy as np
for request in requests():
    number = request["number"]
    if request["type"] == "Shutdown":
        sys.exit()
    if request["type"] == "Fetch":
        say("Result", number, values={{"path": ""}})
        continue
    volume = volumes[request["volume"]]
    shape, matrix = np.load(volume["path"], mmap_mode="r").shape, volume["ijk_to_lps"]
    drawn, doubtful = np.zeros(shape, np.uint8), np.zeros(shape, np.float16)
    drawn[1:, 20:40, 20:60] = 5
    doubtful[:, 20:40, 20:60] = 0.75
    np.save(folder + f"/labelmap-{{number}}.npy", drawn)
    values = {{
        "labelmap": {{"path": folder + f"/labelmap-{{number}}.npy", "ijk_to_lps": matrix, "labels": {labels!r}}},
        "uncertainty": None, "doubt": None,
    }}
    if request["options"]["uncertainty"]:
        np.save(folder + f"/uncertainty-{{number}}.npy", doubtful)
        values["uncertainty"] = {{"path": folder + f"/uncertainty-{{number}}.npy", "ijk_to_lps": matrix}}
        values["doubt"] = {{"labels": {{"spleen": 0.25, "liver": 0.5}}, "slices": [0.125, None, 0.5, 0.25]}}
    say("Result", number, values=values)
"""


@pytest.fixture(autouse=True)
def answering(monkeypatch, tmp_path):
    """A worker that doubts what it drew, where it is asked to."""
    labels = SYNAPSE_ORGANS.subset(["spleen", "liver"]).to_json()
    program = launchers.write(tmp_path / "doubting", launchers.SCRIPTED, body=BODY.format(labels=labels))
    monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: program)
    monkeypatch.setattr(workerModule, "_shared", None)


def apply(panel) -> None:
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=60)
    slicerhost.waitUntil(lambda: "Measuring" not in panel.ui.volumesLabel.text)
    assert slicerhost.dialogs.texts("error") == []


def foregrounds() -> list[tuple]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return [(node.GetForegroundVolumeID(), node.GetForegroundOpacity()) for node in nodes]


def show(ct) -> None:
    slicer.util.setSliceViewerLayers(background=ct)


def listed(panel) -> list[str]:
    return [panel.ui.rankedList.item(row).text() for row in range(panel.ui.rankedList.count)]


def test_a_tick_makes_a_volume_and_shows_it_and_no_tick_hides_it(ct, panel):
    show(ct)
    before = foregrounds()
    slicerhost.click(panel.ui.uncertaintyCheckBox)
    assert panel.panel.parameterNode.uncertainty
    assert foregrounds() == before
    apply(panel)
    node = uncertaintyOf(ct)
    assert node.GetName() == "CT uncertainty"
    assert slicer.util.arrayFromVolume(node).max() == np.float32(0.75)
    assert foregrounds() == [(node.GetID(), OPACITY)] * 3
    assert panel.ui.doubtLabel.text == "Doubt: liver 0.50, spleen 0.25"
    slicerhost.click(panel.ui.uncertaintyCheckBox)
    assert foregrounds() == before
    slicerhost.click(panel.ui.uncertaintyCheckBox)
    assert foregrounds() == [(node.GetID(), OPACITY)] * 3
    assert list(sharedWorker().folder.glob("uncertainty-*")) == []


def test_without_a_tick_there_is_none(ct, panel):
    show(ct)
    apply(panel)
    assert uncertaintyOf(ct) is None
    assert not panel.ui.doubtLabel.visible
    assert {ID for ID, _opacity in foregrounds()} == {None}


def test_what_is_no_longer_of_the_result_is_hidden(ct, panel):
    show(ct)
    panel.panel.parameterNode.uncertainty = True
    apply(panel)
    slicerhost.click(panel.ui.uncertaintyCheckBox)
    apply(panel)
    assert panel.ui.doubtLabel.text == ""
    slicerhost.click(panel.ui.uncertaintyCheckBox)
    apply(panel)
    slicerhost.click(panel.ui.revertButton)
    assert {ID for ID, _opacity in foregrounds()} == {None}
    assert panel.ui.doubtLabel.text == ""


def test_doubtful_slices_are_listed_where_they_are_wanted(ct, panel):
    parameters = panel.panel.parameterNode
    parameters.uncertainty = True
    apply(panel)
    assert listed(panel) == []
    parameters.nextSliceBy = "doubt"
    apply(panel)
    assert listed(panel) == ["Slice 2, doubt 0.50", "Slice 3, doubt 0.25", "Slice 0, doubt 0.12"]


def test_slices_in_the_widest_gap_need_neither_model_nor_packages(ct, panel, monkeypatch):
    from SAMedLib.setup import packages

    monkeypatch.setattr(packages, "TORCH_REQUIREMENTS", ("no-such-package-as-this>=1",))
    panel.panel.parameterNode.model = "nowhere"
    assert not panel.ui.applyButton.enabled
    assert panel.ui.rankButton.enabled
    slicerhost.click(panel.ui.rankButton)
    assert listed(panel) == ["Slice 1", "Slice 2", "Slice 0", "Slice 3"]
    assert slicerhost.dialogs.shown == []
    panel.panel.parameterNode.nextSliceBy = "doubt"
    assert not panel.ui.rankButton.enabled
    panel.panel.parameterNode.nextSliceBy = "gap"
    panel.panel.parameterNode.inputVolume = None
    assert panel.ui.rankButton.toolTip == "Select a CT volume."


def test_where_all_is_drawn_it_says_so(ct, drawn, panel):
    panel.panel.parameterNode.outputSegmentation = drawn
    slicerhost.click(panel.ui.rankButton)
    (said,) = slicerhost.dialogs.texts("error")
    assert "there is none left" in said


def test_closing_the_scene_forgets_it(ct, panel, sample_ct):
    show(ct)
    panel.panel.parameterNode.uncertainty = True
    apply(panel)
    slicerhost.closeScene()
    assert panel.ui.doubtLabel.text == ""
    assert not panel.ui.uncertaintyCheckBox.checked
    assert {ID for ID, _opacity in foregrounds()} == {None}
