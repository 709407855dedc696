"""Which of the model's slices say where a checkpoint saw a segment."""

import numpy as np
import pytest
import slicer

from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap
from SAMedLib.jobs.segment import writeModelSlices
from SAMedLib.scene.provenance import (
    forgetModelSlices,
    isAnswered,
    keptSlices,
    recordModelSums,
    recordOverwritten,
    roughSlices,
    segmentSums,
)
from SAMedLib.scene.volumes import ijkToLPS, readVolume

TABLE = LabelTable.generic([1, 2])


@pytest.fixture
def answered(ct_node, segmentation_node):
    """A checkpoint drew two segments on the slices 1 to 4 of a CT: (segmentation, volume, labels)."""
    voxels = np.zeros(readVolume(ct_node).grid.shape, np.uint8)
    voxels[1:5, 2:6, 2:6], voxels[1:5, 7:9, 2:6] = 1, 2
    labels = LabelMap(voxels, ijkToLPS(ct_node), TABLE)
    writeModelSlices(segmentation_node, labels, ct_node, None, byCheckpoint=True)
    return segmentation_node, ct_node, labels


def segmentID(segmentation, value: int = 1) -> str:
    return segmentation.GetSegmentation().GetSegmentIdBySegmentName(f"label {value}")


def rough(segmentation, volume, value: int = 1) -> tuple[int, ...]:
    name = segmentID(segmentation, value)
    return roughSlices(segmentation, name, segmentSums(segmentation, volume)[name])


def paint(segmentation, volume, k: int, value: int = 1) -> None:
    name = segmentID(segmentation, value)
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume)
    voxels[k, 2] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentation, name, volume)


def test_a_checkpoints_slices_are_rough_until_a_person_changes_or_accepts_them(answered):
    segmentation, volume, _labels = answered
    assert rough(segmentation, volume) == (1, 2, 3, 4)
    assert isAnswered(segmentation)
    paint(segmentation, volume, 2)
    forgetModelSlices(segmentation, segmentID(segmentation), (4,))
    assert rough(segmentation, volume) == (1, 3)
    assert keptSlices(segmentation, segmentID(segmentation), segmentSums(segmentation, volume)[segmentID(segmentation)]) == (
        2,
        4,
    )


def test_what_was_carried_on_is_rough_only_where_the_checkpoint_was_believed(answered):
    segmentation, volume, _labels = answered
    now = segmentSums(segmentation, volume)[segmentID(segmentation)]
    recordModelSums(segmentation, segmentID(segmentation), now, (1, 2), byCheckpoint=(2,))
    assert rough(segmentation, volume) == (2, 3, 4)


def test_what_was_completed_or_is_of_a_scene_of_before_is_not(answered):
    segmentation, volume, labels = answered
    writeModelSlices(segmentation, labels, volume, (1, 2))
    assert rough(segmentation, volume) == (3, 4)
    writeModelSlices(segmentation, labels, volume, None)
    assert rough(segmentation, volume) == ()
    assert not isAnswered(segmentation)


def test_it_stays_rough_where_another_segment_takes_voxels_away(answered):
    segmentation, volume, _labels = answered
    name = segmentID(segmentation)
    before = segmentSums(segmentation, volume, [name], (2, 3))
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume)
    voxels[2, 2] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentation, name, volume)
    recordOverwritten(segmentation, before, segmentSums(segmentation, volume, [name], (2, 3)))
    assert rough(segmentation, volume) == (1, 2, 3, 4)


def test_it_is_saved_and_loaded_with_the_segment(answered, tmp_path):
    segmentation, volume, _labels = answered
    storage = segmentation.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(segmentation)
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
    assert storage.ReadData(loaded)
    assert rough(loaded, volume) == rough(loaded, volume, 2) == (1, 2, 3, 4)
