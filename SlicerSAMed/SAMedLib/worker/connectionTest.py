"""The test of the connection to another computer, in a process of its own while Slicer goes on."""

import json
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from SAMedLib.setup.locations import coreFolder, pythonSlicerExecutable
from SAMedLib.worker.environment import pythonEnvironment
from SAMedLib.worker.processTree import killTrees

LEAVE_MSEC = 1000


class ConnectionTest:
    """`python -m SAMedCore.remote ADDRESS --test`, one at a time.

    Args:
        onEnd: called from the event loop with what was found, as `SAMedCore.remote.checking.Found.to_json` has it, or with
            {"error": sentence}; not after `stop`.
        onLine: called with each line of ssh and of the far end.
    """

    def __init__(self, onEnd: Callable[[dict], None], onLine: Callable[[str], None]) -> None:
        self._onEnd = onEnd
        self._onLine = onLine
        self._process = None

    @property
    def isRunning(self) -> bool:
        return self._process is not None

    def start(self, address: str) -> None:
        """Begin; one that runs is stopped."""
        self.stop()
        # With a parent, as in `Worker.start`.
        process = self._process = qt.QProcess(slicer.app)
        process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        process.setProcessEnvironment(pythonEnvironment(str(coreFolder())))
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onProcessError)
        process.start(pythonSlicerExecutable(), ["-m", "SAMedCore.remote", address, "--test"])

    def stop(self) -> None:
        """End it, ssh too."""
        process = self._process
        if process is None:
            return
        pid = int(process.processId())
        self._forget()
        # Where the program is but a launcher: the end of stdin ends what it has started.
        process.closeWriteChannel()
        killTrees((pid,) if pid else ())
        process.kill()
        process.waitForFinished(LEAVE_MSEC)

    def _onFinished(self, exitCode: int, exitStatus=None) -> None:
        process = self._process
        if process is None:
            return
        said, log = _text(process.readAllStandardOutput()), _text(process.readAllStandardError())
        self._forget()
        for line in log.splitlines():
            self._onLine(line)
        try:
            found = json.loads(said)
        except ValueError:
            last = next((line for line in reversed(log.splitlines()) if line.strip()), _("it left no message"))
            text = _("The test ended unexpectedly (exit code {code}: {words}). See the log; 'Force reinstall' above may help.")
            found = {"error": text.format(code=exitCode, words=last.strip())}
        self._onEnd(found)

    def _onProcessError(self, error) -> None:
        if error != qt.QProcess.FailedToStart:
            return
        process = self._process

        def tell():
            if self._process is process and process is not None:
                self._forget()
                self._onEnd({"error": _("Slicer's Python could not be started: reinstall Slicer or check its permissions.")})

        # As in `Worker`: Windows says so within start().
        qt.QTimer.singleShot(0, tell)

    def _forget(self) -> None:
        process, self._process = self._process, None
        process.disconnect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.disconnect("errorOccurred(QProcess::ProcessError)", self._onProcessError)
        process.deleteLater()


def _text(data) -> str:
    return bytes(data.data()).decode("utf-8", "replace")
