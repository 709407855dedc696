"""One running job, or installation: its button becomes Cancel, its progress and its end are shown."""

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import Cancelled, SAMedError
from SAMedLib.jobs.job import Job, JobListener
from SAMedLib.jobs.phases import PHASES, duration
from SAMedLib.setup import install
from SAMedLib.setup.packages import missingPackages


def _ignore(event) -> None:
    """Nobody wants to know."""


class Runner(JobListener):
    """Runs one job at a time.

    Args:
        ui: widgets by name: `progressBar`, `statusLabel` and `noticesLabel` are this one's.
        onChanged: called whenever a job has started or ended, to enable and disable buttons.
    """

    def __init__(self, ui, onChanged: Callable[[], None]) -> None:
        self.ui = ui
        self._onChanged = onChanged
        self._job: Job | None = None
        self._isInstalling = False
        self._button = None
        self._buttonText = ""
        self._onSuccess: Callable[[object], None] = _ignore
        self._onMetrics: Callable[[object], None] = _ignore
        self._notices: list[str] = []
        self.ui.progressBar.visible = False
        self.forgetNotices()

    @property
    def isBusy(self) -> bool:
        return self._job is not None or self._isInstalling

    def isRunBy(self, button) -> bool:
        """Whether this button started what runs, so that it is Cancel now."""
        return self._job is not None and self._button is button

    def run(self, job: Job, button, onSuccess, onMetrics=_ignore) -> None:
        """Start a job; `onSuccess` gets its outcome. What is wrong with the user's choice is shown at once."""
        self._job, self._button, self._onSuccess, self._onMetrics = job, button, onSuccess, onMetrics
        self._buttonText = button.text
        self.forgetNotices()
        button.text = _("Cancel")
        self.ui.progressBar.visible = True
        job.listener = self
        try:
            job.start()
        except SAMedError as error:
            self.jobFailed(error)
        else:
            self._onChanged()

    def attempt(self, begin: Callable[[], None]) -> None:
        """Begin something; show why it cannot be begun."""
        try:
            begin()
        except SAMedError as error:
            self.jobRefused(error)

    def install(self, reinstall: bool = False) -> bool:
        """Install what is missing, or everything anew; no button works meanwhile. False where the user or something said no."""
        if not reinstall and not missingPackages():
            return True
        self._isInstalling = True
        self._onChanged()
        try:
            return install.install(reinstall=reinstall)
        except SAMedError as error:
            self.jobRefused(error)
            return False
        finally:
            self._isInstalling = False
            self._onChanged()

    def jobRefused(self, error: SAMedError) -> None:
        """Show why something could not even be begun."""
        self.say(str(error))
        slicer.util.errorDisplay(str(error), windowTitle=_("SAMed"))

    def cancel(self) -> None:
        if self._job is not None:
            self.say(_("Cancelling..."))
            self._job.cancel()

    def say(self, text: str) -> None:
        self.ui.statusLabel.text = text

    def jobProgressed(self, phase: str, done: int, total: int, secondsLeft: float | None) -> None:
        self.ui.progressBar.maximum = total
        self.ui.progressBar.value = done
        text = PHASES.get(phase, phase)
        if total > 1:
            text = _("{phase}: {done} of {total}").format(phase=text, done=done, total=total)
        if secondsLeft is not None and done < total:
            text = _("{progress}, {time} left").format(progress=text, time=duration(secondsLeft))
        self.say(text)

    def jobMeasured(self, metrics) -> None:
        self._onMetrics(metrics)

    def jobNoted(self, message: str) -> None:
        """Show it below the progress, where it stays until the next job starts."""
        if message not in self._notices:
            self._notices.append(message)
            self._showNotices()

    def forgetNotices(self) -> None:
        """They are read, or of another volume."""
        self._notices.clear()
        self._showNotices()

    def jobSucceeded(self, outcome) -> None:
        onSuccess = self._onSuccess
        self._rest()
        self.say(_("Done."))
        onSuccess(outcome)
        self._onChanged()

    def jobFailed(self, error: SAMedError) -> None:
        self._rest()
        if isinstance(error, Cancelled):
            self.say(str(error))
        else:
            self.jobRefused(error)
        self._onChanged()

    def _showNotices(self) -> None:
        self.ui.noticesLabel.text = "\n".join(notice[:1].upper() + notice[1:] for notice in self._notices)
        self.ui.noticesLabel.visible = bool(self._notices)

    def _rest(self) -> None:
        self._button.text = self._buttonText
        # What was to be told holds the parameter node, which may go with the scene.
        self._job = self._button = None
        self._onSuccess = self._onMetrics = _ignore
        self.ui.progressBar.visible = False


class JobButton:
    """A button that starts a job, and is Cancel while that job runs.

    Args:
        start: called by a click; what it raises (SAMedError) is shown.
        tip: its tool tip while it can be clicked; None for the button's own.
        stopTip: while it is Cancel.
    """

    def __init__(
        self, runner: Runner, button, start: Callable[[], None], tip: str | None = None, stopTip: str = _("Stop.")
    ) -> None:
        self._runner = runner
        self._button = button
        self._start = start
        self._tip = button.toolTip if tip is None else tip
        self._stopTip = stopTip
        button.connect("clicked(bool)", self.onClicked)

    def onClicked(self, checked=False) -> None:
        if self._runner.isRunBy(self._button):
            self._runner.cancel()
        else:
            self._runner.attempt(self._start)

    def refresh(self, problem: str) -> None:
        """Enable it, and say what a click does or why it does nothing.

        Args:
            problem: why it cannot be clicked now; "" where it can.
        """
        isOurs = self._runner.isRunBy(self._button)
        self._button.enabled = isOurs or not (self._runner.isBusy or problem)
        self._button.toolTip = self._stopTip if isOurs else problem or self._tip
