"""What the panel shows and keeps, without any run of the network."""

import contextlib
import json
import unittest
from pathlib import Path

import pytest
import qt
import slicer

import slicerhost
from SAMedCore.errors import SAMedError
from SAMedLib.panel import models
from scans import crop, ctNode, drawnNode


def test_the_first_volume_of_the_scene_is_selected(ct, panel):
    assert panel.panel.parameterNode.inputVolume is ct
    assert panel.ui.inputVolumeSelector.currentNode() is ct


def test_no_label_map_colour_image_or_hidden_volume_is_taken_for_the_ct(sample_ct):
    for className in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode", "vtkMRMLScalarVolumeNode"):
        slicer.mrmlScene.AddNewNodeByClass(className, "no CT")
    slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1].SetHideFromEditors(True)
    ct = ctNode(crop(sample_ct, 80, 84), "CT")
    widget = slicerhost.loadModule("SAMed")
    try:
        assert widget.panel.parameterNode.inputVolume is ct
        for selector in (widget.ui.inputVolumeSelector, widget.ui.completeVolumeSelector, widget.ui.scanVolumeSelector):
            assert [selector.nodeFromIndex(index) for index in range(selector.nodeCount())] == [ct]
    finally:
        slicerhost.unloadModule("SAMed")


def test_what_keeps_apply_from_working_stands_in_its_tool_tip(panel, ct):
    ui, parameters = panel.ui, panel.panel.parameterNode
    assert not ui.applyButton.enabled
    assert ui.applyButton.toolTip == "Select a CT volume."
    parameters.inputVolume = ct
    assert ui.applyButton.enabled
    slicerhost.click(ui.noOrgansButton)
    assert not ui.applyButton.enabled
    assert ui.applyButton.toolTip == "Tick at least one organ."
    slicerhost.click(ui.allOrgansButton)
    assert ui.applyButton.enabled


def test_the_model_says_what_it_is_and_what_it_was_trained_on(panel):
    text = panel.ui.modelDescriptionLabel.text
    assert "A demonstration on one scan" in text
    assert "spleen, right kidney, left kidney, gallbladder, liver, stomach, aorta, pancreas" in text
    assert "Trained on 10 slices, scans: 1." in text
    assert panel.ui.organsList.count == 8


def test_a_folder_that_is_no_checkpoint_is_named(ct, panel, tmp_path):
    slicerhost.dialogs.answers["folder"] = str(tmp_path)
    slicerhost.click(panel.ui.browseModelFolderButton)
    assert "not a SAMed checkpoint" in panel.ui.modelDescriptionLabel.text
    assert not panel.ui.applyButton.enabled


def test_an_original_file_asks_for_its_base_model(ct, panel, tmp_path):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.segmentTab)
    file = tmp_path / "epoch_159.pth"
    file.write_bytes(b"")
    slicerhost.dialogs.answers["open"] = str(file)
    assert not panel.ui.modelBaseComboBox.visible
    slicerhost.click(panel.ui.browseModelFileButton)
    assert panel.ui.modelBaseComboBox.visible
    assert not panel.ui.organsList.visible
    assert "Name the base model" in panel.ui.applyButton.toolTip
    panel.ui.modelBaseComboBox.setEditText("vit_b")
    assert panel.panel.parameterNode.modelBase == "vit_b"
    assert panel.ui.applyButton.enabled


@pytest.mark.parametrize("isLeft", [True, False], ids=["panel left", "panel open"])
def test_a_saved_scene_comes_back_as_it_was(panel, ct, drawn, tmp_path, isLeft):
    chosen = panel.panel.parameterNode
    chosen.inputVolume, chosen.outputSegmentation = ct, drawn
    panel.ui.organsList.item(3).setCheckState(qt.Qt.Unchecked)
    panel.ui.regionComboBox.setCurrentIndex(1)
    panel.ui.deviceComboBox.setCurrentIndex(1)
    panel.ui.annotatedSlicesEdit.text = "0:4:2"
    slicerhost.click(panel.ui.addSceneButton)
    panel.ui.scansTable.item(0, 2).setText("1:3")
    panel.ui.epochsSpinBox.value = 7
    panel.ui.startCheckpointRadio.click()
    scene = tmp_path / "scene.mrb"
    assert slicer.mrmlScene.WriteToMRB(str(scene))
    slicerhost.closeScene()
    assert panel.panel.parameterNode.scanSlices == []
    if isLeft:
        slicer.util.selectModule("SegmentEditor")
    assert slicer.mrmlScene.ReadFromMRB(str(scene))
    if isLeft:
        slicer.util.selectModule("SAMed")
    back = panel.panel.parameterNode
    assert (back.inputVolume.GetName(), back.outputSegmentation.GetName()) == ("CT", "drawn")
    assert (back.leftOutOrgans, back.region, back.device) == (["gallbladder"], "current slice", "cpu")
    assert (back.annotatedSlices, back.epochs, back.startFrom) == ("0:4:2", 7, "checkpoint")
    assert [node.GetName() for node in (*back.scanVolumes, *back.scanSegmentations)] == ["CT", "drawn"]
    assert back.scanSlices == ["1:3"]
    assert panel.ui.inputVolumeSelector.currentNode() is back.inputVolume
    assert panel.ui.outputSelector.currentNode() is back.outputSegmentation
    assert panel.ui.scansTable.item(0, 2).text() == "1:3"
    assert panel.ui.organsList.item(3).checkState() == qt.Qt.Unchecked
    assert panel.ui.epochsSpinBox.value == 7


def test_closing_the_scene_empties_the_panel(panel, ct, drawn):
    slicerhost.click(panel.ui.addSceneButton)
    slicerhost.closeScene()
    assert panel.ui.inputVolumeSelector.currentNode() is None
    assert panel.ui.scansTable.rowCount == 0
    assert not panel.ui.applyButton.enabled


def test_removed_scans_leave_the_list(panel, ct, drawn):
    slicerhost.click(panel.ui.addSceneButton)
    assert panel.ui.scansTable.rowCount == 1
    slicer.mrmlScene.RemoveNode(drawn)
    panel.panel.refresh()
    assert panel.ui.scansTable.rowCount == 0
    assert not panel.ui.finetuneButton.enabled


def test_scans_of_one_class_are_one_row_and_classes_can_be_left_out(panel, ct, drawn, sample_labels):
    other = drawnNode(crop(sample_labels, 80, 84), ct, "second reader")
    other.GetSegmentation().GetNthSegment(0).SetName("Milz")
    slicerhost.click(panel.ui.addSceneButton)
    table = panel.ui.classesTable
    names = [table.item(row, 0).text() for row in range(table.rowCount)]
    assert names[0] == "spleen"
    assert len(names) == 8
    assert table.item(0, 1).text() == "drawn: spleen; second reader: Milz"
    assert table.item(0, 2).text() == "Spleen"
    table.item(0, 0).setCheckState(qt.Qt.Unchecked)
    assert panel.panel.parameterNode.leftOutClasses == ["spleen"]


def test_what_a_checkpoint_does_not_know_is_named(panel, ct, drawn):
    drawn.GetSegmentation().AddEmptySegment("tumour", "tumour")
    slicerhost.click(panel.ui.addSceneButton)
    panel.ui.startCheckpointRadio.click()
    table = panel.ui.classesTable
    last = table.rowCount - 1
    assert (table.item(last, 1).text(), table.item(last, 2).text()) == ("drawn: tumour", "not in the checkpoint")


@pytest.mark.parametrize("text", ["five", "9:2", "0:99"])
def test_slices_that_cannot_be_are_refused_in_words(panel, ct, drawn, text):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.completeTab)
    panel.panel.parameterNode.completeVolume = ct
    panel.panel.parameterNode.completeSegmentation = drawn
    panel.ui.annotatedSlicesEdit.text = text
    slicerhost.click(panel.ui.completeButton)
    (said,) = slicerhost.dialogs.texts("error")
    assert f'"{text}"' in said
    assert not panel.panel.runner.isBusy


def test_own_checkpoints_are_offered_again(panel, tmp_path):
    (tmp_path / "liver").mkdir()
    models.remember(str(tmp_path / "liver"))
    panel.panel.listModels()
    assert panel.ui.modelComboBox.findText("liver") >= 0
    assert json.loads(slicer.app.userSettings().value(models.OWN_CHECKPOINTS)) == [str(tmp_path / "liver")]


def test_a_scene_that_is_added_to_another_brings_its_own_choices(panel, ct, drawn, tmp_path, sample_ct):
    panel.panel.parameterNode.inputVolume, panel.panel.parameterNode.outputSegmentation = ct, drawn
    scene = tmp_path / "scene.mrb"
    assert slicer.mrmlScene.WriteToMRB(str(scene))
    slicerhost.closeScene()
    present = ctNode(crop(sample_ct, 80, 84), "present")  # takes the ID that the saved volume had
    panel.panel.parameterNode.inputVolume = present
    assert slicer.mrmlScene.ReadFromMRB(str(scene))
    chosen = panel.panel.parameterNode
    assert (chosen.inputVolume.GetName(), chosen.outputSegmentation.GetName()) == ("CT", "drawn")
    assert panel.ui.inputVolumeSelector.currentNode() is chosen.inputVolume
    assert panel.ui.outputSelector.currentNode() is chosen.outputSegmentation


def test_the_palette_alone_colours_the_panel_so_that_it_is_readable_on_a_dark_one(panel):
    sheets = {widget.objectName: widget.styleSheet for widget in panel.parent.findChildren(qt.QWidget)}
    assert len(sheets) > 50
    assert {name: sheet for name, sheet in sheets.items() if "color" in sheet} == {}


def test_every_widget_has_a_tool_tip(panel):
    kinds = (qt.QPushButton, qt.QComboBox, qt.QSpinBox, qt.QLineEdit, qt.QListWidget, qt.QTableWidget, qt.QRadioButton)
    widgets = [widget for widget in vars(panel.ui).values() if isinstance(widget, kinds)]
    named = [widget for widget in widgets if not widget.objectName.startswith("qt_")]
    assert len(named) > 30
    assert [widget.objectName for widget in named if not widget.toolTip] == []


@pytest.mark.parametrize("tab", ["pathTab", "completeTab", "finetuneTab", "segmentTab", "settingsTab"])
def test_the_tab_key_goes_from_top_to_bottom(panel, tab):
    page = getattr(panel.ui, tab)
    panel.ui.tabWidget.setCurrentWidget(page)
    slicerhost.processEvents()
    tops, widget = [], panel.ui.tabWidget
    while (widget := widget.nextInFocusChain()) is not panel.ui.tabWidget:
        isStop = widget.focusPolicy & qt.Qt.TabFocus and widget.isVisible()
        if isStop and page.isAncestorOf(widget):
            tops.append(widget.mapTo(page, qt.QPoint(0, 0)).y())
    assert len(tops) > 4
    assert tops == sorted(tops)


def test_nothing_is_installed_or_started_where_packages_are_missing(monkeypatch, ct):
    from SAMedLib.setup import packages

    monkeypatch.setattr(packages, "TORCH_REQUIREMENTS", ("no-such-package-as-this>=1",))
    slicerhost.dialogs.answers["okcancel"] = False
    widget = slicerhost.loadModule("SAMed")
    try:
        assert not widget.logic.worker.isRunning
        slicerhost.click(widget.ui.applyButton)
        assert not widget.panel.runner.isBusy
        (question,) = slicerhost.dialogs.texts("okcancel")
        assert "no-such-package-as-this" in question
    finally:
        slicerhost.unloadModule("SAMed")


STARTING = ["apply", "rank", "complete", "finetune", "install", "reinstall", "fetch", "clearCache", "freeMemory"]
"""The buttons that begin something which needs the packages or would change them."""


@pytest.mark.parametrize("clicked", ["applyButton", "reinstallButton"])
def test_no_button_begins_anything_while_packages_are_installed(monkeypatch, panel, ct, clicked):
    from SAMedLib.setup import install, packages

    ui, enabled = panel.ui, []
    panel.panel.parameterNode.inputVolume = ct

    def installing(**_options) -> bool:
        enabled.append([name for name in STARTING if getattr(ui, f"{name}Button").enabled])
        return False

    monkeypatch.setattr(packages, "TORCH_REQUIREMENTS", ("no-such-package-as-this>=1",))
    monkeypatch.setattr(install, "install", installing)
    slicerhost.click(getattr(ui, clicked))
    assert enabled == [[]]
    assert getattr(ui, clicked).enabled


def test_a_skipped_self_test_is_no_failed_one(monkeypatch):
    from SAMedLib.setup import packages

    monkeypatch.setattr(packages, "TORCH_REQUIREMENTS", ("no-such-package-as-this>=1",))
    widget = slicerhost.loadModule("SAMed")
    monkeypatch.setattr(widget, "onReload", lambda: None)
    try:
        with contextlib.suppress(unittest.SkipTest):  # pytest would call this test skipped, too
            widget.onReloadAndTest()
        ((kind, text),) = slicerhost.dialogs.shown
        assert kind == "info"
        assert "skipped" in text
        assert "no-such-package-as-this" in text
    finally:
        slicerhost.unloadModule("SAMed")


def test_an_error_is_logged_once(panel, caplog):
    panel.panel.runner.jobRefused(SAMedError("The disk is full."))
    assert slicerhost.dialogs.texts("error") == ["The disk is full."]
    assert [record.levelname for record in caplog.records if "The disk is full." in record.message] == ["ERROR"]


def test_the_module_names_itself_and_its_folder_is_found(panel):
    module = slicer.modules.samed
    assert module.title == "SAMed"
    assert module.categories == ["Segmentation"]
    assert Path(module.path).name == "SAMed.py"
