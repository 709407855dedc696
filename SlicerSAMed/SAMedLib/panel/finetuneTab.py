"""The Fine-tune tab: annotated scans of the scene to a new checkpoint."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SAMedCore.options import PRESETS, FinetuneOptions
from SAMedLib.jobs.finetune import FinetuneJob, Scan
from SAMedLib.panel import models
from SAMedLib.panel.beforeAfter import BeforeAfterView
from SAMedLib.panel.bindings import ChoiceBinding
from SAMedLib.panel.parameters import BASE, CHECKPOINT
from SAMedLib.panel.sliceText import parseSlices
from SAMedLib.running.runner import JobButton
from SAMedLib.scene.classes import Classes, matchSegments
from SAMedLib.scene.intensities import AUTO, automatic, intensitiesChoices
from SAMedLib.scene.reading import pairsInScene
from SAMedLib.scene.trainingPlot import TrainingPlot
from SAMedLib.scene.volumes import numberOfSlices

VOLUME_COLUMN, SEGMENTATION_COLUMN, SLICES_COLUMN = range(3)


class FinetuneTab:
    """Binds the tab's widgets and does what its buttons say; `panel` as in `SegmentTab`."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self._plot: TrainingPlot | None = None
        self._filling = False

        def node():
            return panel.parameterNode

        self.startBase = ChoiceBinding(ui.startBaseComboBox, "startBase", node)
        self.startCheckpoint = ChoiceBinding(ui.startCheckpointComboBox, "startCheckpoint", node)
        self.preset = ChoiceBinding(ui.presetComboBox, "preset", node)
        self.intensities = ChoiceBinding(ui.finetuneIntensitiesComboBox, "finetuneIntensities", node)
        self.bindings = (self.startBase, self.startCheckpoint, self.preset, self.intensities)
        self.beforeAfter = BeforeAfterView(panel.widget, ui)
        self.intensities.setItems(intensitiesChoices())
        self.preset.setItems([(name, f"{name}: {_(what)}") for name, what in PRESETS.items()])
        self.listModels()
        _setColumns(ui.scansTable, (_("Volume"), _("Segmentation"), _("Annotated slices")))
        _setColumns(ui.classesTable, (_("Class"), _("Segments"), _("Code")))
        for column in (0, 2):
            ui.classesTable.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        ui.addSceneButton.connect("clicked(bool)", self.onAddScene)
        ui.addScanButton.connect("clicked(bool)", self.onAddScan)
        ui.removeScanButton.connect("clicked(bool)", self.onRemoveScan)
        ui.scansTable.connect("cellChanged(int,int)", self.onScanEdited)
        ui.classesTable.connect("cellChanged(int,int)", self.onClassTicked)
        ui.startBaseRadio.connect("toggled(bool)", self.onStartToggled)
        ui.browseOutputButton.connect("clicked(bool)", self.onBrowseOutput)
        stopTip = _("Stop; the best checkpoint so far is kept.")
        self.runButton = JobButton(panel.runner, ui.finetuneButton, self.onFinetune, _("Train on these scans."), stopTip)

    def listModels(self) -> None:
        self.startBase.setItems(models.baseChoices())
        self.startCheckpoint.setItems([choice for choice in models.choices() if not models.isOriginal(choice[0])])

    def sceneClosed(self) -> None:
        self._plot = None

    def refresh(self) -> None:
        node = self.panel.parameterNode
        self._filling = True
        try:
            self._fillScans()
            self._fillClasses()
            self.ui.startBaseRadio.checked = node.startFrom == BASE
            self.ui.startCheckpointRadio.checked = node.startFrom == CHECKPOINT
        finally:
            self._filling = False
        fromBase = node.startFrom == BASE
        self.ui.startBaseComboBox.enabled = fromBase
        self.ui.startCheckpointComboBox.enabled = not fromBase
        self.intensities.setTitle(AUTO, automatic(row[0] for row in self._rows()))
        for widget in (self.ui.finetuneIntensitiesLabel, self.ui.finetuneIntensitiesComboBox):
            widget.visible = fromBase  # a checkpoint keeps its own
        self.beforeAfter.show(node.trained)
        self.runButton.refresh(self._whyNot())

    def add(self, volumeNode, segmentationNode) -> None:
        """Put a scan on the list, unless it is there."""
        rows = self._rows()
        if all(segmentationNode is not row[1] for row in rows):
            self._setRows([*rows, (volumeNode, segmentationNode, "")])

    def onAddScene(self, checked=False) -> None:
        for pair in pairsInScene():
            self.add(pair.volumeNode, pair.segmentationNode)

    def onAddScan(self, checked=False) -> None:
        volumeNode = self.ui.scanVolumeSelector.currentNode()
        segmentationNode = self.ui.scanSegmentationSelector.currentNode()
        if volumeNode is None or segmentationNode is None:
            slicer.util.errorDisplay(_("Select a volume and its segmentation first."), windowTitle=_("SAMed"))
            return
        self.add(volumeNode, segmentationNode)

    def onRemoveScan(self, checked=False) -> None:
        row = self.ui.scansTable.currentRow()
        rows = self._rows()
        if 0 <= row < len(rows):
            self._setRows(rows[:row] + rows[row + 1 :])

    def onScanEdited(self, row: int, column: int) -> None:
        if not self._filling and column == SLICES_COLUMN:
            rows = self._rows()
            volumeNode, segmentationNode, _slices = rows[row]
            rows[row] = (volumeNode, segmentationNode, self.ui.scansTable.item(row, column).text())
            self._setRows(rows)

    def onClassTicked(self, row: int, column: int) -> None:
        if self._filling or column != 0:
            return
        items = [self.ui.classesTable.item(each, 0) for each in range(self.ui.classesTable.rowCount)]
        leftOut = [item.text() for item in items if item.checkState() == qt.Qt.Unchecked]
        self.panel.parameterNode.leftOutClasses = leftOut

    def onStartToggled(self, isBase: bool) -> None:
        if not self._filling and self.panel.parameterNode is not None:
            self.panel.parameterNode.startFrom = BASE if isBase else CHECKPOINT

    def onBrowseOutput(self, checked=False) -> None:
        chosen = qt.QFileDialog.getSaveFileName(self.panel.widget, _("A new folder for the checkpoint"))
        if chosen:
            self.panel.parameterNode.output = chosen

    def onFinetune(self) -> None:
        node = self.panel.parameterNode
        base = node.startBase if node.startFrom == BASE else models.describe(node.startCheckpoint).base
        self.panel.whenReady(base, self.ui.finetuneButton, self._finetune)

    def _finetune(self) -> None:
        leftOut = tuple(self.panel.parameterNode.leftOutClasses)
        worker = self.panel.logic.workerFor(self.panel.parameterNode.device)
        job = FinetuneJob(worker, self._scans(), self._options(), leftOut)
        self._plot = TrainingPlot(Path(self.panel.parameterNode.output).name)
        self._plot.show()
        self.panel.runner.run(job, self.ui.finetuneButton, self._onTrained, self._plot.add)

    def _onTrained(self, outcome) -> None:
        models.remember(outcome.checkpoint)
        self.panel.listModels()
        self.panel.parameterNode.model = self.panel.parameterNode.trained = outcome.checkpoint
        said = _("The checkpoint is selected in the Segment tab.")
        if outcome.cancelled:
            said = _("Stopped; the best checkpoint so far is selected in the Segment tab.")
        if outcome.validationDice is not None:
            said += " " + _("Validation Dice {dice:.3f}.").format(dice=outcome.validationDice)
        self.panel.runner.say(said)

    def _whyNot(self) -> str:
        node = self.panel.parameterNode
        if not self._rows():
            return _("Add at least one volume with its segmentation.")
        if not set(self._classes().labels.names) - set(node.leftOutClasses):
            return _("Tick at least one class.")
        if not node.output.strip():
            return _("Say where to save the checkpoint.")
        return ""

    def _rows(self) -> list[tuple]:
        """(volume node, segmentation node, slices as text) of each scan; those whose nodes were removed are left out."""
        node = self.panel.parameterNode
        rows = zip(node.scanVolumes, node.scanSegmentations, node.scanSlices, strict=True)
        return [row for row in rows if row[0] is not None and row[1] is not None]

    def _setRows(self, rows: list[tuple]) -> None:
        node = self.panel.parameterNode
        with slicer.util.NodeModify(node):
            node.scanVolumes = [row[0] for row in rows]
            node.scanSegmentations = [row[1] for row in rows]
            node.scanSlices = [row[2] for row in rows]

    def _scans(self) -> list[Scan]:
        return [
            Scan(volumeNode, segmentationNode, parseSlices(text, numberOfSlices(volumeNode)))
            for volumeNode, segmentationNode, text in self._rows()
        ]

    def _options(self) -> FinetuneOptions:
        node = self.panel.parameterNode
        fromBase = node.startFrom == BASE
        return FinetuneOptions(
            out=node.output.strip(),
            base=node.startBase if fromBase else None,
            checkpoint=None if fromBase else node.startCheckpoint,
            preset=node.preset,
            epochs=node.epochs or None,
            minutes=node.minutes or None,
            validation=node.validationPercent / 100,
            resume=None,
            device=node.device,
            intensities=node.finetuneIntensities if fromBase else AUTO,
        )

    def _classes(self) -> Classes:
        node = self.panel.parameterNode
        known = None if node.startFrom == BASE else models.describe(node.startCheckpoint).labels
        return matchSegments([row[1] for row in self._rows()], known)

    def _fillScans(self) -> None:
        table, rows = self.ui.scansTable, self._rows()
        table.setRowCount(len(rows))
        for row, (volumeNode, segmentationNode, slices) in enumerate(rows):
            for column, node in ((VOLUME_COLUMN, volumeNode), (SEGMENTATION_COLUMN, segmentationNode)):
                table.setItem(row, column, _readOnly(node.GetName()))
            table.setItem(row, SLICES_COLUMN, qt.QTableWidgetItem(slices))

    def _fillClasses(self) -> None:
        classes, leftOut = self._classes(), self.panel.parameterNode.leftOutClasses
        segments, unknown = self._segmentsByClass(classes)
        table = self.ui.classesTable
        table.setRowCount(len(classes.labels) + len(unknown))
        for row, label in enumerate(classes.labels):
            name = _readOnly(label.name)
            name.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            name.setCheckState(qt.Qt.Unchecked if label.name in leftOut else qt.Qt.Checked)
            codes = [code.meaning for code in (label.type, label.modifier) if code is not None]
            _setRow(table, row, name, "; ".join(segments[label.name]) or _("in no scan"), ", ".join(codes))
        for row, title in enumerate(unknown, start=len(classes.labels)):
            _setRow(table, row, _readOnly("-"), title, _("not in the checkpoint"))

    def _segmentsByClass(self, classes: Classes) -> tuple[dict[str, list[str]], list[str]]:
        """ "scan: segment" of each segment by the name of its class, and of those that belong to none."""
        segments: dict[str, list[str]] = {name: [] for name in classes.labels.names}
        unknown = []
        for _volumeNode, node, _slices in self._rows():
            segmentation, classOf = node.GetSegmentation(), classes.ofSegments(node)
            for segmentID in segmentation.GetSegmentIDs():
                title = f"{node.GetName()}: {segmentation.GetSegment(segmentID).GetName()}"
                (segments[classOf[segmentID].name] if segmentID in classOf else unknown).append(title)
        return segments, unknown


def _setRow(table, row: int, name, segments: str, code: str) -> None:
    for column, item in enumerate((name, _readOnly(segments), _readOnly(code))):
        table.setItem(row, column, item)


def _readOnly(text: str):
    item = qt.QTableWidgetItem(text)
    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
    item.setToolTip(text)
    return item


def _setColumns(table, titles: tuple[str, ...]) -> None:
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(list(titles))
    table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
    table.verticalHeader().setVisible(False)
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
