"""What must hold at the end of a test run that stands for Slicer's own process; a conftest imports it."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def noTorchInSlicersProcess() -> Iterator[None]:
    """Slicer runs without torch: only the worker's process imports it."""
    yield
    assert "torch" not in sys.modules, "torch was imported in Slicer's process"
