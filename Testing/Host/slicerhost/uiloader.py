"""Loading a .ui: Qt's own loader, with the stand-ins for ctk's and MRML's widgets."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from slicerhost.nodecombobox import qMRMLNodeComboBox
from slicerhost.widgets import ctkCollapsibleButton, qMRMLSegmentationShow3DButton, qMRMLWidget

STAND_INS = {cls.__name__: cls for cls in (ctkCollapsibleButton, qMRMLNodeComboBox, qMRMLSegmentationShow3DButton, qMRMLWidget)}
"""The widget classes that a .ui may name beside Qt's own, by name."""


class QUiLoader(QtUiTools.QUiLoader):
    def createWidget(self, className: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> QtWidgets.QWidget:
        if className not in STAND_INS:
            return super().createWidget(className, parent, name)
        widget = STAND_INS[className](parent)
        widget.setObjectName(name)
        return widget

    def load(self, file: QtCore.QFile, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        """The widget tree of a .ui.

        Raises:
            RuntimeError: it names a class or a property that neither Qt nor the stand-in has, or connects what does not exist.
        """
        root = ElementTree.fromstring(Path(file.fileName()).read_text(encoding="utf-8"))
        for element in root.iter("widget"):
            className = element.get("class")
            if className in STAND_INS:
                _checkProperties(element, STAND_INS[className])
            elif className not in self.availableWidgets():
                raise RuntimeError(f"{file.fileName()}: no stand-in for {className} ({element.get('name')})")
        mrmlConnections = _takeMRMLConnections(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        self.setWorkingDirectory(QtCore.QFileInfo(file).absoluteDir())
        widget = super().load(buffer, parent)
        for connection in mrmlConnections:
            _connect(widget, *(connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")))
        return widget


def _checkProperties(element: ElementTree.Element, cls: type[QtWidgets.QWidget]) -> None:
    """Refuse properties that the stand-in lacks, which Qt would take for dynamic ones."""
    for item in element.findall("property"):
        name = item.get("name")
        if item.get("stdset") != "0" and name not in cls.cxxProperties:
            raise RuntimeError(f"the stand-in for {cls.__name__} ({element.get('name')}) has no property {name}")


def _takeMRMLConnections(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Those that Qt cannot make, for it knows no MRML classes."""
    connections = root.find("connections")
    found = [c for c in root.iter("connection") if "vtkMRML" in (c.findtext("signal") or "")]
    for connection in found:
        connections.remove(connection)
    return found


def _connect(widget: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    ends = {
        name: widget if widget.objectName == name else widget.findChild(QtWidgets.QWidget, name) for name in (sender, receiver)
    }
    method = getattr(ends[receiver], slot.partition("(")[0], None)
    if ends[sender] is None or method is None:  # Qt only prints a line
        raise RuntimeError(f"the .ui connects {sender}.{signal} with {receiver}.{slot}, which does not exist")
    ends[sender].connect(signal, method)
