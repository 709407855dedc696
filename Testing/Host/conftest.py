"""Every test of the panel runs in one application, with an empty scene and no dialogs open."""

from collections.abc import Iterator

import pytest

import slicerhost
from slicerhost.checks import noTorchInSlicersProcess  # noqa: F401

slicerhost.boot()  # before any test file imports the module


@pytest.fixture(autouse=True)
def cleanScene() -> Iterator[None]:
    """An empty scene and nothing noted before the test; no error inside a slot during it."""
    slicerhost.closeScene()
    slicerhost.dialogs.clear()
    slicerhost.packaging.clear()
    slicerhost.signals.slotErrors.clear()
    yield
    slicerhost.closeScene()
    assert slicerhost.signals.slotErrors == []
