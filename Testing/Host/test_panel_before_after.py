"""Whether a training made it better: seen at its end, and again whenever the scene that it belongs to is."""

import shutil

import pytest
import qt
import slicer

import slicerhost
from heldWorker import HeldWorker
from madeCheckpoints import COMPARISON, comparedCheckpoint
from SAMedLib.worker import client as workerModule


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """The folder of the checkpoint that the panel's worker says it has trained."""
    folder = tmp_path / "abdomen-2"
    worker = HeldWorker(tmp_path, folder)
    worker.answer()
    monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: worker.program)
    monkeypatch.setattr(workerModule, "_shared", None)
    return folder


def train(panel) -> None:
    panel.ui.tabWidget.setCurrentWidget(panel.ui.finetuneTab)
    if panel.ui.scansTable.rowCount == 0:
        slicerhost.click(panel.ui.addSceneButton)
    panel.ui.outputPathEdit.text = "new"
    slicerhost.click(panel.ui.finetuneButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=60)
    assert slicerhost.dialogs.texts("error") == []
    slicerhost.processEvents()


def rows(table) -> list[list[str]]:
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


def test_nothing_is_shown_before_there_is_anything(panel):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.finetuneTab)
    assert not panel.ui.comparisonSection.visible


def test_the_table_says_what_became_of_each_structure_and_marks_what_is_worse(trained, ct, drawn, panel):
    comparedCheckpoint(trained)
    train(panel)
    table = panel.ui.comparisonTable
    assert panel.ui.comparisonSection.isVisible()
    assert rows(table) == [
        ["spleen", "0.820", "0.910", "+0.090"],
        ["liver", "0.900", "0.902", "+0.002"],
        ["pancreas", "0.610", "0.550", "-0.060, worse"],
        ["mean", "0.777", "0.787", "+0.011"],
    ]
    assert [table.item(row, 0).font().bold() for row in range(4)] == [False, False, True, False]
    assert not table.verticalScrollBar().isVisible()
    assert panel.ui.comparisonLabel.text == COMPARISON.summary()
    assert "pancreas" in panel.ui.comparisonLabel.text


def test_the_picture_is_as_wide_as_the_panel_and_whole_in_a_window_of_its_own(trained, ct, drawn, panel):
    comparedCheckpoint(trained)
    train(panel)
    whole = qt.QPixmap(str(trained / "before-after.png"))
    label = panel.ui.comparisonPictureLabel
    assert label.isVisible()
    shown = label.pixmap.size()
    assert shown.width() < panel.ui.tabWidget.width < whole.width()
    assert shown.height() / shown.width() == pytest.approx(whole.height() / whole.width(), rel=0.02)
    before = set(slicer.app.topLevelWidgets())
    slicerhost.click(panel.ui.comparisonPictureButton)
    slicerhost.processEvents()
    (window,) = (each for each in set(slicer.app.topLevelWidgets()) - before if each.isVisible())
    assert window.windowTitle == "Before and after: abdomen-2"
    (large,) = (each for each in window.findChildren(qt.QLabel) if not each.pixmap.isNull())
    assert large.pixmap.size() == whole.size()
    slicerhost.closeScene()
    assert not window.isVisible()


def test_a_panel_made_narrower_can_be_and_the_picture_follows(trained, ct, drawn, panel):
    comparedCheckpoint(trained)
    train(panel)
    panel.parent.resize(900, 1200)
    slicerhost.processEvents()
    panel.panel.refresh()
    wide = panel.ui.comparisonPictureLabel.pixmap.width()
    slicerhost.processEvents()
    assert panel.parent.layout().totalMinimumSize().width() <= 480
    panel.parent.resize(480, 1200)
    slicerhost.processEvents()
    panel.panel.refresh()
    assert panel.ui.comparisonPictureLabel.pixmap.width() < wide


def test_reload_and_a_saved_scene_bring_it_back_and_closing_the_scene_takes_it_away(trained, ct, drawn, panel, tmp_path):
    comparedCheckpoint(trained)
    train(panel)
    scene = tmp_path / "scene.mrb"
    assert slicer.mrmlScene.WriteToMRB(str(scene))
    panel.onReload()
    new = slicer.modules.SAMedWidget
    new.ui.tabWidget.setCurrentWidget(new.ui.finetuneTab)
    assert not new.ui.comparisonSection.isHidden()
    slicerhost.closeScene()
    assert new.ui.comparisonSection.isHidden()
    assert slicer.mrmlScene.ReadFromMRB(str(scene))
    assert not new.ui.comparisonSection.isHidden()
    assert new.ui.comparisonTable.rowCount == 4


def test_trained_again_into_the_same_folder_it_is_read_again(trained, ct, drawn, panel):
    comparedCheckpoint(trained)
    train(panel)
    shutil.rmtree(trained)
    comparedCheckpoint(trained, comparison=None)
    train(panel)
    assert not panel.ui.comparisonSection.visible


def test_a_checkpoint_that_is_gone_has_nothing_to_show(trained, ct, drawn, panel):
    comparedCheckpoint(trained)
    train(panel)
    shutil.rmtree(trained)
    panel.panel.refresh()
    assert not panel.ui.comparisonSection.visible
