"""The panel while a job runs and when it has ended. The worker's process is real, its answers are scripted: no network."""

import textwrap

import numpy as np
import pytest
import slicer

import launchers
import slicerhost
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedLib.worker import client as workerModule
from scans import crop, ctNode, drawnNode, labelsIn, segmentIn

ANSWER = """
import numpy as np
for request in requests():
    number = request["number"]
    if request["type"] == "Shutdown":
        sys.exit()
    if request["type"] == "Fetch":
        say("Result", number, values={{"path": ""}})
        continue
    if request["type"] == "Cancel":
        say("Error", number, message="Cancelled.", kind="cancelled")
        continue
    volume = volumes[request["volume"]]
    voxels = np.load(volume["path"])
    path = folder + f"/labelmap-{{number}}.npy"
    drawn = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=voxels.shape)
    drawn[:, 20:40, 20:60] = 5
    drawn[:, 50:60, 20:60] = 1
    drawn.flush()
    say("Progress", number, phase="segmenting", done=1, total=4)
    say("Slices", number, labelmap=path, box=[[0, 1], [0, voxels.shape[1]], [0, voxels.shape[2]]])
    {then}
"""
FINISH = (
    """say("Result", number, values={{"labelmap": {{"path": path, "ijk_to_lps": volume["ijk_to_lps"], "labels": {labels}}}}})"""
)


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """Makes the panel's worker one that draws two boxes and then does what it is told to."""

    def use(then: str) -> None:
        body = textwrap.dedent(ANSWER).format(then=then)
        program = launchers.write(tmp_path / "scripted", launchers.SCRIPTED, body=body)
        monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: program)
        monkeypatch.setattr(workerModule, "_shared", None)

    return use


@pytest.fixture
def answering(scripted):
    scripted(FINISH.format(labels=repr(SYNAPSE_ORGANS.subset(["spleen", "liver"]).to_json())))


@pytest.fixture
def silent(scripted):
    scripted("pass")


def apply(panel) -> None:
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=20)
    slicerhost.waitUntil(lambda: "Measuring" not in panel.ui.volumesLabel.text)


def startJob(panel) -> None:
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: "Segmenting" in panel.ui.statusLabel.text, seconds=20)


def test_the_result_is_a_segmentation_with_names_colours_and_volumes(answering, ct, panel):
    apply(panel)
    segmentation = panel.panel.parameterNode.outputSegmentation
    assert segmentation.GetName() == "CT segmentation"
    segments = [segmentation.GetSegmentation().GetNthSegment(n) for n in range(2)]
    assert [segment.GetName() for segment in segments] == ["spleen", "liver"]
    assert [round(channel * 255) for channel in segments[1].GetColor()] == [221, 130, 101]
    assert panel.ui.volumesLabel.text == f"spleen {4 * 10 * 40 * 27 / 1000:.1f} ml, liver {4 * 20 * 40 * 27 / 1000:.1f} ml"
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert [table.GetName() for table in tables] == ["CT segmentation volumes"]


def test_show_3d_makes_surfaces(answering, ct, panel):
    apply(panel)
    segmentation = panel.panel.parameterNode.outputSegmentation
    assert not segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    slicerhost.click(panel.ui.show3DButton)
    assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_the_button_is_cancel_while_it_runs_and_others_are_off(silent, ct, panel):
    startJob(panel)
    assert panel.ui.applyButton.text == "Cancel"
    assert panel.ui.progressBar.isVisible()
    assert (panel.ui.progressBar.value, panel.ui.progressBar.maximum) == (1, 4)
    for button in (panel.ui.rankButton, panel.ui.completeButton, panel.ui.finetuneButton, panel.ui.reinstallButton):
        assert not button.enabled
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=2)
    assert panel.ui.statusLabel.text == "Cancelled."
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", True)
    assert not panel.ui.progressBar.isVisible()
    assert slicerhost.dialogs.shown == []


def test_closing_the_scene_stops_the_job_and_the_next_one_works(silent, ct, panel, sample_ct):
    startJob(panel)
    slicerhost.closeScene()
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=5)
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    assert slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode") == []
    panel.panel.parameterNode.inputVolume = ctNode(crop(sample_ct, 80, 84))
    startJob(panel)
    assert panel.panel.runner.isBusy


@pytest.mark.parametrize("removed", ["volume", "segmentation"])
def test_a_node_removed_meanwhile_is_named_and_nothing_is_changed(answering, ct, sample_labels, panel, removed):
    drawn = drawnNode(crop(sample_labels, 80, 84), ct)
    panel.panel.parameterNode.outputSegmentation = drawn
    panel.ui.keepDrawnCheckBox.checked = False
    slicerhost.click(panel.ui.applyButton)
    slicer.mrmlScene.RemoveNode(ct if removed == "volume" else drawn)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=20)
    (said,) = slicerhost.dialogs.texts("error")
    assert f'"{"CT" if removed == "volume" else "drawn"}" was removed from the scene meanwhile' in said


def test_reloading_the_module_ends_the_job_and_leaves_nothing(silent, ct, panel):
    startJob(panel)
    pids = panel.logic.worker.pids
    panel.onReload()
    launchers.waitUntilGone(pids)


def test_revert_restores_what_a_person_had_drawn(answering, ct, sample_labels, panel):
    drawn = drawnNode(crop(sample_labels, 80, 84), ct)
    drawn.GetSegmentation().AddEmptySegment("tumour", "tumour")
    panel.ui.keepDrawnCheckBox.checked = False
    before = labelsIn(drawn, ct)
    liver, stomach = segmentIn(drawn, "liver", ct), segmentIn(drawn, "stomach", ct)
    panel.panel.parameterNode.outputSegmentation = drawn
    apply(panel)
    assert not np.array_equal(segmentIn(drawn, "liver", ct), liver)
    assert np.array_equal(segmentIn(drawn, "stomach", ct), stomach)
    slicerhost.click(panel.ui.revertButton)
    assert np.array_equal(labelsIn(drawn, ct), before)
    assert drawn.GetSegmentation().GetSegment("tumour") is not None
    assert not panel.ui.revertButton.enabled


def test_only_the_slice_in_the_axial_view_is_replaced(answering, ct, sample_labels, panel):
    from SAMedLib.scene.volumes import jumpToSlice

    drawn = drawnNode(crop(sample_labels, 80, 84), ct)
    before = segmentIn(drawn, "liver", ct)
    panel.panel.parameterNode.outputSegmentation = drawn
    panel.ui.keepDrawnCheckBox.checked = False
    panel.ui.regionComboBox.setCurrentIndex(1)
    jumpToSlice(ct, 2)
    apply(panel)
    changed = (segmentIn(drawn, "liver", ct) != before).any(axis=(1, 2))
    assert changed.tolist() == [False, False, True, False]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_missing_base_model_is_fetched_only_if_the_user_agrees(answering, ct, panel, monkeypatch, tmp_path, agreed):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "empty"))
    slicerhost.dialogs.answers["okcancel"] = agreed
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=20)
    (question,) = slicerhost.dialogs.texts("okcancel")
    assert "39 MB" in question
    assert (panel.panel.parameterNode.outputSegmentation is not None) == agreed


def test_slices_that_a_person_drew_are_kept_unless_they_are_not_wanted(answering, ct, sample_labels, panel):
    labelmap = crop(sample_labels, 80, 84)
    labelmap.voxels[2] = 0
    drawn = drawnNode(labelmap, ct)
    before = segmentIn(drawn, "liver", ct)
    panel.panel.parameterNode.outputSegmentation = drawn
    apply(panel)
    changed = (segmentIn(drawn, "liver", ct) != before).any(axis=(1, 2))
    assert changed.tolist() == [False, False, True, False]
    panel.ui.keepDrawnCheckBox.checked = False
    apply(panel)
    changed = (segmentIn(drawn, "liver", ct) != before).any(axis=(1, 2))
    assert changed.tolist() == [True, True, True, True]


def test_where_every_slice_was_drawn_nothing_is_started(answering, ct, sample_labels, panel):
    panel.panel.parameterNode.outputSegmentation = drawnNode(crop(sample_labels, 80, 84), ct)
    slicerhost.click(panel.ui.applyButton)
    assert not panel.panel.runner.isBusy
    (said,) = slicerhost.dialogs.texts("error")
    assert "You drew or corrected all of these slices" in said


def test_the_log_shows_what_the_worker_says(scripted, ct, panel):
    scripted('sys.stderr.write("out of tea\\n"); sys.stderr.flush()')
    widget = slicerhost.loadModule("SAMed")
    startJob(widget)
    slicerhost.waitUntil(lambda: "out of tea" in widget.ui.logText.plainText)
