"""Every test of the panel runs in one application, with an empty scene and no dialogs open."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import slicerhost
from slicerhost.checks import noTorchInSlicersProcess  # noqa: F401

slicerhost.boot()  # before any test file imports the module


def pytest_addoption(parser) -> None:
    parser.addoption("--module-folder", help="where the module and SAMedCore must come from, for an installed tree")


@pytest.fixture(scope="session", autouse=True)
def theRightModule(request) -> None:
    expected = request.config.getoption("--module-folder")
    if expected:
        import SAMedCore
        import SAMedLib
        from SAMedLib.locations import coreFolder

        homes = {Path(package.__file__).parents[1] for package in (SAMedCore, SAMedLib)} | {coreFolder()}
        assert homes == {Path(expected)}


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


@pytest.fixture
def counter(monkeypatch):
    """The panel of a small module, in `example/`, for the tests of the stand-in itself."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "example"))
    panel = slicerhost.loadModule("Counter")
    yield panel
    slicerhost.unloadModule("Counter")
    sys.modules.pop("Counter")


@pytest.fixture
def panel() -> Iterator[object]:
    """The module's panel, entered; its worker is gone afterwards."""
    widget = slicerhost.loadModule("SAMed")
    from SAMedLib.worker import stopSharedWorker

    yield widget
    slicerhost.unloadModule("SAMed")
    stopSharedWorker()
