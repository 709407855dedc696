"""A person's whole path, clicked through on the real panel, with the worker as a real process."""

import numpy as np
import pytest
import qt
import slicer

import slicerhost
from SAMedCore.checkpoint.folder import read_info
from SAMedLib.worker.client import sharedWorker
from scans import crop, ctNode, labelsIn, paint

JOB_SECONDS = 240


@pytest.fixture
def ct(sample_ct, lite_weights):
    return ctNode(crop(sample_ct, 80, 84), "CT")


def waitForJob(panel) -> None:
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=JOB_SECONDS)
    assert slicerhost.dialogs.texts("error") == []


def test_a_persons_whole_path(panel, ct, tmp_path):
    ui, parameters = panel.ui, panel.panel.parameterNode

    # choose and apply, then cancel
    ui.inputVolumeSelector.setCurrentNode(ct)
    assert parameters.inputVolume is ct
    slicerhost.click(ui.applyButton)
    assert ui.applyButton.text == "Cancel"
    slicerhost.waitUntil(lambda: "Segmenting" in ui.statusLabel.text, seconds=60)
    slicerhost.click(ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=2)
    assert ui.applyButton.text == "Apply"
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []

    # apply again and watch
    slicerhost.click(ui.applyButton)
    slicerhost.waitUntil(lambda: slicesShown() > 0, seconds=60)
    assert panel.panel.runner.isBusy
    assert slicesShown() < 4
    waitForJob(panel)
    assert slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode") == []
    segmentation = parameters.outputSegmentation
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 8
    slicerhost.waitUntil(lambda: "liver" in ui.volumesLabel.text)
    assert labelsIn(segmentation, ct).any()

    # correct a slice in the Segment Editor
    slicerhost.click(ui.correctButton)
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.segmentationNode() is segmentation
    assert editor.sourceVolumeNode() is ct
    panel.parent.enter()
    paint(segmentation, ct, "stomach", 1, (slice(20, 40), slice(20, 40)))
    paint(segmentation, ct, "spleen", 3, (slice(60, 75), slice(20, 40)))
    assert panel.logic.annotatedSlices(ct, segmentation) == (1, 3)

    # fine-tune on what was corrected
    slicerhost.click(ui.addSceneButton)
    assert ui.scansTable.rowCount == 1
    assert ui.classesTable.rowCount == 8
    out = tmp_path / "eigene Prüfung"
    ui.outputPathEdit.text = str(out)
    ui.epochsSpinBox.value = 1
    ui.validationSpinBox.value = 0
    slicerhost.click(ui.finetuneButton)
    waitForJob(panel)
    assert read_info(out).trained_on["slices"] == 2
    assert parameters.model == str(out)
    assert ui.modelComboBox.currentText == out.name
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert [chart.GetNumberOfPlotSeriesNodes() for chart in charts] == [2]
    losses = slicer.util.getNode(out.name + " training")
    assert losses.GetNumberOfRows() >= 1

    # next slice, by the model and without it
    slicerhost.click(ui.rankButton)
    assert [ui.rankedList.item(row).text() for row in range(ui.rankedList.count)] == ["Slice 0", "Slice 2"]
    ui.nextSliceComboBox.setCurrentIndex(1)
    slicerhost.click(ui.rankButton)
    waitForJob(panel)
    ranked = [ui.rankedList.item(row).data(qt.Qt.UserRole) for row in range(ui.rankedList.count)]
    assert sorted(ranked) == [0, 2]
    ui.rankedList.itemClicked.emit(ui.rankedList.item(0))
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    centre = ct.GetOrigin()[2] + ranked[0] * ct.GetSpacing()[2]
    assert red.GetSliceToRAS().GetElement(2, 3) == pytest.approx(centre, abs=0.01)

    # segment with the new checkpoint, and revert
    before = labelsIn(segmentation, ct)
    slicerhost.click(ui.applyButton)
    waitForJob(panel)
    changed = (labelsIn(segmentation, ct) != before).any(axis=(1, 2))
    assert changed.tolist() == [True, False, True, False]
    assert panel.logic.annotatedSlices(ct, segmentation) == (1, 3)
    slicerhost.click(ui.revertButton)
    assert np.array_equal(labelsIn(segmentation, ct), before)
    assert sharedWorker().isRunning


def slicesShown() -> int:
    """How many slices of the overlay hold a structure."""
    overlays = [node for node in slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode") if node.GetHideFromEditors()]
    return sum(int(slicer.util.arrayFromVolume(overlay).any(axis=(1, 2)).sum()) for overlay in overlays)
