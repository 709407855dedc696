"""The sample CT and its organs, small enough for a test, as nodes of the scene."""

import numpy as np
import slicer

from SAMedCore.image.volume import LabelMap, Volume


def crop(image, start: int, stop: int):
    """Some of the axial slices of the sample (stored in RAS, so k counts from the feet)."""
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 3] += start * matrix[:3, 2]
    changed = {"voxels": image.voxels[start:stop].copy(), "ijk_to_lps": matrix}
    return LabelMap(**changed, labels=image.labels) if isinstance(image, LabelMap) else Volume(**changed)


def ctNode(volume: Volume, name: str = "CT"):
    from SAMedLib.sampleData import addVolume

    return addVolume(volume, name)


def drawnNode(labelmap: LabelMap, volumeNode, name: str = "drawn"):
    """A segmentation as a person has drawn it on the volume."""
    from SAMedLib.scene.writing import writeSegmentation

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    writeSegmentation(node, labelmap, volumeNode)
    return node


def labelsIn(segmentationNode, volumeNode) -> np.ndarray:
    """(k, j, i) values as the segments are numbered, on the volume's grid; all 0 for an empty segmentation."""
    from SAMedCore.errors import InputError
    from SAMedLib.scene.reading import readAnnotation

    try:
        return readAnnotation(segmentationNode, volumeNode).labelmap.voxels
    except InputError:
        return np.zeros(volumeNode.GetImageData().GetDimensions()[::-1], np.uint8)


def segmentIn(segmentationNode, name: str, volumeNode) -> np.ndarray:
    """(k, j, i) bool: where the segment of this name is."""
    segmentID = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode) > 0


def paint(segmentationNode, volumeNode, name: str, k: int, box: tuple[slice, slice]) -> None:
    """What a person does in the Segment Editor: paint a box on slice k, over whatever is there."""
    segmentation = segmentationNode.GetSegmentation()
    chosen = segmentation.GetSegmentIdBySegmentName(name)
    for segmentID in segmentation.GetSegmentIDs():
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode).copy()
        voxels[(k, *box)] = segmentID == chosen
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentationNode, segmentID, volumeNode)
