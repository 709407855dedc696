"""The tutorial's first part by a simulated person: from nothing drawn to five organs in 3D, in minutes, with the Dice of each.

The mouse and keys go through the Segment Editor's stand-in, the masks come from a real worker. `make five-organs` prints it.
"""

from __future__ import annotations

import time

import numpy as np
import slicer

import slicerhost

slicerhost.boot()  # before a module that needs the application

from draw_effect import ORGANS, WINDOW, addSegments, carryOn, drawBox, maskOf, slicesToDraw  # noqa: E402
from editing import opened  # noqa: E402
from SAMedCore.demo.sample import fetch_sample  # noqa: E402
from SAMedCore.image.orientation import reorient  # noqa: E402
from SAMedCore.image.volume import LabelMap  # noqa: E402
from SAMedLib.scene.reading import readAnnotation  # noqa: E402
from SAMedLib.worker.client import sharedWorker, stopSharedWorker  # noqa: E402
from scans import ctNode  # noqa: E402
from slicerhost import mouse  # noqa: E402

BOX_S = 6.0
"""Assumed for a person to scroll to a slice, select a segment, drag a box and press Enter; not measured."""


def main() -> None:
    ct, organs = (reorient(image, "LPS") for image in fetch_sample())
    volumeNode = ctNode(ct, "CT")
    slicerhost.registerModule("SegmentEditorSAMed")
    begun = time.monotonic()
    with opened(volumeNode, size=WINDOW) as editor:
        addSegments(editor, organs.labels)
        editor.setActiveEffectByName("SAMed")
        slicerhost.waitUntil(lambda: sharedWorker().ready is not None, seconds=600)
        ready = time.monotonic()
        boxes = 0
        for name in ORGANS:
            for k in slicesToDraw(organs, name):
                drawBox(editor, volumeNode, organs, name, k)
                mouse.key("Red", "Return")
                boxes += 1
        drawn = time.monotonic()
        carryOn(editor)
        done = time.monotonic()
        dices = dicesOf(editor.segmentationNode(), volumeNode, organs)
    stopSharedWorker()
    minutes = (done - begun + boxes * BOX_S) / 60
    print(f"worker started in {ready - begun:.0f} s; {boxes} boxes answered and kept in {drawn - ready:.0f} s; ", end="")
    print(f"through the volume in {done - drawn:.0f} s; with {BOX_S:g} s of a person's own for each box {minutes:.1f} minutes")
    print(", ".join(f"{name} {dice:.3f}" for name, dice in dices.items()), f"mean {np.mean(list(dices.values())):.3f}")


def dicesOf(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode, organs: LabelMap) -> dict[str, float]:
    """Dice in 3D of each organ against the sample's labels (TotalSegmentator's, not a person's)."""
    found = readAnnotation(segmentationNode, volumeNode).labelmap
    dices = {}
    for label in found.labels:
        mine, theirs = found.voxels == label.value, maskOf(organs, label.name.lower())
        dices[label.name.lower()] = 2 * np.count_nonzero(mine & theirs) / (np.count_nonzero(mine) + np.count_nonzero(theirs))
    return dices


if __name__ == "__main__":
    main()
