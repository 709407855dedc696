"""The first tab: the path from an unlabelled scan to a model of one's own, a button for each of its four steps."""

from slicer.i18n import tr as _

from SAMedCore.errors import SAMedError
from SAMedLib.panel import models
from SAMedLib.panel.openEffect import openEffect
from SAMedLib.scene.provenance import isAnswered, keptSlicesBySegment
from SAMedLib.scene.volumes import numberOfSlices

MOST_NAMES = 4


class PathTab:
    """Binds the tab's widgets and does what its buttons say; `panel` as in `SegmentTab`."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self._read = None
        self._promptTip = ui.promptStepButton.toolTip
        self.bindings = ()
        ui.promptStepButton.connect("clicked(bool)", self.onPrompt)
        ui.completeStepButton.connect("clicked(bool)", self.onComplete)
        ui.finetuneStepButton.connect("clicked(bool)", self.onFinetune)
        ui.segmentStepButton.connect("clicked(bool)", lambda checked: ui.tabWidget.setCurrentWidget(ui.segmentTab))

    def sceneClosed(self) -> None:
        self._read = None

    def refresh(self) -> None:
        node, ui = self.panel.parameterNode, self.ui
        hasVolume = node.promptVolume is not None
        ui.promptStepButton.enabled = hasVolume
        ui.promptStepButton.toolTip = self._promptTip if hasVolume else _("Select a CT volume.")
        if self.isShown and self._read != (node.promptVolume, node.promptSegmentation):
            self.showDrawn()
        ui.finetuneStateLabel.text = _inTheList(len(node.scanVolumes))
        title = dict(models.choices()).get(node.model, node.model)
        ui.segmentStateLabel.text = _chosen(title, len(models.ownCheckpoints()))

    @property
    def isShown(self) -> bool:
        return self.ui.tabWidget.currentWidget() is self.ui.pathTab

    def showDrawn(self) -> None:
        """Say what is drawn; reads the segmentation, so only when the tab is looked at."""
        node = self.panel.parameterNode
        if node is None:
            return
        self._read = (node.promptVolume, node.promptSegmentation)
        self.ui.promptStateLabel.text, self.ui.completeStateLabel.text = self._drawnInWords(*self._read)

    def onPrompt(self, checked=False) -> None:
        node = self.panel.parameterNode
        self.prompt(node.promptVolume, node.promptSegmentation)

    def prompt(self, volumeNode, segmentationNode) -> bool:
        """Open the effect on this scan, which is the one of this tab and of Complete from now on, or say why not.

        Returns:
            whether it is open.
        """
        node, isOpen = self.panel.parameterNode, False

        def begin() -> None:
            nonlocal isOpen
            node.promptSegmentation = openEffect(volumeNode, segmentationNode)
            node.promptVolume = volumeNode
            self._handOver()
            isOpen = True

        self.panel.runner.attempt(begin)
        return isOpen

    def onComplete(self, checked=False) -> None:
        self._handOver()
        self.ui.tabWidget.setCurrentWidget(self.ui.completeTab)

    def onFinetune(self, checked=False) -> None:
        node = self.panel.parameterNode
        if node.promptVolume is not None and node.promptSegmentation is not None:
            self.panel.finetuneTab.add(node.promptVolume, node.promptSegmentation)
        self.ui.tabWidget.setCurrentWidget(self.ui.finetuneTab)

    def _handOver(self) -> None:
        """Complete takes the scan of this tab."""
        node = self.panel.parameterNode
        if node.promptSegmentation is not None:
            node.completeVolume, node.completeSegmentation = node.promptVolume, node.promptSegmentation

    def _drawnInWords(self, volumeNode, segmentationNode) -> tuple[str, str]:
        """What there is for prompting and for completing."""
        if volumeNode is None:
            return _("Load a CT first; the sample is in the module Sample Data."), ""
        try:
            count = numberOfSlices(volumeNode)
            kept = {} if segmentationNode is None else keptSlicesBySegment(segmentationNode, volumeNode)
        except SAMedError as error:
            return str(error), ""
        drawn = set().union(*kept.values())
        isAnswer = segmentationNode is not None and isAnswered(segmentationNode)
        if not drawn:
            nothing = _("A model drew it; nothing is corrected yet.") if isAnswer else _("Nothing is drawn yet.")
            return nothing, _("No slice is drawn yet.")
        segments = [f"{segmentationNode.GetSegmentation().GetSegment(each).GetName()} {len(kept[each])}" for each in kept]
        if len(segments) > MOST_NAMES:
            segments[MOST_NAMES:] = [_("{count} more").format(count=len(segments) - MOST_NAMES)]
        said = _("Slices corrected: {segments}.") if isAnswer else _("Slices drawn or accepted: {segments}.")
        return said.format(segments=", ".join(segments)), _("{drawn} of {count} slices are drawn.").format(
            drawn=len(drawn), count=count
        )


def _inTheList(count: int) -> str:
    if not count:
        return _("No scan is in its list yet.")
    return _("Scans in its list: {count}. Learnt from: the slices that you drew or corrected.").format(count=count)


def _chosen(model: str, own: int) -> str:
    said = _("Chosen: {model}.").format(model=model)
    more = _("You have {count} of your own.").format(count=own) if own else _("You have none of your own yet.")
    return f"{said} {more}"
