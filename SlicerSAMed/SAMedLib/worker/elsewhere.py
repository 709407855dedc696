"""Workers on other computers, one for each that a device was asked of."""

from SAMedCore.address import Address
from SAMedLib.setup.locations import coreFolder, pythonSlicerExecutable
from SAMedLib.worker.client import Worker

_workers: dict[str, Worker] = {}


def workerElsewhere(device: str) -> Worker:
    """The one worker of that computer, for all of its devices; its first job connects to it. Raises InputError as `Address`."""
    address = str(Address.parse(device).connection)
    if address not in _workers:
        _workers[address] = Worker(pythonSlicerExecutable(), str(coreFolder()), address)
    return _workers[address]


def stopWorkersElsewhere() -> None:
    """End those that run."""
    for worker in _workers.values():
        worker.stop()
