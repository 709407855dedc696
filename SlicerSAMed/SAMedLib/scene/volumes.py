"""Volumes of the scene: their voxels, and where their axial slices are.

Slices are counted from the feet on the volume's own grid (k in the orientation LPS), as in every message to the worker.
Points are in world RAS, as the slice views show them: a volume's parent transform, linear or not, is taken into account.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.slices import along_axis, axial_axis, axial_count
from SAMedCore.image.volume import Volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

VOLUME_CLASS = "vtkMRMLScalarVolumeNode"
"""Label maps and colour images are of classes derived from it."""

PARALLEL = 0.9999
"""Cosine of the angle between a view and a slice, above which a 500 mm wide slice lies within 4 mm of the view's plane."""


def firstVolume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """The scene's first volume that the panel's selectors offer: shown to the user, and neither label map nor colour image."""
    nodes = slicer.util.getNodesByClass(VOLUME_CLASS)
    return next((node for node in nodes if node.GetClassName() == VOLUME_CLASS and not node.GetHideFromEditors()), None)


def readVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """What is in a volume node, with its modality where it came from DICOM.

    The voxels are a view of the node's own, not a copy. The parent transform plays no part: a transformed volume
    is segmented as it is in its file.

    Raises:
        InputError: no volume, no voxels, more than one value a voxel, a label map, or a damaged geometry.
    """
    if volumeNode is None:
        raise InputError(_("No volume is selected: choose the scan to segment."))
    name = volumeNode.GetName()
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(_('"{name}" is a label map: choose the scan that it was drawn on.').format(name=name))
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or min(image.GetDimensions()) < 1:
        raise InputError(_('"{name}" has no voxels: load its file again, or choose another volume.').format(name=name))
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        message = _('"{name}" has {components} values for each voxel (a colour or time series image): choose a scan with one.')
        raise InputError(message.format(name=name, components=components))
    try:
        return Volume(slicer.util.arrayFromVolume(volumeNode), ijkToLPS(volumeNode), modalityOf(volumeNode))
    except InputError as error:
        raise InputError(_('"{name}" cannot be segmented: {reason}').format(name=name, reason=error)) from error


def modalityOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """The modality ("CT", "MR", "PT") of a volume that was loaded from DICOM; None where the scene does not know it."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    if not item:
        return None
    # Slicer's DICOM readers put it on the volume's own item, which stands for the series.
    attribute = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return hierarchy.GetItemAttribute(item, attribute) or None


class VolumeState(NamedTuple):
    """A volume node as it is now: as long as this stays equal, so do its voxels and where they lie.

    Attributes:
        nodeID: of the node.
        modified: VTK's time of the image data's last change; never the same for two images, or for two changes.
        ijkToRAS: the matrix, row by row.
    """

    nodeID: str
    modified: int
    ijkToRAS: tuple[float, ...]


def stateOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> VolumeState:
    """The state of a node that `readVolume` reads."""
    return VolumeState(volumeNode.GetID(), volumeNode.GetImageData().GetMTime(), tuple(ijkToRAS(volumeNode).ravel().tolist()))


def isUnchanged(state: VolumeState) -> bool:
    """Whether the scene still has that node in that state."""
    node = slicer.mrmlScene.GetNodeByID(state.nodeID)
    return node is not None and node.GetImageData() is not None and stateOf(node) == state


def ijkToLPS(volumeNode: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(4, 4) float64, from voxel index to LPS in mm; the parent transform left aside."""
    return RAS_TO_LPS @ ijkToRAS(volumeNode)


def ijkToRAS(volumeNode: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(4, 4) float64, from voxel index to RAS in mm; the parent transform left aside."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def numberOfSlices(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """How many axial slices the volume has."""
    return axial_count(readVolume(volumeNode).grid)


def sliceAt(volumeNode: slicer.vtkMRMLScalarVolumeNode, ras: np.ndarray) -> int:
    """The axial slice in which a point (3,) of the world lies.

    Raises:
        InputError: the point lies below or above the volume; as `readVolume`.
    """
    grid = readVolume(volumeNode).grid
    axis, _upwards = axial_axis(grid)
    local = transformed(ras, None, volumeNode.GetParentTransformNode())
    index = round(float((np.linalg.inv(ijkToRAS(volumeNode)) @ [*local, 1.0])[axis]))
    if not 0 <= index < axial_count(grid):
        message = _('The slice shown does not cut "{name}": move the slice view onto it.')
        raise InputError(message.format(name=volumeNode.GetName()))
    return along_axis([index], grid)[0]


def centreOfSlice(volumeNode: slicer.vtkMRMLScalarVolumeNode, k: int) -> np.ndarray:
    """(3,) the middle of the axial slice `k`, in world RAS."""
    grid = readVolume(volumeNode).grid
    axis, _upwards = axial_axis(grid)
    index = (np.array(grid.shape[::-1]) - 1) / 2
    (index[axis],) = along_axis([k], grid)
    return transformed((ijkToRAS(volumeNode) @ [*index, 1.0])[:3], volumeNode.GetParentTransformNode(), None)


def shownSlice(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """The axial slice in the middle of the slice view that shows axial slices best, among those of the layout.

    Raises:
        InputError: the view shows a place below or above the volume; no slice view is there; as `readVolume`.
    """
    plane, _isParallel = _axialView(volumeNode)
    return sliceAt(volumeNode, plane[:3, 3])


def jumpToSlice(volumeNode: slicer.vtkMRMLScalarVolumeNode, k: int) -> None:
    """Move all slice views to the axial slice `k`.

    Raises:
        InputError: no slice view is there; as `readVolume`.
    """
    views = slicer.vtkMRMLSliceNode
    _plane, isParallel = _axialView(volumeNode)
    # A view that cuts the volume obliquely shows the slice only around this point, so that it is brought to its middle.
    mode = views.OffsetJumpSlice if isParallel else views.CenteredJumpSlice
    views.JumpAllSlices(slicer.mrmlScene, *centreOfSlice(volumeNode, k), mode)


def showsAxialSlices(view: slicer.vtkMRMLSliceNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether the view cuts the volume along its axial slices.

    Raises:
        InputError: as `readVolume`.
    """
    return _cosine(view, _axialNormal(volumeNode)) > PARALLEL


def _axialView(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple[np.ndarray, bool]:
    """The plane (4, 4), to RAS, of the slice view most nearly parallel to the axial slices, and whether it is parallel."""
    normal = _axialNormal(volumeNode)
    views = [view for view in slicer.util.getNodesByClass("vtkMRMLSliceNode") if view.IsMappedInLayout()]
    if not views:
        raise InputError(_("No slice view is shown: choose a layout with one."))
    cosines = [_cosine(view, normal) for view in views]
    best = int(np.argmax(cosines))
    return slicer.util.arrayFromVTKMatrix(views[best].GetSliceToRAS()), cosines[best] > PARALLEL


def _axialNormal(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """(3,) of length 1: across the axial slices in the middle of the volume, in the world."""
    axis, _upwards = axial_axis(readVolume(volumeNode).grid)
    inPlane = np.delete(ijkToRAS(volumeNode)[:3, :3], axis, axis=1).T
    middle = (ijkToRAS(volumeNode) @ [*(np.array(volumeNode.GetImageData().GetDimensions()) - 1) / 2, 1.0])[:3]
    parent = volumeNode.GetParentTransformNode()
    origin, *ends = (transformed(point, parent, None) for point in (middle, *(middle + inPlane)))
    normal = np.cross(ends[0] - origin, ends[1] - origin)
    return normal / np.linalg.norm(normal)


def _cosine(view: slicer.vtkMRMLSliceNode, normal: np.ndarray) -> float:
    return abs(float(slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, 2] @ normal))


def transformed(
    point: np.ndarray, source: slicer.vtkMRMLTransformNode | None, target: slicer.vtkMRMLTransformNode | None
) -> np.ndarray:
    """A point (3,) under the parent transform `source` as it reads under `target`; None stands for the world."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return np.array(transform.TransformPoint(*point))
