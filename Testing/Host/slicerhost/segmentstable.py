"""Stand-in for qMRMLSegmentsTableView: the segments of a segmentation, one of them selected."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.standins import standIn

HEADERS = ("", "", "Name")
EYE, COLOUR, NAME = range(3)
ROWS_SHOWN = 5
ICON_SIZE = 16
SWATCH = QtCore.QRect(1, 1, 14, 14)
CHANGES = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SegmentsOrderModified")


@standIn
class qMRMLSegmentsTableView(QtWidgets.QTableWidget):
    """Follows the segmentation. Where the selected segment goes, none is selected."""

    segmentSelected = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(0, len(HEADERS), parent)
        self._node, self._observers, self._ids, self._selectedID = None, [], [], ""
        self.setHorizontalHeaderLabels(HEADERS)
        self.verticalHeader().hide()
        self.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        self.setSelectionMode(QtWidgets.QAbstractItemView.SingleSelection)
        self.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        header = self.horizontalHeader()
        header.setSectionResizeMode(NAME, QtWidgets.QHeaderView.Stretch)
        for narrow in (EYE, COLOUR):
            header.resizeSection(narrow, 28)
        rows = self.verticalHeader().defaultSectionSize
        self.setFixedHeight(header.sizeHint.height() + ROWS_SHOWN * rows + 4)
        self.itemSelectionChanged.connect(self._onSelection)

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        for tag in self._observers:
            self._node.RemoveObserver(tag)
        self._node, self._observers = node, []
        if node is not None:
            events = [getattr(slicer.vtkSegmentation, name) for name in CHANGES]
            self._observers = [node.AddObserver(event, self._refresh) for event in events]
            self._observers.append(node.AddObserver(node.DisplayModifiedEvent, self._refresh))
        self._refresh()

    def selectedSegmentIDs(self) -> list[str]:
        return [self._selectedID] if self._selectedID else []

    def setSelectedSegmentIDs(self, segmentIDs: list[str]) -> None:
        wanted = next((name for name in segmentIDs if name in self._ids), "")
        if wanted:
            self.selectRow(self._ids.index(wanted))
        else:
            self.clearSelection()

    def _onSelection(self) -> None:
        rows = self.selectionModel().selectedRows()
        chosen = self._ids[rows[0].row()] if rows else ""
        if chosen != self._selectedID:
            self._selectedID = chosen
            self.segmentSelected.emit()

    def _refresh(self, *_event: object) -> None:
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        blocked = self.blockSignals(True)
        self._ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        self.setRowCount(len(self._ids))
        for row, segmentID in enumerate(self._ids):
            self._fill(row, segmentID, segmentation.GetSegment(segmentID))
        self.clearSelection()
        if self._selectedID in self._ids:
            self.selectRow(self._ids.index(self._selectedID))
        self.blockSignals(blocked)
        if self._selectedID not in ("", *self._ids):
            self._selectedID = ""
            self.segmentSelected.emit()

    def _fill(self, row: int, segmentID: str, segment: slicer.vtkSegment) -> None:
        display = self._node.GetDisplayNode()
        visible = display is None or display.GetSegmentVisibility(segmentID)
        colour = QtGui.QColor.fromRgbF(*segment.GetColor())
        self.setItem(row, EYE, QtWidgets.QTableWidgetItem(_icon(drawEye if visible else drawNothing), ""))
        self.setItem(row, COLOUR, QtWidgets.QTableWidgetItem(_icon(lambda painter: painter.fillRect(SWATCH, colour)), ""))
        self.setItem(row, NAME, QtWidgets.QTableWidgetItem(segment.GetName()))


def drawEye(painter: QtGui.QPainter) -> None:
    painter.setRenderHint(QtGui.QPainter.Antialiasing)
    painter.setPen(QtGui.QPen(QtGui.QColor("#404040"), 1.5))
    painter.setBrush(QtGui.QColor("white"))
    painter.drawEllipse(1, 4, 14, 8)
    painter.setBrush(QtGui.QColor("#404040"))
    painter.drawEllipse(6, 6, 4, 4)


def drawNothing(_painter: QtGui.QPainter) -> None:
    """Of a hidden segment."""


def _icon(draw: Callable[[QtGui.QPainter], None]) -> QtGui.QIcon:
    picture = QtGui.QPixmap(ICON_SIZE, ICON_SIZE)
    picture.fill(QtCore.Qt.transparent)
    painter = QtGui.QPainter(picture)
    draw(painter)
    painter.end()
    icon = QtGui.QIcon(picture)
    icon.addPixmap(picture, QtGui.QIcon.Selected)
    return icon
