"""The effect while it is active: its frame, the slice views, and what it hears from scene and editor."""

from __future__ import annotations

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
from SAMedLib.running.ready import whenReady
from SAMedLib.running.runner import JobButton, Runner
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.volumes import jumpToSlice, showsAxialSlices, shownSlice
from SAMedLib.worker.client import sharedWorker


class Activity(VTKObservationMixin):
    """From the effect's activation until `end`, which leaves nothing behind in views, scene and worker.

    Args:
        scriptedEffect: Slicer's effect object.
        ui: the widgets of its options by name.
        throughText: what stands on the button "Through the volume" while it is not Cancel.
    """

    def __init__(self, scriptedEffect, ui) -> None:
        super().__init__()
        self._effect = scriptedEffect
        self._worker = sharedWorker()
        self._ui = ui
        self._views = slicesInLayout()
        self.frame = Frame(scriptedEffect, ui)
        self.runner = Runner(ui, self.refresh)
        self.preview = Preview()
        self.prompting = Prompting(
            scriptedEffect, self._worker, lambda: self.frame.options, self.runner.say, self._fetch, self._onChanged
        )
        self.interaction = Interaction(self.prompting)
        self._escape = EscapeKey(lambda: not self.prompting.isEmpty)
        self._escape.watch(self._views)
        self._ahead = Ahead(ui.throughButton, self._encodeAhead)
        self._through = JobButton(self.runner, ui.throughButton, self._onThrough)
        self.frame.listDevices(self._worker.ready)
        self._connect()
        self._observe()
        self.runner.say("")
        self.sourceVolumeChanged()

    def end(self) -> None:
        """The effect is left, or the scene is closed."""
        self.removeObservers()
        self.interaction.cancel()
        self.prompting.drop()
        self.prompting.asking.forget()
        self.runner.cancel()
        self.preview.clear()
        self._escape.watch([])
        self._ahead.stop()
        self.frame.close()
"""
