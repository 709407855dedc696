"""Stand-ins for ctk's widgets that hold others, and for its buttons, texts and message boxes."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.standins import standIn, stored

Style, Qt = QtWidgets.QStyle, QtCore.Qt
HEADER_HEIGHT = 24
"""Of a collapsible button, in pixels."""
UNBOUNDED = 2**24 - 1
"""Qt's QWIDGETSIZE_MAX, in pixels."""


class _Collapsible:
    """Hides the widgets directly below it while collapsed; those that were hidden before stay so."""

    def _children(self) -> list[QtWidgets.QWidget]:
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]

    def _isCollapsed(self) -> bool:
        return self.__dict__.get("_collapsed", False)

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._isCollapsed():
            return
        if collapsed:
            self._hidden = [child for child in self._children() if not child.isHidden()]
        for child in self._hidden:
            child.setVisible(not collapsed)
        self._collapsed = collapsed
        self._reportCollapsed(collapsed)
        self.updateGeometry()
        self.update()

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """A widget that comes while collapsed is hidden too: a .ui sets the property before it makes the children."""
        super().childEvent(event)
        child = event.child()
        arrived = event.type() == QtCore.QEvent.ChildPolished and isinstance(child, QtWidgets.QWidget)
        if arrived and self._isCollapsed() and not child.isHidden():
            self._hidden.append(child)
            child.hide()

    def _reportCollapsed(self, collapsed: bool) -> None:
        """For the signal, where there is one."""


@standIn
class ctkCollapsibleButton(_Collapsible, QtWidgets.QAbstractButton):
    contentsCollapsed = QtCore.Signal(bool)
    collapsed = QtCore.Property(bool, _Collapsible._isCollapsed, _Collapsible._setCollapsed)
    flat = stored("flat", bool, False)
    collapsedHeight = stored("collapsedHeight", int, 10)

    def __init__(self, *arguments: str | QtWidgets.QWidget) -> None:
        """With a text, a parent, or both."""
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(*parents)
        self.setText(next((argument for argument in arguments if isinstance(argument, str)), ""))
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.toggled.connect(lambda checked: self._setCollapsed(not checked))

    def _reportCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)
        self.setMaximumHeight(HEADER_HEIGHT if collapsed else UNBOUNDED)
        self.contentsCollapsed.emit(collapsed)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < HEADER_HEIGHT

    def sizeHint(self) -> QtCore.QSize:
        if self.layout() is None or self._isCollapsed():
            return QtCore.QSize(120, HEADER_HEIGHT)
        return self.layout().totalSizeHint()

    minimumSizeHint = sizeHint

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        button = QtWidgets.QStyleOptionButton()
        button.initFrom(self)
        button.rect = QtCore.QRect(0, 0, self.width, HEADER_HEIGHT)
        self.style().drawControl(Style.CE_PushButtonBevel, button, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (HEADER_HEIGHT - 12) // 2, 12, 12)
        kind = Style.PE_IndicatorArrowRight if self._isCollapsed() else Style.PE_IndicatorArrowDown
        self.style().drawPrimitive(kind, arrow, painter, self)
        painter.drawText(button.rect.adjusted(24, 0, 0, 0), Qt.AlignVCenter | Qt.TextShowMnemonic, self.text)
        painter.end()


@standIn
class ctkCollapsibleGroupBox(_Collapsible, QtWidgets.QGroupBox):
    collapsed = QtCore.Property(bool, _Collapsible._isCollapsed, _Collapsible._setCollapsed)
    collapsedHeight = stored("collapsedHeight", int, 14)

    def __init__(self, *arguments: str | QtWidgets.QWidget) -> None:
        super().__init__(*arguments)
        self.setCheckable(True)
        self.toggled.connect(lambda checked: self._setCollapsed(not checked))

    def _reportCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)
        self.setFlat(collapsed)
        self.setMaximumHeight(HEADER_HEIGHT if collapsed else UNBOUNDED)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """A group box with an arrow where a check box would be."""
        super().paintEvent(event)
        option = QtWidgets.QStyleOptionGroupBox()
        self.initStyleOption(option)
        option.rect = self.style().subControlRect(Style.CC_GroupBox, option, Style.SC_GroupBoxCheckBox, self)
        painter = QtGui.QPainter(self)
        painter.fillRect(option.rect, self.palette.window())
        kind = Style.PE_IndicatorArrowRight if self._isCollapsed() else Style.PE_IndicatorArrowDown
        self.style().drawPrimitive(kind, option, painter, self)
        painter.end()


@standIn
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button whose menu opens from an arrow at its right."""


@standIn
class ctkCheckablePushButton(QtWidgets.QPushButton):
    checkBoxControlsButtonToggleState = stored("checkBoxControlsButtonToggleState", bool, True)


@standIn
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """As high as its text."""

    collapsed = stored("collapsed", bool, True)
    disableMouseScroll = stored("disableMouseScroll", bool, True)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.textChanged.connect(self.updateGeometry)

    def sizeHint(self) -> QtCore.QSize:
        document = self.document.clone()
        document.setTextWidth(self.viewport().width)
        return QtCore.QSize(200, int(document.size.height()) + 2 * self.frameWidth)

    minimumSizeHint = sizeHint

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometry()


@standIn
class ctkMessageBox(QtWidgets.QMessageBox):
    """Run by `exec_()`, which goes to `dialogs` as with every dialog."""

    dontShowAgain = stored("dontShowAgain", bool, False)
    dontShowAgainVisible = stored("dontShowAgainVisible", bool, False)
    dontShowAgainSettingsKey = stored("dontShowAgainSettingsKey", str, "")
