"""Every test of the panel runs in one application, with an empty scene and no dialogs open."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer

import slicerhost
from effectEditor import EffectEditor
from promptedWorker import PromptedWorker
from scans import crop, ctNode, drawnNode
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
        from SAMedLib.setup.locations import coreFolder

        homes = {Path(package.__file__).parents[1] for package in (SAMedCore, SAMedLib)} | {coreFolder()}
        assert homes == {Path(expected)}


@pytest.fixture(autouse=True)
def cleanScene() -> Iterator[None]:
    """An empty scene, no settings of the module and nothing noted before the test; no error inside a slot during it."""
    slicerhost.closeScene()
    slicer.app.userSettings().remove("SAMed")
    slicerhost.dialogs.clear()
    slicerhost.packaging.clear()
    slicerhost.signals.slotErrors.clear()
    yield
    slicerhost.closeScene()
    assert slicerhost.signals.slotErrors == []


@pytest.fixture
def ct(sample_ct):
    """Four slices of the sample."""
    return ctNode(crop(sample_ct, 80, 84), "CT")


@pytest.fixture
def drawn(sample_labels, ct):
    """Their organs, all of them drawn by a person."""
    return drawnNode(crop(sample_labels, 80, 84), ct)


@pytest.fixture
def sameModules() -> Iterator[None]:
    """Reloading puts new modules in the place of those that the test files have imported; afterwards the old ones are back."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("SAMed")}
    yield
    sys.modules.update(before)


@pytest.fixture
def panel(sameModules) -> Iterator[object]:
    """The module's panel, entered; its worker is gone afterwards."""
    widget = slicerhost.loadModule("SAMed")
    from SAMedLib.worker.client import stopSharedWorker

    yield widget
    slicerhost.unloadModule("SAMed")
    stopSharedWorker()


@pytest.fixture
def promptedWorker(monkeypatch, tmp_path) -> Iterator[PromptedWorker]:
    """In the place of the worker, without a network; gone afterwards."""
    from SAMedLib.worker import client

    scripted = PromptedWorker(tmp_path)
    monkeypatch.setattr(client, "pythonSlicerExecutable", lambda: scripted.program)
    monkeypatch.setattr(client, "_shared", None)
    yield scripted
    client.stopSharedWorker()


@pytest.fixture
def segmentEditor(sameModules) -> Iterator[type[EffectEditor]]:
    """Makes the Segment Editor with the effect SAMed on a volume, in an open main window; left afterwards."""
    if not hasattr(slicer.modules, "segmenteditorsamed"):
        slicerhost.registerModule("SegmentEditorSAMed")
    with slicerhost.mainWindow():
        yield EffectEditor
        slicerhost.selectModule("")


@pytest.fixture
def editing(promptedWorker, segmentEditor, ct) -> EffectEditor:
    """The effect on four slices of the sample, with a worker that draws what it is given."""
    return segmentEditor(ct)
