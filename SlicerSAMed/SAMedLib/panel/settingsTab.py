"""The Settings tab: packages, base models, another computer, cache, the workers' memory."""

import qt
import slicer
from slicer.i18n import tr as _

from SAMedCore.checkpoint import hub
from SAMedCore.service import messages
from SAMedLib.jobs.job import PlainJob
from SAMedLib.panel.otherComputer import OtherComputerGroup
from SAMedLib.running.runner import JobButton
from SAMedLib.setup.locations import baseModels, cachedFiles, cacheFolder, cacheMegabytes, clearCache
from SAMedLib.setup.packages import installedVersions, missingPackages
from SAMedLib.worker.elsewhere import runsElsewhere, stopWorkersElsewhere


class SettingsTab:
    """Binds the tab's widgets and does what its buttons say; `panel` as in `SegmentTab`."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self.bindings = ()
        ui.installButton.connect("clicked(bool)", self.onInstall)
        ui.reinstallButton.connect("clicked(bool)", self.onReinstall)
        self.fetchButton = JobButton(panel.runner, ui.fetchButton, self.onFetch)
        ui.clearCacheButton.connect("clicked(bool)", self.onClearCache)
        ui.freeMemoryButton.connect("clicked(bool)", self.onFreeMemory)
        ui.baseModelsList.connect("currentRowChanged(int)", lambda row: panel.refresh())
        self.fetchHubButton = JobButton(panel.runner, ui.fetchHubButton, self.onFetchHub)
        ui.hubNameEdit.connect("textChanged(QString)", lambda text: panel.refresh())
        self.otherComputer = OtherComputerGroup(panel)
        self.showState()

    def close(self) -> None:
        """The panel goes away."""
        self.otherComputer.close()

    def sceneClosed(self) -> None:
        """Nothing here belongs to a scene."""

    def showState(self) -> None:
        """Read anew what is installed and fetched; not needed at every change of the parameter node."""
        self._isComplete = not missingPackages()
        versions = installedVersions()
        lines = [f"{name}: {version or _('not installed')}" for name, version in versions.items()]
        self.ui.versionsLabel.text = "\n".join(lines)
        row = self.ui.baseModelsList.currentRow
        self.ui.baseModelsList.clear()
        here = cachedFiles()
        for base in baseModels():
            state = _("here") if cacheFolder() is not None and base.path in here else _("not fetched")
            item = qt.QListWidgetItem(f"{base.name}: {base.description} ({state})")
            item.setToolTip(_("Licence: {licence}").format(licence=base.licence or _("not stated")))
            item.setData(qt.Qt.UserRole, base.name)
            self.ui.baseModelsList.addItem(item)
        self.ui.baseModelsList.setCurrentRow(max(row, 0))
        folder = cacheFolder()
        text = (
            _("Cache folder: {folder} ({size:.0f} MB)") if folder else _("The cache folder is known once SAMed is installed.")
        )
        self.ui.cacheLabel.text = text.format(folder=folder, size=cacheMegabytes())

    def refresh(self) -> None:
        isFree = not self.panel.runner.isBusy
        self.ui.installButton.enabled = isFree and not self._isComplete
        self.ui.reinstallButton.enabled = isFree
        problem = self._whatIsMissing()
        if self.ui.baseModelsList.currentRow < 0:
            problem = _("Select a base model.")
        self.fetchButton.refresh(problem)
        self.fetchHubButton.refresh(self._whyNotFromHub())
        self.ui.clearCacheButton.enabled = isFree
        self.ui.freeMemoryButton.enabled = isFree and (self.panel.logic.worker.isRunning or runsElsewhere())

    def onInstall(self, checked=False) -> None:
        self._install(reinstall=False)

    def onReinstall(self, checked=False) -> None:
        # Windows cannot replace files that a worker has open.
        self._stopWorkers()
        self._install(reinstall=True)

    def onFetch(self) -> None:
        name = self.ui.baseModelsList.currentItem().data(qt.Qt.UserRole)
        job = PlainJob(self.panel.logic.worker, messages.Fetch(name))
        self.panel.runner.run(job, self.ui.fetchButton, lambda values: self.showState())

    def onFetchHub(self) -> None:
        text = self.ui.hubNameEdit.text.strip()
        name = hub.hub_name(text if hub.is_hub_name(text) else hub.PREFIX + text)
        job = PlainJob(self.panel.logic.worker, messages.Fetch(str(name)))
        self.panel.runner.run(job, self.ui.fetchHubButton, lambda values: self._onHubFetched(name))

    def onClearCache(self, checked=False) -> None:
        text = _("Remove the fetched base models and samples ({size:.0f} MB)? Checkpoints stay.").format(size=cacheMegabytes())
        if slicer.util.confirmOkCancelDisplay(text, windowTitle=_("SAMed")):
            self._stopWorkers()
            clearCache()
            self.showState()
            self.panel.refresh()

    def onFreeMemory(self, checked=False) -> None:
        self._stopWorkers()
        self.panel.runner.say(_("The worker has ended and its memory is free; the next run starts a new one."))
        self.panel.refresh()

    def _stopWorkers(self) -> None:
        self.panel.logic.worker.stop()
        stopWorkersElsewhere()

    def _onHubFetched(self, name: hub.HubName) -> None:
        isBase = hub.find_fetched(name).kind == "base"
        self.ui.hubNameEdit.text = ""
        self.panel.listModels()
        self.showState()
        base = _("{name} is among the base models now.")
        checkpoint = _("{name} can be chosen in the Segment tab and to go on from in the Fine-tune tab.")
        self.panel.runner.say((base if isBase else checkpoint).format(name=name))

    def _whyNotFromHub(self) -> str:
        return self._whatIsMissing() or ("" if self.ui.hubNameEdit.text.strip() else _("Write a model's name first."))

    def _whatIsMissing(self) -> str:
        return "" if self._isComplete else _("Install what SAMed needs first.")

    def _install(self, reinstall: bool) -> None:
        if self.panel.runner.install(reinstall):
            self.panel.runner.say(_("Everything that SAMed needs is installed."))
        self.showState()
        self.panel.refresh()
