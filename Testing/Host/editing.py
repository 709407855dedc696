"""The Segment Editor opened on a volume, with a scripted effect, as the tests of effects begin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import slicer

import slicerhost

ELLIPSE = Path(__file__).parent / "ellipseEffect" / "SegmentEditorEllipseEffect.py"


def register(path: Path) -> None:
    """As an effect's hidden module does when Slicer has started."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects

    scriptedEffect = effects.qSlicerSegmentEditorScriptedEffect(None)
    assert scriptedEffect.setPythonSource(path.as_posix())
    scriptedEffect.self().register()


def segmentEditor():
    """The editor of the module SegmentEditor."""
    return slicer.modules.segmenteditor.widgetRepresentation().self().editor


@contextmanager
def opened(volumeNode, *names: str, size: tuple[int, int] = (1300, 850)) -> Iterator[object]:
    """The editor, entered in a main window whose views show the volume; a segment of each name, the first one selected."""
    with slicerhost.mainWindow(*size):
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        slicer.util.selectModule("SegmentEditor")
        editor = segmentEditor()
        for name in names:
            editor.segmentationNode().GetSegmentation().AddEmptySegment(name, name)
        if names:
            editor.setCurrentSegmentID(names[0])
        yield editor
        slicerhost.selectModule("")


def voxelsOf(editor, segmentID: str) -> np.ndarray:
    """(k, j, i) bool on the grid of the source volume: the segment."""
    node, source = editor.segmentationNode(), editor.sourceVolumeNode()
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentID, source) > 0
