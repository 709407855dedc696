"""The Segment tab: a CT and a model to a segmentation, and what a person does with it next."""

import qt
from slicer.i18n import tr as _

from SAMedCore.address import is_elsewhere
from SAMedCore.checkpoint import catalogue
from SAMedCore.errors import InputError
from SAMedCore.options import ModelOptions, RankOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedCore.service.events import Ready
from SAMedLib.jobs.job import PlainJob
from SAMedLib.jobs.rank import DoubtfulSlice, RankJob
from SAMedLib.jobs.segment import SegmentJob
from SAMedLib.panel import models
from SAMedLib.panel.bindings import ChoiceBinding, EditableChoiceBinding, TicksBinding, notFoundHere
from SAMedLib.panel.openEffect import openEditor
from SAMedLib.panel.parameters import AUTO_DEVICE, CURRENT_SLICE, MOST_DOUBT, WHOLE_VOLUME, WIDEST_GAP
from SAMedLib.running.runner import JobButton
from SAMedLib.scene.nextSlices import slicesByGap
from SAMedLib.scene.statistics import addVolumesTable, volumesInWords
from SAMedLib.scene.uncertainty import UncertaintyOverlay, doubtInWords
from SAMedLib.scene.undo import SavedSegmentation
from SAMedLib.scene.volumes import jumpToSlice, numberOfSlices, shownSlice
from SAMedLib.setup.otherComputer import choicesElsewhere

SLICES_LISTED = 20


def _unlistedDevice(device: str) -> str:
    return device if is_elsewhere(device) else notFoundHere(device)


class SegmentTab:
    """Binds the tab's widgets and does what its buttons say.

    Args:
        panel: the widget class that owns this: `ui`, `logic`, `runner`, `parameterNode`, `whenReady()`.
    """

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self._saved: SavedSegmentation | None = None
        self._model: str | None = None
        self._overlay = UncertaintyOverlay()
        # Takes seconds on a large scan: the result is shown first. The panel's own timer, so that it goes with the panel.
        self._measuring = qt.QTimer(panel.widget)
        self._measuring.setSingleShot(True)
        self._measuring.connect("timeout()", self._measure)

        def node():
            return panel.parameterNode

        self.model = ChoiceBinding(ui.modelComboBox, "model", node)
        self.modelBase = EditableChoiceBinding(ui.modelBaseComboBox, "modelBase", node)
        self.organs = TicksBinding(ui.organsList, "leftOutOrgans", node)
        self.region = ChoiceBinding(ui.regionComboBox, "region", node)
        self.device = ChoiceBinding(ui.deviceComboBox, "device", node, _unlistedDevice)
        self.nextSliceBy = ChoiceBinding(ui.nextSliceComboBox, "nextSliceBy", node)
        self.bindings = (self.model, self.modelBase, self.organs, self.region, self.device, self.nextSliceBy)
        self.listModels()
        self.modelBase.setItems([base.name for base in catalogue.BASE_MODELS if base.in_original_format])
        self.region.setItems([(WHOLE_VOLUME, _("Whole volume")), (CURRENT_SLICE, _("Current axial slice"))])
        ways = [(WIDEST_GAP, _("Middle of the widest gap")), (MOST_DOUBT, _("Where the model is least sure"))]
        self.nextSliceBy.setItems(ways)
        self.listDevices(None)
        ui.browseModelFolderButton.connect("clicked(bool)", self.onBrowseFolder)
        ui.browseModelFileButton.connect("clicked(bool)", self.onBrowseFile)
        ui.allOrgansButton.connect("clicked(bool)", lambda checked: self.organs.setAll(True))
        ui.noOrgansButton.connect("clicked(bool)", lambda checked: self.organs.setAll(False))
        self.runButton = JobButton(panel.runner, ui.applyButton, self.onApply, _("Segment the volume."))
        self.rankButton = JobButton(panel.runner, ui.rankButton, self.onRank)
        ui.revertButton.connect("clicked(bool)", self.onRevert)
        ui.correctButton.connect("clicked(bool)", self.onCorrect)
        ui.rankedList.connect("itemClicked(QListWidgetItem*)", self.onSliceClicked)
        ui.uncertaintyCheckBox.connect("clicked(bool)", self.onUncertaintyClicked)

    def listModels(self) -> None:
        """Offer the models that there are now."""
        self.model.setItems(models.choices())

    def listDevices(self, ready: Ready | None) -> None:
        """Offer the devices that the worker found, before it has those that every computer has; and another computer's."""
        here = [(AUTO_DEVICE, _("Automatic (listed once the worker runs)")), ("cpu", _("CPU"))]
        if ready is not None:
            best = _("Automatic ({device})").format(device=ready.devices[0].description)
            here = [(AUTO_DEVICE, best), *((device.name, device.description) for device in ready.devices)]
        self.device.setItems(here + choicesElsewhere())

    def sceneClosed(self) -> None:
        """Forget what belonged to the scene's nodes."""
        self._measuring.stop()
        self._saved = None
        self._overlay.forget()
        for label in (self.ui.volumesLabel, self.ui.doubtLabel):
            label.text = ""
        self.ui.rankedList.clear()

    def refresh(self) -> None:
        """Show what the parameter node says, and enable what can be done."""
        node, runner = self.panel.parameterNode, self.panel.runner
        if node.model != self._model:
            self._model = node.model
            self._described = models.describe(node.model)
            self.ui.modelDescriptionLabel.text = self._described.text
            self.organs.setNames(self._described.labels.names if self._described.labels else ())
        for widget in (self.ui.modelBaseLabel, self.ui.modelBaseComboBox):
            widget.visible = models.isOriginal(node.model)
        for widget in (self.ui.organsLabel, self.ui.organsList, self.ui.allOrgansButton, self.ui.noOrgansButton):
            widget.visible = self._described.labels is not None
        problem = self._whyNot()
        self.runButton.refresh(problem)
        self.rankButton.refresh(self._whyNoNextSlice(problem))
        self.ui.doubtLabel.visible = bool(self.ui.doubtLabel.text)
        segmentation = node.outputSegmentation
        hasResult = segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0
        self.ui.show3DButton.setSegmentationNode(segmentation)
        self.ui.show3DButton.enabled = hasResult
        self.ui.correctButton.enabled = hasResult and node.inputVolume is not None
        canRevert = self._saved is not None and self._saved.isOf(segmentation)
        self.ui.revertButton.enabled = canRevert and not runner.isBusy

    def onBrowseFolder(self, checked=False) -> None:
        self._choose(qt.QFileDialog.getExistingDirectory(self.panel.widget, _("The folder of a checkpoint")))

    def onBrowseFile(self, checked=False) -> None:
        title, filters = _("A checkpoint of SAMed's authors"), _("Original checkpoints (*.pth)")
        chosen = qt.QFileDialog.getOpenFileName(self.panel.widget, title, "", filters)
        self._choose(chosen)

    def onApply(self) -> None:
        if models.isOriginal(self.panel.parameterNode.model):
            self.panel.whenReady(self.panel.parameterNode.modelBase, self.ui.applyButton, self._importThenSegment)
        else:
            self.panel.whenReady(self._described.base, self.ui.applyButton, self._segment)

    def onRevert(self, checked=False) -> None:
        self._saved.revert()
        self._saved = None
        self._overlay.hide(self.panel.parameterNode.inputVolume)
        for label in (self.ui.volumesLabel, self.ui.doubtLabel):
            label.text = ""
        self.panel.refresh()

    def onCorrect(self, checked=False) -> None:
        """With the effect, so that boxes correct it; without, with the editor's own tools."""
        node = self.panel.parameterNode
        if not self.panel.pathTab.prompt(node.inputVolume, node.outputSegmentation):
            openEditor(node.outputSegmentation, node.inputVolume)

    def onUncertaintyClicked(self, checked) -> None:
        """Show what is there of an earlier run; hiding it gives the views back what they showed."""
        volumeNode = self.panel.parameterNode.inputVolume
        if checked:
            self._overlay.show(volumeNode)
        else:
            self._overlay.hide(volumeNode)

    def onRank(self) -> None:
        node = self.panel.parameterNode
        if node.nextSliceBy == WIDEST_GAP:
            self._showRanking([DoubtfulSlice(k) for k in slicesByGap(node.inputVolume, node.outputSegmentation)])
            return
        self.panel.whenReady(self._described.base, self.ui.rankButton, self._rank)

    def onSliceClicked(self, item) -> None:
        volumeNode = self.panel.parameterNode.inputVolume
        if volumeNode is not None:
            jumpToSlice(volumeNode, int(item.data(qt.Qt.UserRole)))

    def _whyNot(self) -> str:
        """Why nothing can be segmented now, for the tool tip; "" where it can."""
        node = self.panel.parameterNode
        if node.inputVolume is None:
            return _("Select a CT volume.")
        if not self._described.isUsable:
            return self._described.text
        if models.isOriginal(node.model) and not node.modelBase:
            return _("Name the base model that the original checkpoint was trained on.")
        if self._described.labels is not None and not self.organs.ticked():
            return _("Tick at least one organ.")
        return ""

    def _whyNoNextSlice(self, problem: str) -> str:
        """Likewise for finding slices; `problem` keeps a model from working."""
        node = self.panel.parameterNode
        if node.nextSliceBy == WIDEST_GAP:
            return "" if node.inputVolume is not None else _("Select a CT volume.")
        if not problem and models.isOriginal(node.model):
            return _("Apply turns the original checkpoint into one that can rank slices.")
        return problem

    def _choose(self, path: str) -> None:
        if path:
            models.remember(path)
            self.panel.listModels()
            self.panel.parameterNode.model = path

    def _rank(self) -> None:
        node = self.panel.parameterNode
        options = RankOptions(self.panel.logic.annotatedSlices(node.inputVolume, node.outputSegmentation))
        job = RankJob(self.panel.logic.workerFor(node.device), node.inputVolume, self._modelOptions(), options)
        self.panel.runner.run(job, self.ui.rankButton, self._showRanking)

    def _modelOptions(self) -> ModelOptions:
        node = self.panel.parameterNode
        return ModelOptions(node.model, device=node.device)

    def _importThenSegment(self) -> None:
        node = self.panel.parameterNode
        folder = models.importedFolder(node.model)
        message = messages.Import(file=node.model, base=node.modelBase, out=folder, orientation=catalogue.PUBLISHED_ORIENTATION)

        job = PlainJob(self.panel.logic.worker, message)

        def onImported(values):
            self._choose(values["checkpoint"])
            self.panel.refresh()  # where another module is shown nothing else does, and the ticks are those of the .pth
            if not job.wasCancelled:
                self.panel.runner.attempt(self._segment)

        self.panel.runner.run(job, self.ui.applyButton, onImported)

    def _segment(self) -> None:
        node = self.panel.parameterNode
        organs = self.organs.ticked() if node.leftOutOrgans else None
        options = SegmentOptions(organs, self._slicesToSegment(), uncertainty=node.uncertainty)
        saved = SavedSegmentation(node.outputSegmentation) if node.outputSegmentation is not None else None
        job = SegmentJob(
            self.panel.logic.workerFor(node.device),
            node.inputVolume,
            node.outputSegmentation,
            self._modelOptions(),
            options,
            self._described.labels,
        )

        def onSegmented(segmentationNode):
            self._saved = saved
            node.outputSegmentation = segmentationNode
            self.ui.rankedList.clear()
            self._showDoubt(job)
            self.ui.volumesLabel.text = _("Measuring volumes...")
            self._measured = segmentationNode, job.volumeNode
            self._measuring.start()

        self.panel.runner.run(job, self.ui.applyButton, onSegmented)

    def _slicesToSegment(self) -> tuple[int, ...] | None:
        """From the feet; None for all. Raises InputError where none is left."""
        node = self.panel.parameterNode
        kept = ()
        if node.keepDrawn and node.outputSegmentation is not None:
            kept = self.panel.logic.annotatedSlices(node.inputVolume, node.outputSegmentation)
        if node.region == WHOLE_VOLUME and not kept:
            return None
        isWhole = node.region == WHOLE_VOLUME
        chosen = range(numberOfSlices(node.inputVolume)) if isWhole else (shownSlice(node.inputVolume),)
        slices = tuple(k for k in chosen if k not in kept)
        if not slices:
            text = _("You drew or corrected all of these slices: choose a new segmentation, or do not keep what you drew.")
            raise InputError(text)
        return slices

    def _measure(self) -> None:
        segmentationNode, volumeNode = self._measured
        self.ui.volumesLabel.text = ""
        if segmentationNode.GetScene() is not None and volumeNode.GetScene() is not None:
            self.ui.volumesLabel.text = volumesInWords(addVolumesTable(segmentationNode, volumeNode))

    def _showDoubt(self, job: SegmentJob) -> None:
        """What the job said of its own result, in words, over the CT, and as the slices to correct next."""
        node = self.panel.parameterNode
        self.ui.doubtLabel.text = ""
        if job.doubt is None:
            self._overlay.hide(job.volumeNode)
            return
        self.ui.doubtLabel.text = _("Doubt: {structures}").format(structures=doubtInWords(job.doubt["labels"]))
        self._overlay.show(job.volumeNode if node.uncertainty else None)
        if node.nextSliceBy == MOST_DOUBT and job.doubt["slices"] is not None:
            known = [DoubtfulSlice(k, doubt) for k, doubt in enumerate(job.doubt["slices"]) if doubt is not None]
            self._showRanking(sorted(known, key=lambda each: -each.uncertainty))

    def _showRanking(self, slices) -> None:
        self.ui.rankedList.clear()
        for doubtful in slices[:SLICES_LISTED]:
            text = _("Slice {k}") if doubtful.uncertainty is None else _("Slice {k}, doubt {doubt:.2f}")
            item = qt.QListWidgetItem(text.format(k=doubtful.number, doubt=doubtful.uncertainty))
            item.setData(qt.Qt.UserRole, doubtful.number)
            self.ui.rankedList.addItem(item)
