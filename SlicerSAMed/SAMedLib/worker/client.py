"""The worker process as Slicer sees it: started, asked, listened to, and ended with everything that it left behind."""

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from SAMedCore.service import wire
from SAMedCore.service.events import PROTOCOL, Error, Ready, Result, Started
from SAMedCore.service.messages import Cancel, Shutdown
from SAMedLib.setup.locations import coreFolder, pythonSlicerExecutable
from SAMedLib.worker.environment import pythonEnvironment
from SAMedLib.worker.log import WorkerLog
from SAMedLib.worker.openVolumes import OpenVolumes
from SAMedLib.worker.privateFolder import makePrivateFolder, removeFolder
from SAMedLib.worker.processTree import killTrees

CANCEL_MSEC = 2000
"""What does not stop within that time after it was asked to is killed."""

LEAVE_MSEC = 1000
"""So long a worker may take to leave in order when Slicer closes."""

EventHandler = Callable[[object], None]


class Worker:
    """`python -m SAMedCore.service` in a process of its own.

    It is started by the first request and stays until it is stopped, killed or dies; the next request starts a new one. Every
    request ends in exactly one `Result` or `Error`, whatever becomes of the process. These come from the event loop, never
    within the call that asked.

    Args:
        program: PythonSlicer, or any Python that has SAMedCore's packages.
        coreFolder: the folder that holds the package SAMedCore.
        address: of another computer, "" for this one; then `python -m SAMedCore.remote` speaks for the worker there.

    Attributes:
        ready: the `Ready` event of the running process, else None.
        log: what the worker writes to stderr.
        onReady: called with the `Ready` event.

    Example:
        >>> worker = Worker("PythonSlicer", "/path/to/SlicerSAMed")
        >>> number = worker.request(messages.Fetch("lite"), print)
    """

    def __init__(self, program: str, coreFolder: str, address: str = "") -> None:
        self.program = program
        self.coreFolder = coreFolder
        self.address = address
        self.ready: Ready | None = None
        self.log = WorkerLog()
        self.onReady: Callable[[Ready], None] = lambda ready: None
        self._process = None
        self._folder = None
        self._volumes: OpenVolumes | None = None
        self._pids: tuple[int, ...] = ()
        self._handlers: dict[int, EventHandler] = {}
        self._numbers = 0
        self._lines = wire.Lines()
        self._complaint = ""

    @property
    def isRunning(self) -> bool:
        return self._process is not None

    @property
    def folder(self):
        """The private folder (pathlib.Path) for the voxels of requests; there until the worker ends."""
        self.start()
        return self._folder

    @property
    def volumes(self) -> OpenVolumes:
        """What the running process holds; for as long as it runs."""
        self.start()
        return self._volumes

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that was started and, where that is a launcher, the interpreter that it started in turn."""
        return self._pids

    def start(self) -> None:
        """Start the process unless it runs; `onReady` says when it has loaded torch."""
        if self._process is not None:
            return
        self._folder = makePrivateFolder(slicer.app.temporaryPath)
        self.ready, self._complaint = None, ""
        self._lines = wire.Lines()
        self.log.begin()
        self._volumes = OpenVolumes(self.request, self._folder)
        # PythonQt deletes an object without a parent at once with its last reference, which `_end` gives up while a signal of
        # the process is being sent: Slicer would crash.
        process = qt.QProcess(slicer.app)
        process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        process.setProcessEnvironment(pythonEnvironment(self.coreFolder))
        process.setWorkingDirectory(str(self._folder))
        process.connect("readyReadStandardOutput()", self._onOutput)
        process.connect("readyReadStandardError()", self._onLogOutput)
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onProcessError)
        self._process = process
        module = ["SAMedCore.remote", self.address] if self.address else ["SAMedCore.service"]
        process.start(self.program, ["-m", *module, "--folder", str(self._folder)])
        pid = int(process.processId())
        # 0 where it is known already that the program cannot be started; killing "process 0" would kill Slicer.
        self._pids = (pid,) if pid else ()

    def request(self, message, onEvent: EventHandler) -> int:
        """Send a request; `onEvent` gets its events, the last of them a `Result` or an `Error`. Returns its number."""
        number = self.announce(onEvent)
        self.send(message, number)
        return number

    def announce(self, onEvent: EventHandler) -> int:
        """The number of a request that will follow by `send`; `onEvent` gets an `Error` where the worker ends before that."""
        self._numbers += 1
        self._handlers[self._numbers] = onEvent
        self.start()
        return self._numbers

    def withdraw(self, number: int) -> None:
        """Nothing more is told of the request of this number; one that was sent is to be cancelled instead."""
        self._handlers.pop(number, None)

    def send(self, message, number: int) -> None:
        """Send the announced request of this number, unless it has been answered or withdrawn."""
        if number in self._handlers:
            self._write(message, number)

    def cancel(self, number: int) -> None:
        """Stop the request of this number; the worker is killed where it does not obey within two seconds."""
        if number not in self._handlers:
            return
        self._write(Cancel(), number)
        process = self._process

        def killIfStillAtIt():
            if number in self._handlers and self._process is process:
                self._end(_("Cancelled; the worker did not answer and was ended."), "cancelled")

        qt.QTimer.singleShot(CANCEL_MSEC, killIfStillAtIt)

    def stop(self) -> None:
        """End the process in order, or by force where it does not leave; frees all memory, the GPU's too."""
        if self._process is None:
            return
        self._write(Shutdown(), 0)
        self._process.closeWriteChannel()
        self._process.waitForFinished(LEAVE_MSEC)
        self._end(_("The worker was ended."), "cancelled")

    def pump(self, msec: int) -> None:
        """Let events come for so long, also where no event loop runs (``--python-script``)."""
        if self._process is not None:
            self._process.waitForReadyRead(msec)
        slicer.app.processEvents()

    def _write(self, message, number: int) -> None:
        if self._process.state() != qt.QProcess.NotRunning:
            self._process.write(qt.QByteArray(wire.encode(message, number)))

    def _onOutput(self) -> None:
        process = self._process
        if process is None:
            return
        for line in self._lines.feed(_bytes(process.readAllStandardOutput())):
            try:
                event, number = wire.decode_event(line)
            except wire.ProtocolError as error:
                self.log.add(str(error))
                continue
            self._handle(event, number)
            if self._process is not process:
                return

    def _handle(self, event, number: int) -> None:
        if isinstance(event, Started):
            self._pids = tuple(dict.fromkeys((*self._pids, event.pid)))
        elif isinstance(event, Ready):
            if event.protocol != PROTOCOL:
                text = _("The worker speaks protocol {theirs}, this panel {ours}: restart Slicer after updating SAMed.")
                self._end(text.format(theirs=event.protocol, ours=PROTOCOL), "failed")
                return
            self.ready = event
            self.onReady(event)
        elif number == 0:
            self._complaint = getattr(event, "message", "")
            self.log.add(str(event))
        elif isinstance(event, Result | Error):
            self._answer(number, event)
        elif number in self._handlers:
            self._handlers[number](event)

    def _answer(self, number: int, event) -> None:
        handler = self._handlers.pop(number, None)
        if handler is not None:
            handler(event)

    def _onLogOutput(self) -> None:
        if self._process is not None:
            self.log.feed(_bytes(self._process.readAllStandardError()))

    def _onFinished(self, exitCode: int, exitStatus=None) -> None:
        if self._process is None:
            return
        self._onOutput()
        self._onLogOutput()
        self._end(self._obituary(exitCode), "failed")

    def _onProcessError(self, error) -> None:
        if error != qt.QProcess.FailedToStart:
            return
        process = self._process

        def tell():
            if self._process is process:
                text = _("The SAMed worker could not be started ({program}): reinstall Slicer or check its permissions.")
                self._end(text.format(program=self.program), "failed")

        # Windows says so within start(), other systems from the event loop: who asked always hears it from there.
        qt.QTimer.singleShot(0, tell)

    def _obituary(self, exitCode: int) -> str:
        # Where the connection to another computer breaks, it is the last that is said.
        if self._complaint and (self.ready is None or self.address):
            return self._complaint
        lastWords = self.log.lastWords(self._folder)
        if self.ready is None:
            text = _("The SAMed worker could not start (exit code {code}: {words}). See the log; reinstall in Settings.")
        else:
            text = _(
                "The SAMed worker ended unexpectedly (exit code {code}; {words}). Most often memory ran out: close other "
                "programs or choose another device. Try again; a new worker starts by itself."
            )
        return text.format(code=exitCode, words=lastWords or _("it left no message"))

    def _end(self, sentence: str, kind: str) -> None:
        """Whatever state it is in: no process and no file remains, and every request is answered."""
        process, folder, handlers, pids = self._process, self._folder, self._handlers, self._pids
        if process is None:
            return
        self._volumes.workerEnded()
        self._process = self._folder = self._volumes = self.ready = None
        self._handlers, self._pids = {}, ()
        for signature, slot in (
            ("readyReadStandardOutput()", self._onOutput),
            ("readyReadStandardError()", self._onLogOutput),
            ("finished(int,QProcess::ExitStatus)", self._onFinished),
            ("errorOccurred(QProcess::ProcessError)", self._onProcessError),
        ):
            process.disconnect(signature, slot)
        # A launcher that has gone may have left the interpreter behind.
        killTrees(pids if process.state() != qt.QProcess.NotRunning else pids[1:])
        process.kill()
        process.waitForFinished(LEAVE_MSEC)
        process.deleteLater()
        removeFolder(folder)
        for handler in handlers.values():
            handler(Error(sentence, kind))


_shared: Worker | None = None


def sharedWorker() -> Worker:
    """The one worker of this Slicer, for the panel and the console alike; not started yet the first time."""
    global _shared
    if _shared is None:
        _shared = Worker(pythonSlicerExecutable(), str(coreFolder()))
    return _shared


def stopSharedWorker() -> None:
    """End it if it runs."""
    if _shared is not None:
        _shared.stop()


def _bytes(data) -> bytes:
    return bytes(data.data())
