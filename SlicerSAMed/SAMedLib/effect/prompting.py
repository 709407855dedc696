"""Boxes and points on one slice, the mask that comes of them, and keeping it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import qt
from slicer.i18n import tr as _

from SAMedCore.errors import InputError, SAMedError
from SAMedCore.options import PromptOptions
from SAMedLib.effect.asking import Asking
from SAMedLib.effect.keeping import SlicesOfSegment, keepInEditor
from SAMedLib.effect.lattice import onVolume
from SAMedLib.effect.pending import Pending
from SAMedLib.effect.preview import Drawing
from SAMedLib.effect.slicePrompts import SlicePrompts, Step
from SAMedLib.jobs.prompt import PromptJob
from SAMedLib.running.ready import isReady
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.provenance import forgetModelSlices, recordOverwritten, segmentSums
from SAMedLib.scene.volumes import showsAxialSlices
from SAMedLib.worker.elsewhere import workerFor


class Prompting:
    """Turns what `Interaction` understands into requests, and answers into segments.

    Args:
        scriptedEffect: whose editor it is.
        options: says which model draws, and where.
        say: shows the person a sentence.
        note: shows one that stays.
        ready: called where packages or base model are missing, with what to do when they are there.
        changed: called with what is to be seen now (None: nothing).
    """

    def __init__(
        self,
        scriptedEffect,
        options: Callable[[], PromptOptions],
        say: Callable[[str], None],
        note: Callable[[str], None],
        ready: Callable[[Callable[[], None]], None],
        changed: Callable[[Drawing | None], None],
    ) -> None:
        self.asking = Asking(self._onWaiting, self._onFailed, note)
        self._effect = scriptedEffect
        self._options = options
        self._say = say
        self._whenReady = ready
        self._changed = changed
        self._now: Pending | None = None
        self._readyBase: str | None = None

    @property
    def isEmpty(self) -> bool:
        """Whether there is nothing to keep, drop or take back."""
        return self._now is None

    def isReady(self) -> bool:
        """Whether packages and base model are there; asked of the disk until they are."""
        base = self._options().base
        if self._readyBase != base and isReady(base):
            self._readyBase = base
        return self._readyBase == base

    def canBegin(self, sliceWidget, world: np.ndarray) -> bool:
        """Whether a prompt may begin at this place (3,) of the world; where not, the person is told why."""
        parameters = self._effect.parameterSetNode()
        volumeNode, segmentID = parameters.GetSourceVolumeNode(), parameters.GetSelectedSegmentID()
        try:
            axial = AxialSlices(volumeNode)
            if not segmentID:
                raise InputError(_("No segment is selected: add one, or select the one to draw."))
            if not showsAxialSlices(sliceWidget.mrmlSliceNode(), volumeNode):
                raise InputError(_("SAMed draws on the volume's axial slices: use a slice view that shows them."))
            if not axial.holds(axial.indexAt(world)):
                raise InputError(_("This place is not in the volume: draw where its voxels are."))
        except InputError as error:
            self._say(str(error))
            return False
        return True

    def begin(self, world: np.ndarray) -> bool:
        """Begin a prompt there, or go on with those of that slice; False where the person decides otherwise."""
        confirmed = self._effect.confirmCurrentSegmentVisible()
        # After a dialog the mouse is elsewhere; it is not shown again.
        if confirmed in (self._effect.NotConfirmed, self._effect.ConfirmedWithDialog):
            return False
        parameters = self._effect.parameterSetNode()
        axial = AxialSlices(parameters.GetSourceVolumeNode())
        k = axial.numberAt(axial.indexAt(world))
        if self._now is not None and not (self._isCurrent() and self._now.k == k):
            self._dropWithWord()
        if self._now is None:
            node, segmentID = parameters.GetSegmentationNode(), parameters.GetSelectedSegmentID()
            start = onVolume(node, segmentID, axial.volumeNode, axial.part([k]))
            self._now = Pending(axial, k, node, segmentID, SlicePrompts(start if start.any() else None))
        return True

    def boxMoved(self, first: np.ndarray, opposite: np.ndarray) -> None:
        """The box is being drawn, between these places (3,) of the world."""
        if self._now is not None:
            self._now.draft = self._now.prompts.withBox(self._now.point(first), self._now.point(opposite))
            self._show()
            if self.isReady():
                self._ask(self._now, self._now.draft)

    def boxDrawn(self, first: np.ndarray, opposite: np.ndarray) -> None:
        """The box is drawn; what the worker was asked while it was, is not asked again."""
        now = self._now
        if now is None:
            return
        step, draft = now.prompts.withBox(now.point(first), now.point(opposite)), now.draft
        isAsked = draft is not None and draft.prompt == step.prompt and (draft.mask is not None or self.asking.isBusy)
        self._take(draft if isAsked else step, isAsked)

    def clicked(self, world: np.ndarray, belongs: bool) -> None:
        """A point was given."""
        if self._now is not None:
            self._take(self._now.prompts.withPoint(self._now.point(world), belongs))

    def keep(self) -> bool:
        """Put the mask into the segment, now or when it is there. False where there is nothing to keep."""
        now = self._now
        if now is None or now.prompts.last is None:
            return False
        if not self._isCurrent():
            self._dropWithWord()
        elif now.prompts.last.mask is None:
            now.keepAtOnce = True
            self._say(_("Kept as soon as it is drawn."))
            if not self.asking.isBusy:
                self._askOrFetch(now, now.prompts.last)
        else:
            self._write(now, now.prompts.last.mask)
        return True

    def drop(self) -> bool:
        """Forget what was given and what came of it. False where there is nothing."""
        if self._now is None:
            return False
        self._now = None
        self.asking.forget()
        self._say("")
        self._show()
        return True

    def takeBack(self) -> bool:
        """Undo the last point or box. False where there is nothing."""
        now = self._now
        if now is None:
            return False
        now.keepAtOnce = False
        now.prompts.takeBack()
        if now.prompts.last is None:
            return self.drop()
        self._say("")
        self._show()
        if now.prompts.last.mask is None:
            self._askOrFetch(now, now.prompts.last)
        return True

    def check(self) -> None:
        """Something has changed in editor or scene: drop prompts that belong to what is no longer there or selected."""
        if self._now is not None and not self._isCurrent():
            self._dropWithWord()

    def showAgain(self) -> None:
        """The views are others."""
        self._show()

    def _take(self, step: Step, isAsked: bool = False) -> None:
        now = self._now
        now.draft = None
        now.prompts.take(step)
        self._show()
        if step.mask is not None:
            self._sayAnswer(now, step)
        elif not isAsked:
            self._askOrFetch(now, step)

    def _askOrFetch(self, now: Pending, step: Step) -> None:
        if self.isReady():
            self._ask(now, step)
            return

        def askTheNewest() -> None:
            if self._now is now and now.prompts.last is not None:
                self._ask(now, now.prompts.last)

        # A dialog would come in the middle of the mouse's event.
        qt.QTimer.singleShot(0, lambda: self._now is now and self._whenReady(askTheNewest))

    def _ask(self, now: Pending, step: Step) -> None:
        def job() -> PromptJob:
            before = None if step.before is None else now.labelMap(step.before)
            options = self._options()
            return PromptJob(workerFor(options.device), now.axial.volumeNode, step.prompt, options, before)

        self.asking.ask(job, lambda outcome: self._onAnswer(now, step, outcome))

    def _onAnswer(self, now: Pending, step: Step, outcome) -> None:
        if self._now is not now:
            return
        if not self._isCurrent():
            self._dropWithWord()
            return
        step.mask, step.quality = outcome.labelmap.voxels > 0, outcome.quality
        if step is now.prompts.last and now.keepAtOnce:
            self._write(now, step.mask)
            return
        self._sayAnswer(now, step)
        self._show()

    def _sayAnswer(self, now: Pending, step: Step) -> None:
        text = _("Slice {k}, sure to {quality:.0%}: Enter keeps it, clicks correct it, Esc drops it.")
        self._say(text.format(k=now.k, quality=step.quality))

    def _write(self, now: Pending, mask: np.ndarray) -> None:
        node, segmentID, volumeNode = now.segmentationNode, now.segmentID, now.axial.volumeNode
        before = self._sums(now)
        keepInEditor(self._effect, now.axial, [SlicesOfSegment(segmentID, (now.k,), mask)])
        forgetModelSlices(node, segmentID, (now.k,))
        after = self._sums(now)
        if before is not None and after is not None:
            recordOverwritten(node, before, after)
        isThere = np.array_equal(onVolume(node, segmentID, volumeNode, now.axial.part([now.k])), mask)
        partly = _("Slice {k} is kept as far as masking and the segmentation's geometry let it.")
        kept = _("Slice {k} is kept.") if isThere else partly
        self._now = None
        self.asking.forget()
        self._say(kept.format(k=now.k))
        self._show()

    def _sums(self, now: Pending):
        """What the other segments hold on the slice; None where no record of it can be."""
        others = [each for each in now.segmentationNode.GetSegmentation().GetSegmentIDs() if each != now.segmentID]
        try:
            return segmentSums(now.segmentationNode, now.axial.volumeNode, others, (now.k,))
        except InputError:
            return None

    def _isCurrent(self) -> bool:
        parameters = self._effect.parameterSetNode()
        return parameters is not None and self._now.isOf(parameters)

    def _dropWithWord(self) -> None:
        k = self._now.k
        self.drop()
        self._say(_("What was not kept on slice {k} is dropped.").format(k=k))

    def _show(self) -> None:
        self._changed(None if self._now is None else self._now.drawing())

    def _onWaiting(self) -> None:
        self._say(_("The worker is busy with another job: what you drew is answered as soon as that is done."))

    def _onFailed(self, error: SAMedError) -> None:
        if self._now is not None:
            self._now.keepAtOnce = False
        self._say(str(error))
