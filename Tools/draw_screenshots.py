"""Draws the README's pictures: the panel's tabs and Slicer's four views, on the stand-in for Slicer (Testing/Host/slicerhost).

Nothing is painted in: the real panel is clicked through with a real worker on the sample CT, and the views are Slicer's own,
rendered off screen. Only the frame around them (window, coloured bars) is made here after Slicer's.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6 import QtCore, QtGui, QtTest, QtWidgets

import slicerhost

slicerhost.boot()  # before the module is imported

import slicer  # noqa: E402

from draw_effect import effectPictures  # noqa: E402
from SAMedCore.demo import sample  # noqa: E402
from SAMedCore.image.labels import LabelTable  # noqa: E402
from SAMedCore.image.volume import LabelMap  # noqa: E402
from SAMedLib.scene.volumes import jumpToSlice  # noqa: E402
from scans import crop, ctNode, drawnNode  # noqa: E402
from slicerhost import views  # noqa: E402

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "Docs"
THUMBNAIL = ROOT / "SlicerSAMed" / "Resources" / "Icons" / "SAMedAbdomenCT.png"

PANEL_WIDTH = 500
VIEW_WIDTH = 430
BAR_HEIGHT = 24
GAP = 3
THUMBNAIL_SIZE = (260, 280)
SOFT_TISSUE = (400, 40)
"""Window and level in HU."""

SHOWN_SLICE = 34
"""From the feet of the cropped CT: a typical one of those that the shipped checkpoint was not trained on (mean Dice 0.90)."""

LAYOUT_MSEC = 300
"""So long Qt takes to lay out lists anew after their width has changed."""

BAR_COLOURS = {"Red": "#F34A33", "Green": "#6EB04B", "Yellow": "#EDD54C", "3D": "#7483E9"}
"""Slicer's own."""

JOB_SECONDS = 3600
TRAINING_MINUTES = 1
"""At the most, of each stage."""

GREY_STEP = 5


def main() -> None:
    panel = slicerhost.loadModule("SAMed")
    ui = panel.ui
    scan, organs = sample.fetch_sample()
    drawThumbnail(scan, organs)
    slicerhost.closeScene()

    first, end = sample.ORGAN_SLICES[0], sample.ORGAN_SLICES[-1] + 1
    ct = softTissue(ctNode(crop(scan, first, end), "AbdomenCT"))
    segment(panel, ct)
    drawTab(panel, ui.segmentTab, "panel-segment.png")
    drawSlicer(panel, ct)
    drawUncertainty(panel, ct)

    drawn = onlySlices(crop(organs, first, end), range(0, end - first, sample.ANNOTATED_EVERY))
    complete(panel, ct, drawnNode(onlyKidneys(drawn), ct, "Kidneys, every 6th slice"))
    drawTab(panel, ui.completeTab, "panel-complete.png")

    panel.panel.parameterNode.promptSegmentation = drawnNode(drawn, ct, "Every 6th slice")
    drawTab(panel, ui.pathTab, "panel-path.png")
    drawTab(panel, ui.settingsTab, "panel-settings.png")
    with tempfile.TemporaryDirectory() as folder:
        train(panel, Path(folder) / "abdomen-2")
        drawTab(panel, ui.finetuneTab, "panel-finetune.png")

    slicerhost.closeScene()
    ct = softTissue(ctNode(crop(scan, first, end), "AbdomenCT"))
    for name, picture in effectPictures(ct, crop(organs, first, end)):
        save(picture, DOCS / name)


def segment(panel, ct) -> None:
    """Apply, Show 3D, and find the doubtful slices."""
    ui = panel.ui
    ui.promptVolumeSelector.setCurrentNode(ct)
    ui.inputVolumeSelector.setCurrentNode(ct)
    ui.tabWidget.setCurrentWidget(ui.segmentTab)
    runJob(panel, ui.applyButton)
    slicerhost.click(ui.show3DButton)
    ui.nextSliceSection.collapsed = False
    runJob(panel, ui.rankButton)


def complete(panel, ct, drawn) -> None:
    """Fill in the slices between the drawn ones."""
    ui, parameters = panel.ui, panel.panel.parameterNode
    parameters.completeVolume, parameters.completeSegmentation = ct, drawn
    ui.tabWidget.setCurrentWidget(ui.completeTab)
    runJob(panel, ui.completeButton)


def train(panel, checkpoint: Path) -> None:
    """Go on from a checkpoint on the newest segmentation, shortly: to show where before and after stand, not how good it is."""
    ui, parameters = panel.ui, panel.panel.parameterNode
    ui.tabWidget.setCurrentWidget(ui.finetuneTab)
    slicerhost.click(ui.addSceneButton)
    while ui.scansTable.rowCount > 1:
        ui.scansTable.setCurrentCell(0, 0)
        slicerhost.click(ui.removeScanButton)
    ui.scansTable.clearSelection()
    ui.startCheckpointRadio.checked = True
    ui.minutesSpinBox.value = TRAINING_MINUTES
    parameters.output = str(checkpoint)
    runJob(panel, ui.finetuneButton)
    parameters.output = str(Path.home() / "SAMed" / checkpoint.name)


def runJob(panel, button) -> None:
    """Click and wait until it is done.

    Raises:
        AssertionError: it failed; the message is what the person would see.
    """
    slicerhost.click(button)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=JOB_SECONDS)
    assert not slicerhost.dialogs.texts("error"), slicerhost.dialogs.texts("error")


def onlySlices(organs: LabelMap, slices: range) -> LabelMap:
    """What is left where only these slices were drawn."""
    voxels = np.zeros_like(organs.voxels)
    voxels[slices] = organs.voxels[slices]
    return LabelMap(voxels, organs.ijk_to_lps, organs.labels)


def onlyKidneys(organs: LabelMap) -> LabelMap:
    """Two organs take a fraction of the time that eight take to complete."""
    kidneys = tuple(label for label in organs.labels if "kidney" in label.name)
    voxels = np.where(np.isin(organs.voxels, [label.value for label in kidneys]), organs.voxels, 0)
    return LabelMap(voxels, organs.ijk_to_lps, LabelTable(kidneys))


def softTissue(volumeNode):
    """The same node, shown in a window for the abdomen."""
    volumeNode.GetDisplayNode().SetAutoWindowLevel(False)
    volumeNode.GetDisplayNode().SetWindowLevel(*SOFT_TISSUE)
    return volumeNode


def drawTab(panel, tab, name: str) -> None:
    """The whole panel with this tab in front."""
    panel.ui.tabWidget.setCurrentWidget(tab)
    save(panelPicture(panel), DOCS / name)


def drawSlicer(panel, ct) -> None:
    """The panel on the left and the four views on the right, as in Slicer's usual layout."""
    jumpToSlice(ct, SHOWN_SLICE)
    drawBeside(panel, lambda height: fourViews(ct, (VIEW_WIDTH, (height - GAP) // 2 - BAR_HEIGHT)), "slicer.png")


def drawBeside(panel, viewsOf: Callable[[int], QtWidgets.QLayout], name: str) -> None:
    """The panel on the left, views as high as it on the right."""
    window = QtWidgets.QWidget()
    columns = QtWidgets.QHBoxLayout(window)
    columns.setContentsMargins(0, 0, 0, 0)
    columns.setSpacing(GAP)
    picture = panelPicture(panel)
    columns.addWidget(pictureLabel(picture), alignment=QtCore.Qt.AlignTop)
    columns.addLayout(viewsOf(picture.height()))
    window.show()
    slicerhost.processEvents()
    save(window.grab(), DOCS / name)
    window.close()


def drawUncertainty(panel, ct) -> None:
    """The panel beside two slices with the model's doubt over them, the segments hidden for it."""
    ui = panel.ui
    ui.tabWidget.setCurrentWidget(ui.segmentTab)
    ui.nextSliceSection.collapsed = False
    ui.nextSliceComboBox.setCurrentIndex(1)
    slicer.util.setSliceViewerLayers(background=ct)
    slicerhost.click(ui.uncertaintyCheckBox)
    runJob(panel, ui.applyButton)
    panel.panel.parameterNode.outputSegmentation.GetDisplayNode().SetVisibility(False)
    ui.rankedList.setCurrentRow(0)
    ui.rankedList.itemClicked.emit(ui.rankedList.item(0))
    drawBeside(panel, lambda height: pairOfViews(ct, (VIEW_WIDTH, (height - GAP) // 2 - BAR_HEIGHT)), "panel-uncertainty.png")
    slicerhost.click(ui.uncertaintyCheckBox)
    panel.panel.parameterNode.outputSegmentation.GetDisplayNode().SetVisibility(True)


def drawThumbnail(ct, organs) -> None:
    """The sample as the Sample Data module offers it: a coronal slice of the CT with the drawn slices."""
    node = softTissue(ctNode(ct))
    drawn = drawnNode(onlySlices(organs, sample.ORGAN_SLICES[:: sample.ANNOTATED_EVERY]), node)
    drawn.GetDisplayNode().SetOpacity2DFill(1.0)
    view = views.SliceView("Green", THUMBNAIL_SIZE)
    view.show(node)
    save(asPixmap(view.picture()), THUMBNAIL)


def fourViews(ct, size: tuple[int, int]) -> QtWidgets.QGridLayout:
    """Axial and 3D above, coronal and sagittal below, each of this size under a bar like Slicer's."""
    grid = QtWidgets.QGridLayout()
    grid.setSpacing(GAP)
    for name, position in {"Red": (0, 0), "Green": (1, 0), "Yellow": (1, 1)}.items():
        grid.addLayout(sliceUnderBar(ct, name, size), *position)
    surfaces = views.ThreeDView(size)
    surfaces.fit()
    grid.addLayout(underBar("1", BAR_COLOURS["3D"], "", surfaces.picture()), 0, 1)
    return grid


def pairOfViews(ct, size: tuple[int, int]) -> QtWidgets.QVBoxLayout:
    """Axial above, coronal below."""
    column = QtWidgets.QVBoxLayout()
    column.setSpacing(GAP)
    for name in ("Red", "Green"):
        column.addLayout(sliceUnderBar(ct, name, size))
    return column


def sliceUnderBar(ct, name: str, size: tuple[int, int]) -> QtWidgets.QVBoxLayout:
    """A slice view at the place where it is."""
    logic, view = slicer.app.sliceLogics[name], views.SliceView(name, size)
    offset = logic.GetSliceOffset()
    view.show(ct)
    logic.SetSliceOffset(offset)
    axis = {"Axial": "S", "Sagittal": "R", "Coronal": "A"}[logic.GetSliceNode().GetOrientation()]
    return underBar(name[0], BAR_COLOURS[name], f"{axis}: {offset:.1f} mm", view.picture())


def underBar(letter: str, colour: str, text: str, picture: np.ndarray) -> QtWidgets.QVBoxLayout:
    """A view's picture under a bar with its letter and the place of its slice."""
    bar = QtWidgets.QWidget()
    bar.setFixedHeight(BAR_HEIGHT)
    bar.setStyleSheet(f"background: {colour}; color: black;")
    row = QtWidgets.QHBoxLayout(bar)
    row.setContentsMargins(8, 2, 8, 2)
    row.addWidget(QtWidgets.QLabel(f"<b>{letter}</b>"))
    row.addStretch()
    row.addWidget(QtWidgets.QLabel(text))
    column = QtWidgets.QVBoxLayout()
    column.setSpacing(0)
    column.addWidget(bar)
    column.addWidget(pictureLabel(asPixmap(picture)))
    return column


def panelPicture(panel) -> QtGui.QPixmap:
    """The panel at its usual width, as high as it wants to be."""
    widget, layout = panel.parent, panel.parent.layout()
    QtTest.QTest.qWait(LAYOUT_MSEC)
    wraps = layout.hasHeightForWidth()
    widget.resize(PANEL_WIDTH, layout.totalHeightForWidth(PANEL_WIDTH) if wraps else layout.totalSizeHint().height())
    QtTest.QTest.qWait(LAYOUT_MSEC)
    return widget.grab()


def pictureLabel(pixmap: QtGui.QPixmap) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel()
    label.setPixmap(pixmap)
    return label


def asPixmap(picture: np.ndarray) -> QtGui.QPixmap:
    """A picture (height, width, 3) uint8 for Qt."""
    height, width, channels = picture.shape
    image = QtGui.QImage(picture.tobytes(), width, height, channels * width, QtGui.QImage.Format_RGB888)
    return QtGui.QPixmap.fromImage(image.copy())


def save(pixmap: QtGui.QPixmap, path: Path) -> None:
    """Write a PNG whose brightnesses are multiples of `GREY_STEP`: no eye sees it, and it saves half the space."""
    image = pixmap.toImage().convertToFormat(QtGui.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    Image.fromarray(pixels // GREY_STEP * GREY_STEP).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {image.width()} x {image.height()}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
