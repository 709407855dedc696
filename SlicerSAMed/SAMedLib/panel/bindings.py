"""What the parameter node wrapper cannot bind to a widget: choices known at run time, and lists with ticks."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _


def notFoundHere(value: str) -> str:
    """The title of a value that is not among the items."""
    return _("{value} (not found here)").format(value=value)


class ChoiceBinding:
    """A combo box whose items stand for text values, bound to a text parameter.

    A value that is not among the items, for example a device that only the computer of the scene's author has, is added as one.

    Args:
        parameterNode: called for the parameter node (or None).
        name: of its attribute.
        titleOfUnlisted: of a value that is added.
    """

    def __init__(
        self, comboBox, name: str, parameterNode: Callable[[], object], titleOfUnlisted: Callable[[str], str] = notFoundHere
    ) -> None:
        self._comboBox = comboBox
        self._name = name
        self._parameterNode = parameterNode
        self._titleOfUnlisted = titleOfUnlisted
        self._comboBox.connect("currentIndexChanged(int)", self._toNode)

    def setItems(self, items: list[tuple[str, str]]) -> None:
        """Offer these (value, title) pairs."""
        wasBlocked = self._comboBox.blockSignals(True)
        self._comboBox.clear()
        for value, title in items:
            self._comboBox.addItem(title, value)
        self._comboBox.blockSignals(wasBlocked)
        self.toGui()

    def setTitle(self, value: str, title: str) -> None:
        """Call one of the items otherwise."""
        self._comboBox.setItemText(self._comboBox.findData(value), title)

    def toGui(self) -> None:
        node = self._parameterNode()
        if node is None:
            return
        value = getattr(node, self._name)
        wasBlocked = self._comboBox.blockSignals(True)
        index = self._comboBox.findData(value)
        if index < 0 and value:
            self._comboBox.addItem(self._titleOfUnlisted(value), value)
            index = self._comboBox.count - 1
        self._comboBox.setCurrentIndex(index)
        self._comboBox.blockSignals(wasBlocked)

    def _toNode(self, index: int) -> None:
        node = self._parameterNode()
        if node is not None and index >= 0:
            setattr(node, self._name, self._comboBox.itemData(index))


class EditableChoiceBinding:
    """An editable combo box, bound by its text: a known name or a path."""

    def __init__(self, comboBox, name: str, parameterNode: Callable[[], object]) -> None:
        self._comboBox = comboBox
        self._name = name
        self._parameterNode = parameterNode
        self._comboBox.connect("editTextChanged(QString)", self._toNode)

    def setItems(self, texts: list[str]) -> None:
        wasBlocked = self._comboBox.blockSignals(True)
        self._comboBox.clear()
        self._comboBox.addItems(texts)
        self._comboBox.blockSignals(wasBlocked)
        self.toGui()

    def toGui(self) -> None:
        node = self._parameterNode()
        if node is not None and self._comboBox.currentText != getattr(node, self._name):
            wasBlocked = self._comboBox.blockSignals(True)
            self._comboBox.setEditText(getattr(node, self._name))
            self._comboBox.blockSignals(wasBlocked)

    def _toNode(self, text: str) -> None:
        node = self._parameterNode()
        if node is not None:
            setattr(node, self._name, text)


class TicksBinding:
    """A list of names with ticks, bound to the list of the names that are not ticked."""

    def __init__(self, listWidget, name: str, parameterNode: Callable[[], object]) -> None:
        self._list = listWidget
        self._name = name
        self._parameterNode = parameterNode
        self._list.connect("itemChanged(QListWidgetItem*)", self._toNode)

    def setNames(self, names: tuple[str, ...]) -> None:
        """Offer these names, in this order."""
        if names == self._names():
            return
        wasBlocked = self._list.blockSignals(True)
        self._list.clear()
        for name in names:
            item = qt.QListWidgetItem(name)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked)
            self._list.addItem(item)
        self._list.blockSignals(wasBlocked)
        self.toGui()

    def setAll(self, ticked: bool) -> None:
        setattr(self._parameterNode(), self._name, [] if ticked else list(self._names()))

    def ticked(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self._items() if item.checkState() == qt.Qt.Checked)

    def toGui(self) -> None:
        node = self._parameterNode()
        if node is None:
            return
        leftOut = list(getattr(node, self._name))
        wasBlocked = self._list.blockSignals(True)
        for item in self._items():
            item.setCheckState(qt.Qt.Unchecked if item.text() in leftOut else qt.Qt.Checked)
        self._list.blockSignals(wasBlocked)

    def _toNode(self, item) -> None:
        node = self._parameterNode()
        if node is not None:
            setattr(node, self._name, [name for name in self._names() if name not in self.ticked()])

    def _names(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self._items())

    def _items(self):
        return [self._list.item(row) for row in range(self._list.count)]
