"""One movement with the real worker: segment, correct by a box in the effect, through the volume, and on Fine-tune's list."""

import numpy as np
import pytest
import slicer

import slicerhost
from SAMedLib.scene.provenance import roughSlices, segmentSums
from scans import crop, ctNode, labelsIn
from slicerhost import mouse

SLICES = (100, 108)
CORRECTED = 3


@pytest.fixture
def ct(sample_ct, lite_weights):
    with slicerhost.mainWindow():
        yield ctNode(crop(sample_ct, *SLICES), "CT")


def waitFor(isBusy) -> None:
    slicerhost.waitUntil(lambda: not isBusy(), seconds=240)
    assert slicerhost.dialogs.texts("error") == []


def place(ct, i: float, j: float, k: int) -> np.ndarray:
    from SAMedLib.scene.axialSlices import AxialSlices

    axial = AxialSlices(ct)
    index = np.zeros(3)
    first, second = axial.inPlaneAxes
    index[first], index[second] = i, j
    return axial.world(axial.onSlice(index, k)[None])[0]


def test_segment_correct_through_the_volume_fine_tune(panel, ct, sample_labels):
    from SAMedLib.scene.volumes import jumpToSlice

    ui, parameters = panel.ui, panel.panel.parameterNode
    if not hasattr(slicer.modules, "segmenteditorsamed"):
        slicerhost.registerModule("SegmentEditorSAMed")
    ui.inputVolumeSelector.setCurrentNode(ct)
    slicerhost.click(ui.applyButton)
    waitFor(lambda: panel.panel.runner.isBusy)
    segmentation = parameters.outputSegmentation
    liver = segmentation.GetSegmentation().GetSegmentIdBySegmentName("liver")

    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    slicerhost.click(ui.correctButton)
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.activeEffect().name == "SAMed"
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (segmentation, ct)
    assert editor.currentSegmentID() == segmentation.GetSegmentation().GetNthSegmentID(0)

    editor.setCurrentSegmentID(liver)
    activity = editor.effectByName("SAMed").self().activity
    rows, columns = np.nonzero(crop(sample_labels, *SLICES).voxels[CORRECTED] == 5)
    jumpToSlice(ct, CORRECTED)
    slicerhost.processEvents()
    corners = place(ct, columns.min(), rows.min(), CORRECTED), place(ct, columns.max(), rows.max(), CORRECTED)
    mouse.drag("Red", *corners)
    waitFor(lambda: activity.prompting.asking.isBusy)
    mouse.key("Red", "Return")
    slicerhost.click(editor.effectByName("SAMed").self().ui.throughButton)
    waitFor(lambda: activity.runner.isBusy)
    truth = crop(sample_labels, *SLICES).voxels == 5
    drawn = labelsIn(segmentation, ct) == 5
    assert 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum()) > 0.9
    assert len(roughSlices(segmentation, liver, segmentSums(segmentation, ct)[liver])) >= 4

    slicer.util.selectModule("SAMed")
    ui.tabWidget.setCurrentWidget(ui.pathTab)
    assert (parameters.promptVolume, parameters.promptSegmentation) == (ct, segmentation)
    assert ui.promptStateLabel.text == "Slices corrected: liver 1."
    slicerhost.click(ui.finetuneStepButton)
    assert ui.tabWidget.currentWidget() is ui.finetuneTab
    assert parameters.scanSegmentations == [segmentation]
    assert panel.logic.annotatedSlices(ct, segmentation) == (CORRECTED,)


def test_without_the_effect_it_says_so_and_opens_the_editor(panel, ct, monkeypatch):
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "answer")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segmentation.GetSegmentation().AddEmptySegment("liver", "liver")
    panel.panel.parameterNode.inputVolume, panel.panel.parameterNode.outputSegmentation = ct, segmentation
    monkeypatch.setattr("SAMedLib.panel.openEffect.EFFECT", "not loaded")
    slicerhost.click(panel.ui.correctButton)
    (said,) = slicerhost.dialogs.texts("error")
    assert "SegmentEditorSAMed.py" in said
    assert slicer.app.selected == "SegmentEditor"
    assert slicer.modules.segmenteditor.widgetRepresentation().self().editor.segmentationNode() is segmentation
