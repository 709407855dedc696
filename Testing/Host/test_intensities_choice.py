"""What the values of a scan are: found without a wait, said in the lists, changeable, and sent with the request."""

import numpy as np
import pytest
import slicer

import slicerhost
from heldWorker import HeldWorker
from SAMedCore.image.volume import Volume
from SAMedLib.scene import intensities
from SAMedLib.worker import client as workerModule
from scans import ctNode, drawnNode

TITLES = ["CT (HU window)", "Other (percentiles)"]


@pytest.fixture
def mr(sample_ct):
    """A volume whose values are none of a CT's."""
    voxels = np.clip(sample_ct.voxels[80:84] + 200, 0, None)
    return ctNode(Volume(voxels, sample_ct.ijk_to_lps), "MR")


@pytest.fixture
def worker(monkeypatch, tmp_path):
    held = HeldWorker(tmp_path, tmp_path / "new")
    held.answer()
    monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: held.program)
    monkeypatch.setattr(workerModule, "_shared", None)
    return held


def said(comboBox) -> list[str]:
    return [comboBox.itemText(index) for index in range(comboBox.count)]


def fromDICOM(node, modality: str):
    """As Slicer's DICOM readers leave a volume."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.Modality", modality)
    return node


def test_the_complete_tab_says_what_it_found_in_the_chosen_volume(panel, ct, mr):
    combo, parameters = panel.ui.completeIntensitiesComboBox, panel.panel.parameterNode
    assert said(combo) == ["Automatic", *TITLES]
    parameters.completeVolume = ct
    assert said(combo)[0] == "Automatic (CT)"
    parameters.completeVolume = mr
    assert said(combo)[0] == "Automatic (other)"
    parameters.completeVolume = None
    assert said(combo)[0] == "Automatic"
    assert combo.currentIndex == 0


def test_what_dicom_says_goes_before_the_values(panel, ct):
    parameters = panel.panel.parameterNode
    parameters.completeVolume = fromDICOM(ct, "PT")
    assert said(panel.ui.completeIntensitiesComboBox)[0] == "Automatic (PT)"


def test_the_fine_tune_tab_names_each_kind_of_its_scans_once(panel, ct, mr, drawn, sample_labels):
    drawnNode(type(sample_labels)(sample_labels.voxels[80:84], sample_labels.ijk_to_lps, sample_labels.labels), mr, "on MR")
    assert said(panel.ui.finetuneIntensitiesComboBox)[0] == "Automatic"
    panel.panel.finetuneTab.add(ct, drawn)
    assert said(panel.ui.finetuneIntensitiesComboBox)[0] == "Automatic (CT)"
    slicerhost.click(panel.ui.addSceneButton)
    assert said(panel.ui.finetuneIntensitiesComboBox)[0] == "Automatic (CT, other)"


def test_a_checkpoint_to_go_on_from_keeps_its_own_so_that_nothing_is_to_choose(panel):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.finetuneTab)
    assert panel.ui.finetuneIntensitiesComboBox.isVisible()
    panel.ui.startCheckpointRadio.click()
    assert not panel.ui.finetuneIntensitiesComboBox.isVisible()


def test_voxels_are_looked_at_once_as_long_as_they_stay_what_they_are(panel, ct, monkeypatch):
    looked = []
    own = intensities.intensities_of
    monkeypatch.setattr(intensities, "intensities_of", lambda volume: looked.append(volume) or own(volume))
    panel.panel.parameterNode.completeVolume = ct
    for _again in range(5):
        panel.panel.refresh()
    assert len(looked) == 1
    slicer.util.updateVolumeFromArray(ct, np.full((4, 8, 8), 100, np.int16))
    panel.panel.refresh()
    assert len(looked) == 2
    assert said(panel.ui.completeIntensitiesComboBox)[0] == "Automatic (other)"


def test_a_choice_is_kept_in_the_scene_and_goes_with_the_requests(worker, ct, drawn, panel):
    ui, parameters = panel.ui, panel.panel.parameterNode
    parameters.completeVolume, parameters.completeSegmentation = ct, drawn
    ui.completeIntensitiesComboBox.setCurrentIndex(2)
    ui.finetuneIntensitiesComboBox.setCurrentIndex(1)
    assert (parameters.completeIntensities, parameters.finetuneIntensities) == ("other", "ct")
    slicerhost.click(ui.addSceneButton)
    ui.outputPathEdit.text = "new"
    for tab, button in ((ui.finetuneTab, ui.finetuneButton), (ui.completeTab, ui.completeButton)):
        ui.tabWidget.setCurrentWidget(tab)
        slicerhost.click(button)
        slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=60)
    assert worker.options("Complete")["intensities"] == "other"
    assert worker.options("Finetune")["intensities"] == "ct"


def test_the_effect_has_the_same_choice_and_encodes_anew_where_it_changes(editing, promptedWorker):
    combo = editing.ui.intensitiesComboBox
    assert said(combo) == ["Automatic (CT)", *TITLES]
    editing.box(1)
    assert promptedWorker.heard("Prompt")[-1]["options"]["intensities"] == "auto"
    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    assert editing.node.GetAttribute("SAMed.Intensities") == "other"

    def asked(kind):
        return [request["options"]["intensities"] for request in promptedWorker.heard(kind)]

    slicerhost.waitUntil(lambda: "other" in asked("EncodeAhead"), seconds=60)
    editing.box(2)
    assert promptedWorker.heard("Prompt")[-1]["options"]["intensities"] == "other"


def test_a_checkpoint_says_what_it_expects(panel):
    assert "Expects a CT: HU from -160 to 240." in panel.ui.modelDescriptionLabel.text
