"""Whether a training made it better, in the Fine-tune tab: a table by structure, and as a picture."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from SAMedCore.checkpoint.folder import INFO_FILE, find_folder, read_info
from SAMedCore.errors import SAMedError
from SAMedCore.evaluate.before_after import PICTURE_FILE, BeforeAfter

BESIDE_PICTURE = 56
"""Margins and frames between the tabs' edge and what is in a section, in pixels."""

SMALLEST_PICTURE = 240
MOST_ROWS = 12
"""That are seen at once."""

LARGEST_WINDOW = (1400, 900)
FRAME = 30


class BeforeAfterView:
    """Shows the before and after that a checkpoint keeps of its training; hidden where it keeps none.

    Args:
        widget: the panel's top-level widget.
        ui: its children by name.
    """

    def __init__(self, widget, ui) -> None:
        self._widget = widget
        self.ui = ui
        self._shown: tuple[str, int] | None = None
        self._picture = qt.QPixmap()
        self._window = self._windowLabel = None
        ui.comparisonTable.setColumnCount(4)
        ui.comparisonTable.setHorizontalHeaderLabels([_("Structure"), _("Before"), _("After"), _("Difference")])
        ui.comparisonTable.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        ui.comparisonPictureButton.connect("clicked(bool)", self.onEnlarge)
        self._hide()

    def show(self, checkpoint: str) -> None:
        """Of this checkpoint, "" for none; read anew only where its folder has changed."""
        try:
            file = find_folder(checkpoint) / INFO_FILE if checkpoint else None
            changed = file.stat().st_mtime_ns if file else 0
            if self._shown != (checkpoint, changed):
                self._shown = checkpoint, changed
                self._read(file.parent if file else None)
        except (SAMedError, OSError):
            self._shown = None
            self._hide()
        self.fit()

    def fit(self) -> None:
        """Make the picture as wide as the panel is now."""
        if not self._picture.isNull():
            width = max(self.ui.tabWidget.width - BESIDE_PICTURE, SMALLEST_PICTURE)
            shown = self._picture.scaledToWidth(min(width, self._picture.width()), qt.Qt.SmoothTransformation)
            self.ui.comparisonPictureLabel.setPixmap(shown)

    def onEnlarge(self, checked=False) -> None:
        """Show the picture in a window of its own, in its own size."""
        if self._window is None:
            self._window, self._windowLabel = qt.QDialog(self._widget), qt.QLabel()
            area = qt.QScrollArea()
            area.setWidgetResizable(True)
            area.setWidget(self._windowLabel)
            qt.QVBoxLayout(self._window).addWidget(area)
        self._windowLabel.setPixmap(self._picture)
        self._window.setWindowTitle(_("Before and after: {name}").format(name=Path(self._shown[0]).name))
        sizes = zip((self._picture.width(), self._picture.height()), LARGEST_WINDOW, strict=True)
        self._window.resize(*(min(size + 2 * FRAME, largest) for size, largest in sizes))
        self._window.show()
        self._window.raise_()

    def _hide(self) -> None:
        self.ui.comparisonSection.visible = False
        self._picture = qt.QPixmap()
        if self._window is not None:
            self._window.hide()

    def _read(self, folder: Path | None) -> None:
        row = read_info(folder).metrics.get("before_after") if folder else None
        if row is None:
            self._hide()
            return
        comparison = BeforeAfter.from_json(row)
        self.ui.comparisonLabel.text = comparison.summary()
        self._fillTable(comparison)
        self._picture = qt.QPixmap(str(folder / PICTURE_FILE))
        hasPicture = not self._picture.isNull()
        self.ui.comparisonPictureLabel.visible = self.ui.comparisonPictureButton.visible = hasPicture
        self.ui.comparisonSection.visible = True

    def _fillTable(self, comparison: BeforeAfter) -> None:
        table = self.ui.comparisonTable
        rows = [*zip(comparison.names, comparison.before, comparison.after, strict=True)]
        rows.append((_("mean"), comparison.mean_before, comparison.mean_after))
        table.setRowCount(len(rows))
        for row, (name, before, after) in enumerate(rows):
            isWorse = name in comparison.worse
            difference = _difference(before, after) + (_(", worse") if isWorse else "")
            for column, text in enumerate((name, _dice(before), _dice(after), difference)):
                item = qt.QTableWidgetItem(text)
                font = item.font()
                font.setBold(isWorse)
                item.setFont(font)
                table.setItem(row, column, item)
        header, height = table.horizontalHeader().sizeHint.height(), table.verticalHeader().defaultSectionSize
        table.setFixedHeight(header + height * min(len(rows), MOST_ROWS) + 2 * table.frameWidth)


def _dice(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _difference(before: float | None, after: float | None) -> str:
    return "-" if before is None or after is None else f"{after - before:+.3f}"
