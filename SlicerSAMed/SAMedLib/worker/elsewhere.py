"""Workers on other computers, one for each that a device was asked of."""

from SAMedCore.address import Address, is_elsewhere
from SAMedLib.setup.locations import coreFolder, pythonSlicerExecutable
from SAMedLib.worker.client import Worker, sharedWorker

_workers: dict[str, Worker] = {}


def workerFor(device: str) -> Worker:
    """The one worker of this computer, or of the other one that the device is of. Raises InputError as `Address`."""
    return workerElsewhere(device) if is_elsewhere(device) else sharedWorker()


def workerElsewhere(device: str) -> Worker:
    """The one worker of that computer, for all of its devices; its first job connects to it. Raises InputError as `Address`."""
    address = str(Address.parse(device).connection)
    if address not in _workers:
        worker = Worker(pythonSlicerExecutable(), str(coreFolder()), address)
        # Wherever the log of the one here is shown then.
        worker.log.onLine = lambda line: sharedWorker().log.onLine(line)
        _workers[address] = worker
    return _workers[address]


def runsElsewhere() -> bool:
    """Whether any of them runs."""
    return any(worker.isRunning for worker in _workers.values())


def stopWorkersElsewhere() -> None:
    """End those that run."""
    for worker in _workers.values():
        worker.stop()
