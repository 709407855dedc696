"""The Complete tab: the rest of a partly annotated scan."""

from slicer.i18n import tr as _

from SAMedCore.errors import SAMedError
from SAMedCore.image.slices import in_words
from SAMedCore.options import CompleteOptions
from SAMedLib.jobs.complete import CompleteJob
from SAMedLib.panel import models
from SAMedLib.panel.bindings import ChoiceBinding
from SAMedLib.panel.sliceText import parseSlices
from SAMedLib.running.runner import JobButton
from SAMedLib.scene.intensities import AUTO, automatic, intensitiesChoices
from SAMedLib.scene.provenance import keptSlicesBySegment
from SAMedLib.scene.undo import SavedSegmentation
from SAMedLib.scene.volumes import numberOfSlices


class CompleteTab:
    """Binds the tab's widgets and does what its buttons say; `panel` as in `SegmentTab`."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self._saved: SavedSegmentation | None = None
        self._read = None
        self.base = ChoiceBinding(ui.completeBaseComboBox, "completeBase", lambda: panel.parameterNode)
        self.intensities = ChoiceBinding(ui.completeIntensitiesComboBox, "completeIntensities", lambda: panel.parameterNode)
        self.intensities.setItems(intensitiesChoices())
        self.bindings = (self.base, self.intensities)
        self.listModels()
        self.runButton = JobButton(
            panel.runner, ui.completeButton, self.onComplete, _("Fill in the slices between the annotated ones.")
        )
        ui.fromBoxesButton.connect("clicked(bool)", self.onFromBoxes)
        ui.completeRevertButton.connect("clicked(bool)", self.onRevert)

    def listModels(self) -> None:
        self.base.setItems(models.baseChoices())

    def sceneClosed(self) -> None:
        self._saved = self._read = None
        self.ui.estimateLabel.text = ""

    def refresh(self) -> None:
        node, runner = self.panel.parameterNode, self.panel.runner
        problem = ""
        if node.completeVolume is None or node.completeSegmentation is None:
            problem = _("Select the volume and the segmentation that you drew on it.")
        self.intensities.setTitle(AUTO, automatic([node.completeVolume]))
        self.runButton.refresh(problem)
        isShown = self.ui.tabWidget.currentWidget() is self.ui.completeTab
        if isShown and self._read != (node.completeVolume, node.completeSegmentation):
            self.showAnnotated()
        canRevert = self._saved is not None and self._saved.isOf(node.completeSegmentation)
        self.ui.completeRevertButton.enabled = canRevert and not runner.isBusy

    def showAnnotated(self) -> None:
        """Say which slices count as annotated; reads the segmentation, so only when the tab is looked at."""
        node = self.panel.parameterNode
        if node is None:
            return
        self._read = (node.completeVolume, node.completeSegmentation)
        try:
            slices = self._annotated()
        except SAMedError as error:
            self.ui.annotatedInfoLabel.text, self.ui.fromBoxesButton.visible = str(error), False
            return
        self.ui.fromBoxesButton.visible = not slices
        text = _("{count} annotated slices: {slices}") if slices else _("No slice is annotated yet: draw, or begin with boxes.")
        self.ui.annotatedInfoLabel.text = text.format(count=len(slices), slices=in_words(slices))

    def onFromBoxes(self, checked=False) -> None:
        node = self.panel.parameterNode
        self.panel.pathTab.prompt(node.completeVolume or node.promptVolume, node.completeSegmentation)

    def onComplete(self) -> None:
        self.panel.whenReady(self.panel.parameterNode.completeBase, self.ui.completeButton, self._complete)

    def onRevert(self, checked=False) -> None:
        self._saved.revert()
        self._saved = None
        self.ui.estimateLabel.text = ""
        self.panel.refresh()

    def _complete(self) -> None:
        node = self.panel.parameterNode
        options = CompleteOptions(self._slices(), node.completeBase, node.device, intensities=node.completeIntensities)
        saved = SavedSegmentation(node.completeSegmentation)
        job = CompleteJob(self.panel.logic.workerFor(node.device), node.completeVolume, node.completeSegmentation, options)

        def onCompleted(outcome):
            self._saved = saved
            self._showEstimate(outcome)

        self.panel.runner.run(job, self.ui.completeButton, onCompleted)

    def _annotated(self) -> tuple[int, ...]:
        node = self.panel.parameterNode
        if node.completeVolume is None or node.completeSegmentation is None:
            return ()
        slices = self._slices()
        if slices is None:
            kept = keptSlicesBySegment(node.completeSegmentation, node.completeVolume)
            slices = tuple(sorted(set().union(*kept.values())))
        return slices

    def _slices(self) -> tuple[int, ...] | None:
        node = self.panel.parameterNode
        return parseSlices(node.annotatedSlices, numberOfSlices(node.completeVolume))

    def _showEstimate(self, outcome) -> None:
        lines = [outcome.summary]
        if outcome.estimates:
            lines.append(_("Left-out slices are twice as far from the next annotated one as those filled in."))
        self.ui.estimateLabel.text = "\n".join(lines)
