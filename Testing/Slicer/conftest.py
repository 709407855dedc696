"""Fixtures: a scene of Slicer's with the real sample CT in it, in every geometry that a CT comes in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from geometries import GEOMETRIES, some_slices
from vtk.util.numpy_support import vtk_to_numpy

import slicerhost
from SAMedCore.image.slices import axial_count
from SAMedCore.image.volume import Image, LabelMap, Volume
from slicerhost.checks import noTorchInSlicersProcess  # noqa: F401

slicerhost.boot()  # with Qt: the worker's client and the module need it

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(autouse=True)
def an_empty_scene() -> slicer.vtkMRMLScene:
    slicer.mrmlScene.Clear(0)
    return slicer.mrmlScene


@pytest.fixture
def load() -> Callable[..., slicer.vtkMRMLScalarVolumeNode]:
    """Puts a volume into the scene, as loading its file would."""

    def loadVolume(volume: Volume, name: str = "CT") -> slicer.vtkMRMLScalarVolumeNode:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ volume.ijk_to_lps))
        slicer.util.updateVolumeFromArray(node, volume.voxels)
        node.CreateDefaultDisplayNodes()
        return node

    return loadVolume


@pytest.fixture
def ct_node(load, sample_ct) -> slicer.vtkMRMLScalarVolumeNode:
    return load(sample_ct)


@pytest.fixture
def segmentation_node() -> slicer.vtkMRMLSegmentationNode:
    """An empty one."""
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "CT segmentation")


@pytest.fixture(params=GEOMETRIES)
def an_odd_ct(request, sample_ct, sample_labels) -> tuple[Volume, LabelMap]:
    """The sample CT with its labels in one of many geometries."""
    change = GEOMETRIES[request.param]
    return change(sample_ct), change(sample_labels)


def a_linear_transform() -> vtk.vtkAbstractTransform:
    transform = vtk.vtkTransform()
    transform.Translate(30, -20, 11)
    transform.RotateWXYZ(17, 0.2, -0.4, 1)
    transform.Scale(1.1, 0.95, 1.2)
    return transform


def a_bend() -> vtk.vtkImageData:
    """Displacements of up to 12 mm over the whole body, as in the acquisition transform of a tilted gantry."""
    bend = vtk.vtkImageData()
    bend.SetDimensions(10, 10, 10)
    bend.SetSpacing(80, 80, 80)
    bend.SetOrigin(-360, -360, -360)
    bend.AllocateScalars(vtk.VTK_DOUBLE, 3)
    z, y, x = np.mgrid[:10, :10, :10]
    field = 12 * np.stack([np.sin(y), np.sin(z), np.sin(x)], axis=-1)
    vtk_to_numpy(bend.GetPointData().GetScalars())[:] = field.reshape(-1, 3)
    return bend


def a_grid_transform() -> vtk.vtkAbstractTransform:
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(a_bend())
    return transform


def a_bspline_transform() -> vtk.vtkAbstractTransform:
    transform = slicer.vtkOrientedBSplineTransform()
    transform.SetCoefficientData(a_bend())
    return transform


def a_thin_plate_transform() -> vtk.vtkAbstractTransform:
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.ndindex(2, 2, 2):
        place = np.array(corner) * 300.0 - 150
        source.InsertNextPoint(*place)
        target.InsertNextPoint(*(place + np.array([10, -8, 6]) * np.roll(corner, -1)))
    transform = vtk.vtkThinPlateSplineTransform()
    transform.SetSourceLandmarks(source)
    transform.SetTargetLandmarks(target)
    transform.SetBasisToR()
    return transform


TRANSFORMS: dict[str, Callable[[], vtk.vtkAbstractTransform]] = {
    "linear": a_linear_transform,
    "grid": a_grid_transform,
    "b-spline": a_bspline_transform,
    "thin plate": a_thin_plate_transform,
}


@pytest.fixture(params=TRANSFORMS)
def a_transform(request) -> slicer.vtkMRMLTransformNode:
    return transformNode(TRANSFORMS[request.param]())


@pytest.fixture
def a_linear_one() -> slicer.vtkMRMLTransformNode:
    return transformNode(a_linear_transform())


def transformNode(transform: vtk.vtkAbstractTransform) -> slicer.vtkMRMLTransformNode:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Transform")
    node.SetAndObserveTransformFromParent(transform)  # the direction that files store
    return node


@pytest.fixture
def save(tmp_path) -> Callable[[slicer.vtkMRMLStorableNode], Path]:
    """Saves a segmentation node as .seg.nrrd, as Slicer's save dialog does."""

    def saveNode(node: slicer.vtkMRMLSegmentationNode) -> Path:
        path = tmp_path / "saved.seg.nrrd"
        storage = node.CreateDefaultStorageNode()
        storage.SetFileName(str(path))
        assert storage.WriteData(node)
        return path

    return saveNode


@pytest.fixture
def reopen(tmp_path) -> Callable[[], None]:
    """Saves the whole scene as .mrb, closes it and opens the file."""

    def saveAndOpen() -> None:
        path = str(tmp_path / "scene.mrb")
        assert slicer.mrmlScene.WriteToMRB(path)
        slicer.mrmlScene.Clear(0)
        assert slicer.mrmlScene.ReadFromMRB(path)

    return saveAndOpen


# The real worker, and the sample CT cut down to the few slices that its network has time for.


@pytest.fixture(scope="session")
def logic(lite_weights):
    """The module's logic, with the real worker; `lite_weights` is the base model of the checkpoint that it is asked for."""
    import SAMed

    return SAMed.SAMedLogic()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """One worker serves all tests of this folder, and is gone before those of another."""
    worker = sys.modules.get("SAMedLib.worker.client")
    if worker is not None and (nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent)):
        worker.stopSharedWorker()


def two_slices(image: Image) -> Image:
    """Two slices through the upper abdomen, or the only one."""
    count = axial_count(image.grid)
    return some_slices(image, count * 4 // 5, min(count * 4 // 5 + 1, count - 1))


def airless(image: Image) -> Image:
    """In floats, its air no numbers, as outside the field of view of some scanners."""
    return replace(image, voxels=np.where(image.voxels < -500, np.nan, image.voxels).astype(np.float32))


THIN_GEOMETRIES = {**GEOMETRIES, "NaN for air": airless}
THIN_CASES = [
    (geometry, transform)
    for number, geometry in enumerate(THIN_GEOMETRIES)
    for transform in (None, list(TRANSFORMS)[number % len(TRANSFORMS)])
]


@pytest.fixture(scope="session")
def thin_cts(sample_ct) -> dict[str, Volume]:
    """Two slices of the sample CT in each geometry."""
    return {name: two_slices(change(sample_ct)) for name, change in THIN_GEOMETRIES.items()}


@pytest.fixture(params=THIN_CASES, ids=lambda case: case[0] + (f" under {case[1]}" if case[1] else ""))
def a_thin_ct(request, thin_cts, load) -> tuple[str, slicer.vtkMRMLScalarVolumeNode]:
    """Every geometry, without a transform and under one; the geometry's name and the volume node."""
    geometry, transform = request.param
    node = load(thin_cts[geometry])
    if transform is not None:
        node.SetAndObserveTransformNodeID(transformNode(TRANSFORMS[transform]()).GetID())
    return geometry, node
