"""Everything that the user chooses, kept in the scene: a saved scene comes back as it was."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from SAMedCore.address import DEVICES
from SAMedCore.checkpoint.catalogue import DEMO_CHECKPOINT
from SAMedCore.options import DEFAULT_BASE, DEFAULT_PRESET, DEFAULT_VALIDATION, INTENSITIES

WHOLE_VOLUME, CURRENT_SLICE = "whole volume", "current slice"
"""Values of `region`."""

WIDEST_GAP, MOST_DOUBT = "gap", "doubt"
"""Values of `nextSliceBy`."""

BASE, CHECKPOINT = "base", "checkpoint"
"""Values of `startFrom`."""

AUTO_DEVICE = DEVICES[0]
AUTO_INTENSITIES = next(iter(INTENSITIES))


@parameterNodeWrapper
class SAMedParameterNode:
    """The panel's choices; names of nodes are references, the rest is text and numbers.

    Start: promptVolume and promptSegmentation (None: a new one).

    Segment: inputVolume and outputSegmentation (None: a new one); model (catalogue name, or path of a checkpoint folder or an
    original .pth); modelBase (for a .pth: the base model that it was trained on, or a weights file); leftOutOrgans (names
    that are not wanted); region; keepDrawn (slices that a person drew in outputSegmentation stay); device;
    uncertainty (it is made and shown); nextSliceBy.

    Complete: completeVolume, completeSegmentation; annotatedSlices ("" for those drawn by a person, else FROM:TO or
    FROM:TO:STEP); completeBase; completeIntensities (of `INTENSITIES`).

    Fine-tune: scanVolumes, scanSegmentations and scanSlices (as annotatedSlices) belong together row by row; leftOutClasses
    (names); startFrom, startBase, startCheckpoint; preset; epochs and minutes (0: the preset's own); validationPercent;
    finetuneIntensities (for a base model; a checkpoint keeps its own); output; trained (folder of the checkpoint whose before
    and after is shown).
    """

    promptVolume: vtkMRMLScalarVolumeNode
    promptSegmentation: vtkMRMLSegmentationNode

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    model: str = DEMO_CHECKPOINT
    modelBase: str = ""
    leftOutOrgans: list[str]
    region: str = WHOLE_VOLUME
    keepDrawn: bool = True
    device: str = AUTO_DEVICE
    uncertainty: bool = False
    nextSliceBy: str = WIDEST_GAP

    completeVolume: vtkMRMLScalarVolumeNode
    completeSegmentation: vtkMRMLSegmentationNode
    annotatedSlices: str = ""
    completeBase: str = DEFAULT_BASE
    completeIntensities: str = AUTO_INTENSITIES

    scanVolumes: list[vtkMRMLScalarVolumeNode]
    scanSegmentations: list[vtkMRMLSegmentationNode]
    scanSlices: list[str]
    leftOutClasses: list[str]
    startFrom: str = BASE
    startBase: str = DEFAULT_BASE
    startCheckpoint: str = DEMO_CHECKPOINT
    preset: str = DEFAULT_PRESET
    epochs: Annotated[int, WithinRange(0, 10000)] = 0
    minutes: Annotated[float, WithinRange(0, 10000)] = 0.0
    validationPercent: Annotated[int, WithinRange(0, 50)] = round(100 * DEFAULT_VALIDATION)
    finetuneIntensities: str = AUTO_INTENSITIES
    output: str = ""
    trained: str = ""
