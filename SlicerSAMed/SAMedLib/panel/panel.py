"""The panel: its tabs, its running job, its log."""

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from SAMedLib.panel.completeTab import CompleteTab
from SAMedLib.panel.finetuneTab import FinetuneTab
from SAMedLib.panel.pathTab import PathTab
from SAMedLib.panel.segmentTab import SegmentTab
from SAMedLib.panel.settingsTab import SettingsTab
from SAMedLib.running.ready import whenReady
from SAMedLib.running.runner import Runner
from SAMedLib.setup.packages import missingPackages


class Panel:
    """What the tabs share.

    Args:
        widget: the panel's top-level widget.
        ui: its children by name.
        logic: `SAMedLogic`.

    Attributes:
        parameterNode: the scene's `SAMedParameterNode`, also while the panel is not shown; None at the very first.
        runner: the running job.
    """

    def __init__(self, widget, ui, logic) -> None:
        self.widget = widget
        self.ui = ui
        self.logic = logic
        self.parameterNode = None
        self.runner = Runner(ui, self.refresh)
        self.pathTab = PathTab(self)
        self.segmentTab = SegmentTab(self)
        self.completeTab = CompleteTab(self)
        self.finetuneTab = FinetuneTab(self)
        self.settingsTab = SettingsTab(self)
        self._tabs = (self.pathTab, self.segmentTab, self.completeTab, self.finetuneTab, self.settingsTab)
        self._isRefreshing = False
        ui.tabWidget.connect("currentChanged(int)", self.onTabChanged)
        self._fitToTab()
        logic.worker.onReady = self.onWorkerReady
        logic.worker.log.onLine = ui.logText.appendPlainText

    def entered(self) -> None:
        """The user has come to the module: the worker is started ahead, if it can be, so that Apply need not wait for it."""
        self.settingsTab.showState()
        if not missingPackages() and not slicer.app.testingEnabled():
            self.logic.worker.start()
        self.onTabChanged(self.ui.tabWidget.currentIndex)
        self.refresh()

    def refresh(self) -> None:
        """Show what the parameter node says."""
        if self.parameterNode is None or self._isRefreshing:
            return
        self._isRefreshing = True
        try:
            for tab in self._tabs:
                for binding in tab.bindings:
                    binding.toGui()
                tab.refresh()
        finally:
            self._isRefreshing = False

    def listModels(self) -> None:
        """A checkpoint or a base model was added."""
        self.completeTab.listModels()
        self.segmentTab.listModels()
        self.finetuneTab.listModels()

    def listDevices(self) -> None:
        """The worker here has found its devices, or another computer was named or tested."""
        self.segmentTab.listDevices(self.logic.worker.ready)
        self.refresh()

    def whenReady(self, base: str | None, button, proceed: Callable[[], None]) -> None:
        """Go on with `proceed` once packages and base model are there; the user is asked before anything is fetched.

        Args:
            base: name of a base model of the catalogue or of the Hugging Face Hub; anything else is left to the worker.
            button: the one that was clicked; it is Cancel while the base model is fetched.
        """
        whenReady(self.runner, self.logic.worker, base, button, proceed)

    def sceneClosed(self) -> None:
        """The scene is about to be closed: stop what works on it."""
        self.runner.cancel()
        for tab in self._tabs:
            tab.sceneClosed()

    def close(self) -> None:
        """The panel goes away; the worker may outlive it."""
        self.runner.cancel()
        self.settingsTab.close()
        self.logic.worker.onReady = lambda ready: None
        self.logic.worker.log.onLine = lambda line: None

    def onTabChanged(self, index: int) -> None:
        self._fitToTab()
        if index == self.ui.tabWidget.indexOf(self.ui.pathTab):
            self.pathTab.showDrawn()
        elif index == self.ui.tabWidget.indexOf(self.ui.completeTab):
            self.completeTab.showAnnotated()
        elif index == self.ui.tabWidget.indexOf(self.ui.finetuneTab):
            self.finetuneTab.beforeAfter.fit()
        elif index == self.ui.tabWidget.indexOf(self.ui.settingsTab):
            self.settingsTab.showState()

    def onWorkerReady(self, ready) -> None:
        if not self.runner.isBusy:
            self.runner.say(_("Ready: {device}").format(device=ready.devices[0].description))
        self.listDevices()

    def _fitToTab(self) -> None:
        """As high as the tab shown: otherwise the longest tab pushes progress and log out of sight on all of them."""
        ui = self.ui
        contents = (ui.pathContents, ui.completeContents, ui.finetuneContents, ui.segmentContents, ui.settingsContents)
        for index, widget in enumerate(contents):
            widget.visible = index == ui.tabWidget.currentIndex
        ui.tabWidget.updateGeometry()
