"""What the Segment Editor looks like: its widgets by the names that they have in Slicer, without what they do."""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtWidgets

from slicerhost.nodecombobox import qMRMLNodeComboBox
from slicerhost.segmentstable import qMRMLSegmentsTableView
from slicerhost.widgets import qMRMLSegmentationShow3DButton

Segmentation, EditorNode = slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLSegmentEditorNode
MASK_MODES = {
    "Everywhere": Segmentation.EditAllowedEverywhere,
    "Inside all segments": Segmentation.EditAllowedInsideAllSegments,
    "Inside all visible segments": Segmentation.EditAllowedInsideVisibleSegments,
    "Outside all segments": Segmentation.EditAllowedOutsideAllSegments,
    "Outside all visible segments": Segmentation.EditAllowedOutsideVisibleSegments,
}
OVERWRITE_MODES = {
    "Overwrite all": EditorNode.OverwriteAllSegments,
    "Overwrite visible": EditorNode.OverwriteVisibleSegments,
    "Allow overlap": EditorNode.OverwriteNone,
}


class SegmentEditorUi:
    """The widgets of one editor, laid out in `parent`."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        self.SegmentationNodeComboBox = _selector("vtkMRMLSegmentationNode")
        self.SourceVolumeNodeComboBox = _selector("vtkMRMLScalarVolumeNode")
        self.SourceVolumeNodeComboBox.noneEnabled = True
        self.SourceVolumeNodeComboBox.noneDisplay = "Select source volume to enable editing"
        self.AddSegmentButton = QtWidgets.QPushButton("Add")
        self.RemoveSegmentButton = QtWidgets.QPushButton("Remove")
        self.Show3DButton = qMRMLSegmentationShow3DButton()
        self.SegmentsTableView = qMRMLSegmentsTableView()
        self.EffectsGroupBox = QtWidgets.QFrame()
        self.EffectButtonGroup = QtWidgets.QButtonGroup(parent)
        self.EffectButtonGroup.setExclusive(True)
        self.UndoButton, self.RedoButton = _toolButton("Undo"), _toolButton("Redo")
        self.OptionsGroupBox = QtWidgets.QGroupBox()
        self.EffectHelpBrowser = ctkFittedTextBrowser()
        self.EffectsOptionsFrame = QtWidgets.QFrame()
        self._masking()
        self._layOut(parent)

    def addEffectButton(self, name: str, text: str) -> QtWidgets.QToolButton:
        """A checkable button below those that are there, two in a row."""
        button = _toolButton(text)
        button.setObjectName(name)
        button.setCheckable(True)
        button.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        count = len(self.EffectButtonGroup.buttons())
        self.EffectButtonGroup.addButton(button)
        self.EffectsGroupBox.layout().addWidget(button, count // 2, count % 2)
        return button

    def effectButton(self, name: str) -> QtWidgets.QToolButton | None:
        return next((button for button in self.EffectButtonGroup.buttons() if button.objectName == name), None)

    def _masking(self) -> None:
        self.MaskingGroupBox = QtWidgets.QGroupBox("Masking")
        self.MaskModeComboBox, self.OverwriteModeComboBox = QtWidgets.QComboBox(), QtWidgets.QComboBox()
        for text, mode in MASK_MODES.items():
            self.MaskModeComboBox.addItem(text, mode)
        for text, mode in OVERWRITE_MODES.items():
            self.OverwriteModeComboBox.addItem(text, mode)
        self.SourceVolumeIntensityMaskCheckBox = QtWidgets.QCheckBox()
        form = QtWidgets.QFormLayout(self.MaskingGroupBox)
        form.addRow("Editable area:", self.MaskModeComboBox)
        form.addRow("Editable intensity range:", self.SourceVolumeIntensityMaskCheckBox)
        form.addRow("Modify other segments:", self.OverwriteModeComboBox)

    def _layOut(self, parent: QtWidgets.QWidget) -> None:
        QtWidgets.QGridLayout(self.EffectsGroupBox).setContentsMargins(0, 0, 0, 0)
        QtWidgets.QVBoxLayout(self.EffectsOptionsFrame).setContentsMargins(0, 0, 0, 0)
        options = QtWidgets.QVBoxLayout(self.OptionsGroupBox)
        options.addWidget(self.EffectHelpBrowser)
        options.addWidget(self.EffectsOptionsFrame)
        selectors = QtWidgets.QFormLayout()
        selectors.addRow("Segmentation:", self.SegmentationNodeComboBox)
        selectors.addRow("Source volume:", self.SourceVolumeNodeComboBox)
        left = _stacked(self.EffectsGroupBox, _beside(self.UndoButton, self.RedoButton))
        right = _stacked(self.SegmentsTableView, self.OptionsGroupBox, self.MaskingGroupBox)
        body = QtWidgets.QHBoxLayout()
        body.addLayout(left)
        body.addLayout(right, 1)
        column = QtWidgets.QVBoxLayout(parent)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(selectors)
        column.addLayout(_beside(self.AddSegmentButton, self.RemoveSegmentButton, self.Show3DButton))
        column.addLayout(body, 1)


class ctkFittedTextBrowser(QtWidgets.QLabel):
    """A help text, of which the first paragraph is shown until one asks for more."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(QtCore.Qt.RichText)
        self._whole, self._shown = "", False
        self.linkActivated.connect(lambda _link: self._show(not self._shown))

    def setCollapsibleText(self, text: str) -> None:
        self._whole = text.removeprefix("<html>")
        self._show(False)

    def _show(self, whole: bool) -> None:
        self._shown = whole
        first, paragraph, rest = self._whole.partition("<p>")
        link = f" <a href='more'>{'Hide' if whole else 'Show'} details.</a>" if rest.strip() else ""
        self.setText(first.strip() + link + (paragraph + rest if whole else ""))


def _selector(nodeType: str) -> qMRMLNodeComboBox:
    selector = qMRMLNodeComboBox()
    selector.nodeTypes = [nodeType]
    return selector


def _toolButton(text: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton()
    button.setText(text)
    button.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
    return button


def _beside(*widgets: QtWidgets.QWidget) -> QtWidgets.QHBoxLayout:
    row = QtWidgets.QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _stacked(*items: QtWidgets.QWidget | QtWidgets.QLayout) -> QtWidgets.QVBoxLayout:
    column = QtWidgets.QVBoxLayout()
    for item in items:
        column.addLayout(item) if isinstance(item, QtWidgets.QLayout) else column.addWidget(item)
    column.addStretch(1)
    return column
