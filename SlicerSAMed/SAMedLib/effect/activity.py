"""The effect while it is active: its frame, the slice views, and what it hears from scene and editor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SAMedCore.errors import InputError
from SAMedLib.effect.ahead import Ahead
from SAMedLib.effect.frame import Frame
from SAMedLib.effect.interaction import EscapeKey, Interaction
from SAMedLib.effect.preview import Drawing, Preview
from SAMedLib.effect.prompting import Prompting
from SAMedLib.effect.throughVolume import ThroughVolume
from SAMedLib.jobs.encodeAhead import EncodeAheadJob
from SAMedLib.jobs.propagate import Propagation
from SAMedLib.running.ready import whenReady
from SAMedLib.running.runner import Runner
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.volumes import jumpToSlice, shownSlice, showsAxialSlices
from SAMedLib.worker.client import sharedWorker
from SAMedLib.worker.elsewhere import workerFor


class Activity(VTKObservationMixin):
    """From the effect's activation until `end`, which leaves nothing behind in views, scene and worker.

    Args:
        scriptedEffect: Slicer's effect object.
        ui: the widgets of its options by name.
    """

    def __init__(self, scriptedEffect, ui) -> None:
        super().__init__()
        self._views: list = []
        self._isOver = False
        self._encodedFor = None
        self._effect = scriptedEffect
        self._ui = ui
        self._worker = sharedWorker()
        self.frame = Frame(scriptedEffect, ui)
        self.runner = Runner(ui, self.refresh)
        self.preview = Preview(scriptedEffect)
        say, note = self.runner.say, self.runner.jobNoted
        self.prompting = Prompting(scriptedEffect, lambda: self.frame.options, say, note, self._whenReady, self._draw)
        self.interaction = Interaction(self.prompting)
        self._escape = EscapeKey()
        self._ahead = Ahead(ui.throughButton, self._encodeAhead)
        self._connect()
        self._observe()
        self.frame.listDevices(self._worker.ready)
        self.runner.say("")
        ui.throughButton.text = _("Through the volume")  # a job of the last time may still be at its cancelling
        self.layoutChanged()
        self.sourceVolumeChanged()

    def end(self) -> None:
        """The effect is left."""
        self._isOver = True
        self.removeObservers()
        self._forget()
        self._ahead.stop()
        self.preview.clear()
        self.frame.close()

    def processInteraction(self, interactor, event: int, viewWidget) -> bool:
        """Whether the event was taken."""
        return viewWidget in self._views and self.interaction.process(interactor, event, viewWidget)

    def viewMoved(self, viewWidget) -> None:
        """A slice view shows something else."""
        if viewWidget in self._views:
            self.preview.follow(viewWidget)
            self._noteShown(viewWidget)

    def layoutChanged(self) -> None:
        """There are other views."""
        self._views = _slicesInLayout()
        self.prompting.showAgain()

    def sourceVolumeChanged(self) -> None:
        """Another volume was chosen, or none."""
        self.prompting.check()
        self.runner.forgetNotices()
        volumeNode = self._effect.parameterSetNode().GetSourceVolumeNode()
        self.frame.showFound(volumeNode)
        try:
            self.frame.limitTo(AxialSlices(volumeNode).count)
        except InputError:
            return
        self._noteShownAgain()

    def refresh(self) -> None:
        """Enable what can be done; not when a job that was cancelled at the end says so at last."""
        if self._isOver:
            return
        isFree = not self.runner.isBusy
        self._ui.applyButton.enabled = self._ui.clearButton.enabled = not self.prompting.isEmpty
        self._ui.throughButton.enabled = isFree or self.runner.isRunBy(self._ui.throughButton)

    def parametersChanged(self) -> None:
        """The frame shows what the parameter node says."""
        self.frame.show()
        if self.frame.options != self._encodedFor:
            self._noteShownAgain()

    def _connect(self) -> None:
        ui = self._ui
        for button, act in (
            (ui.applyButton, self.prompting.keep),
            (ui.clearButton, self.prompting.drop),
            (ui.throughButton, self._onThroughClicked),
            (ui.lowestHereButton, lambda: self._limitHere("LowestSlice")),
            (ui.highestHereButton, lambda: self._limitHere("HighestSlice")),
        ):
            self.frame.connect(button, "clicked(bool)", lambda checked=False, act=act: act())
        self.frame.connect(ui.doubtfulLabel, "linkActivated(QString)", self._onDoubtful)

    def _observe(self) -> None:
        scene, parameters = slicer.mrmlScene, self._effect.parameterSetNode()
        self.addObserver(scene, scene.StartCloseEvent, lambda caller, event: self._forget())
        self.addObserver(scene, scene.NodeRemovedEvent, self._onChanged)
        self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self._observeNodes()

    def _observeNodes(self) -> None:
        """The nodes that are selected now, and those alone."""
        parameters = self._effect.parameterSetNode()
        watched = (
            (parameters.GetSegmentationNode(), slicer.vtkSegmentation.SegmentRemoved, self._onSegmentRemoved),
            (parameters.GetSegmentationNode(), slicer.vtkSegmentation.SegmentModified, self._onSegmentModified),
            (parameters.GetSourceVolumeNode(), slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._onVolumeModified),
            (parameters.GetSourceVolumeNode(), vtk.vtkCommand.ModifiedEvent, self._onVolumeModified),
            (parameters.GetSourceVolumeNode(), slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._onVolumeMoved),
        )
        for node, event, method in watched:
            observed = self.observer(event, method)
            if observed is not node:
                if observed is not None:
                    self.removeObserver(observed, event, method)
                if node is not None:
                    self.addObserver(node, event, method)

    def _forget(self) -> None:
        self.interaction.cancel()
        self.prompting.drop()
        self.prompting.asking.forget()
        self.runner.cancel()
        self.frame.showDoubtful([])

    def _onChanged(self, caller, event) -> None:
        if not slicer.mrmlScene.IsClosing() and self._effect.parameterSetNode() is not None:
            self.prompting.check()
            self._observeNodes()

    def _onSegmentRemoved(self, caller, event) -> None:
        self.prompting.check()

    def _onSegmentModified(self, caller, event) -> None:
        self.prompting.showAgain()  # its colour

    def _onVolumeModified(self, caller, event) -> None:
        self.prompting.check()

    def _onVolumeMoved(self, caller, event) -> None:
        self.prompting.showAgain()

    def _draw(self, drawing: Drawing | None) -> None:
        self.preview.show(drawing, self._views)
        if self.prompting.isEmpty:
            self._escape.giveBack()
        else:
            self._escape.take()
        self.refresh()

    def _noteShownAgain(self) -> None:
        """The shown slice is another volume's, or another model is to encode it."""
        self._encodedFor = self.frame.options
        self._ahead.again()
        for widget in self._views:
            self._noteShown(widget)

    def _noteShown(self, sliceWidget) -> None:
        """Have the slice encoded that an axial view has come to."""
        volumeNode, node = self._effect.parameterSetNode().GetSourceVolumeNode(), sliceWidget.mrmlSliceNode()
        try:
            axial = AxialSlices(volumeNode)
            if showsAxialSlices(node, volumeNode):
                middle = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, 3]
                self._ahead.shown(axial.numberAt(axial.indexAt(middle)))
        except InputError:
            self._ahead.shown(None)

    def _encodeAhead(self, k: int) -> None:
        if self.prompting.isReady():
            volumeNode, options = self._effect.parameterSetNode().GetSourceVolumeNode(), self.frame.options
            self.prompting.asking.hint(lambda: EncodeAheadJob(workerFor(options.device), volumeNode, k, options))

    def _whenReady(self, proceed: Callable[[], None]) -> None:
        if self.runner.isBusy:
            return
        whenReady(self.runner, self._worker, self.frame.options.base, self._ui.throughButton, proceed)
        if not self.runner.isBusy and not self.prompting.isReady():
            self.prompting.drop()
            self.runner.say(_("Nothing can be drawn without packages and base model: draw again to be asked again."))

    def _onThroughClicked(self) -> None:
        if self.runner.isRunBy(self._ui.throughButton):
            self.runner.cancel()
            return
        self.prompting.keep()
        self._whenReady(self._carryOn)

    def _carryOn(self) -> None:
        parameters = self._effect.parameterSetNode()
        everySegment = parameters.GetSegmentationNode().GetSegmentation().GetSegmentIDs()
        through = ThroughVolume(
            self._effect, everySegment if self.frame.takesAllSegments else [parameters.GetSelectedSegmentID()]
        )
        limits = self.frame.limits(AxialSlices(parameters.GetSourceVolumeNode()))
        job = through.job(workerFor(self.frame.options.device), limits, self.frame.options)
        self.frame.showDoubtful([])

        def onCarriedOn(outcome) -> None:
            if not job.wasCancelled:
                self.runner.attempt(lambda: self._finish(through, outcome))

        self.runner.run(job, self._ui.throughButton, onCarriedOn)

    def _finish(self, through: ThroughVolume, outcome: Propagation) -> None:
        written = through.write(outcome)
        self.frame.showDoubtful(written)
        self.frame.listDevices(self._worker.ready)
        found, segmentation = Counter(each.segmentID for each in written), through.segmentation
        text = _("{name} on {count} slices")
        names = ", ".join(
            text.format(name=segmentation.GetSegment(each).GetName(), count=found[each])
            for each in segmentation.GetSegmentIDs()
            if each in found
        )
        nothing = _("Nothing was found beyond the kept slices.")
        if not through.hasKept:
            nothing = _(
                "Of what the checkpoint drew the base model sees nothing: draw a box on a slice, and keep it with Enter."
            )
        self.runner.say(_("Found: {names}.").format(names=names) if found else nothing)

    def _onDoubtful(self, link: str) -> None:
        """The slice, and the segment to correct there."""
        doubtful, parameters = self.frame.doubtful[int(link)], self._effect.parameterSetNode()
        if parameters.GetSegmentationNode().GetSegmentation().GetSegment(doubtful.segmentID) is not None:
            parameters.SetSelectedSegmentID(doubtful.segmentID)
        jumpToSlice(parameters.GetSourceVolumeNode(), doubtful.k)

    def _limitHere(self, name: str) -> None:
        volumeNode = self._effect.parameterSetNode().GetSourceVolumeNode()
        self.runner.attempt(lambda: self._effect.setParameter(name, shownSlice(volumeNode)))


def _slicesInLayout() -> list:
    """The slice views (qMRMLSliceWidget) that the layout shows; none where there is no main window."""
    manager = slicer.app.layoutManager()
    names = manager.sliceViewNames() if manager is not None else ()
    widgets = [manager.sliceWidget(name) for name in names]
    return [widget for widget in widgets if widget.mrmlSliceNode().IsMappedInLayout()]
