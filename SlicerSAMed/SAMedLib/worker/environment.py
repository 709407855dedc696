"""The environment variables of the processes that run SAMedCore."""

import os

import qt

VARIABLES = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
}


def pythonEnvironment(coreFolder: str):
    """Slicer's own variables (qt.QProcessEnvironment), with the folder that holds the package SAMedCore first in PYTHONPATH."""
    environment = qt.QProcessEnvironment.systemEnvironment()
    for name, value in VARIABLES.items():
        environment.insert(name, value)
    paths = [coreFolder, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment.insert("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    return environment
