"""A .ui loads with every stand-in, and what the stand-in lacks is named."""

from pathlib import Path

import ctk
import pytest
import qt
import slicer

from slicerhost import dialogs, processEvents, render
from slicerhost.standins import STAND_INS

EXAMPLE = Path(__file__).parent / "example/Resources/UI/Counter.ui"


@pytest.fixture
def top() -> qt.QWidget:
    top = slicer.util.loadUI(str(EXAMPLE))
    yield top
    top.delete()


@pytest.fixture
def ui(top):
    return slicer.util.childWidgetVariables(top)


@pytest.fixture
def changed(tmp_path):
    """The example with one text replaced by another, loaded."""

    def load(old: str, new: str) -> qt.QWidget:
        text = EXAMPLE.read_text()
        assert old in text
        path = tmp_path / "changed.ui"
        path.write_text(text.replace(old, new))
        return slicer.util.loadUI(str(path))

    return load


def test_the_example_has_every_stand_in(top):
    shown = {type(widget).__name__ for widget in [top, *top.findChildren(qt.QWidget)]}
    assert set(STAND_INS) - {"ctkMessageBox"} <= shown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('class="ctkSliderWidget"', 'class="ctkRangeWidget"', "no stand-in for ctkRangeWidget"),
        ('name="noneEnabled"', 'name="noneEnable"', "has no property noneEnable"),
        ("<slot>setMRMLScene(vtkMRMLScene*)", "<slot>setScene(vtkMRMLScene*)", "which does not exist"),
        ("<signal>mrmlSceneChanged", "<signal>mrmlSceneModified", "has no signal"),
    ],
)
def test_what_a_ui_asks_for_in_vain_is_named(changed, old, new, message):
    with pytest.raises((RuntimeError, ValueError), match=message):
        changed(old, new)


def test_properties_of_the_ui_arrive(ui):
    assert ui.resultSelector.noneEnabled
    assert ui.resultSelector.nodeTypes == ["vtkMRMLSegmentationNode"]
    assert ui.folderLineEdit.filters == ui.folderLineEdit.Dirs | ui.folderLineEdit.Readable
    assert ui.inputsButton.text == "Inputs"


def test_qt_s_own_connections_are_made(ui):
    ui.advancedGroup.checked = False
    assert not ui.inner.enabled


def test_a_collapsed_group_hides_what_is_in_it(top, ui):
    top.show()
    assert ui.inner.isHidden()
    ui.advancedGroup.collapsed = False
    assert ui.inner.isVisible()


def test_a_click_on_the_header_collapses(top, ui):
    top.show()
    ui.rateSlider.hide()
    seen = []
    ui.inputsButton.connect("contentsCollapsed(bool)", seen.append)
    for _click in range(2):
        ui.inputsButton.click()
    assert seen == [True, False]
    assert (ui.clicksSpinBox.isVisible(), ui.rateSlider.isVisible()) == (True, False)


def test_a_slider_and_its_spin_box_say_the_same(ui):
    seen = []
    ui.rateSlider.minimum, ui.rateSlider.maximum = -1, 3
    ui.rateSlider.connect("valueChanged(double)", seen.append)
    ui.rateSlider.value = 2.25
    assert (seen, ui.rateSlider.value) == ([2.25], 2.25)


def test_a_path_is_chosen_in_a_dialog(ui, tmp_path):
    seen = []
    ui.folderLineEdit.connect("currentPathChanged(QString)", seen.append)
    dialogs.answers["folder"] = str(tmp_path)
    ui.folderLineEdit.browse()
    assert (ui.folderLineEdit.currentPath, seen) == (str(tmp_path), [str(tmp_path)])


def test_a_path_that_the_name_filters_refuse_is_not_reported(ui):
    seen = []
    ui.folderLineEdit.nameFilters = ["Checkpoint (*.pth)"]
    ui.folderLineEdit.connect("currentPathChanged(QString)", seen.append)
    for path in ("/a/model.txt", "/a/model.pth"):
        ui.folderLineEdit.currentPath = path
    assert seen == ["/a/model.pth"]


def test_the_last_path_comes_back(ui):
    ui.folderLineEdit.settingKey = "Example/Folders"
    ui.folderLineEdit.currentPath = "/some/folder"
    ui.folderLineEdit.addCurrentPathToHistory()
    again = ctk.ctkPathLineEdit()
    again.settingKey = "Example/Folders"
    assert again.currentPath == "/some/folder"


def test_a_text_browser_is_as_high_as_its_text(top, ui):
    top.show()
    before = ui.textBrowser.sizeHint().height()
    ui.textBrowser.setPlainText("\n".join("lines"))
    processEvents()
    assert ui.textBrowser.sizeHint().height() > before


def test_a_panel_is_drawn(top, tmp_path):
    image = qt.QImage(str(render(top, tmp_path / "panel.png", width=420)))
    assert image.width() == 420
    colours = {image.pixel(x, y) for x in range(0, 420, 3) for y in range(0, image.height(), 3)}
    assert len(colours) > 20
