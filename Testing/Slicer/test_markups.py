"""Markups that Slicer's own storage nodes write, as prompts: compared with what was placed in the scene."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.files.prompts import read_prompts
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_volume
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import reorient, turned_grid
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.slices import axial_count

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@pytest.fixture
def grid(an_odd_ct) -> Grid:
    """Of the sample CT, in each of many geometries."""
    return an_odd_ct[0].grid


@pytest.fixture
def place(an_empty_scene) -> Callable[..., slicer.vtkMRMLMarkupsNode]:
    """A markups node of a kind, with control points (LPS)."""

    def placeNode(kind: str, *points, name: str = "liver") -> slicer.vtkMRMLMarkupsNode:
        node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRMLMarkups{kind}Node", name)
        for point in points:
            node.AddControlPoint(vtk.vtkVector3d(*(point * LPS_TO_RAS)))
        return node

    return placeNode


@pytest.fixture
def save_markups(tmp_path) -> Callable[..., Path]:
    """Saves a markups node as Slicer's save dialog does, under the node's name."""

    def saveNode(node: slicer.vtkMRMLMarkupsNode, coordinateSystem: str = "LPS") -> Path:
        kind = node.GetMarkupType() if node.GetMarkupType() in ("Plane", "ROI") else ""
        storage = slicer.mrmlScene.AddNode(getattr(slicer, f"vtkMRMLMarkups{kind}JsonStorageNode")())
        (storage.UseRASOn if coordinateSystem == "RAS" else storage.UseLPSOn)()
        path = tmp_path / f"{node.GetName()}.mrk.json"
        storage.SetFileName(str(path))
        assert storage.WriteData(node)
        return path

    return saveNode


def at(grid: Grid, i: float, j: float, k: float) -> np.ndarray:
    """(3,) LPS of a place in slice k from the feet, j rows and i columns of the orientation LPS."""
    return np.array(turned_grid(grid, "LPS").points_at([[i, j, k]])[0])


def places(grid: Grid, prompt: SlicePrompt) -> np.ndarray:
    """(N, 3) i j k of a prompt's points, likewise."""
    return turned_grid(grid, "LPS").indices_of(prompt.points)


def rotated(node: slicer.vtkMRMLMarkupsNode, grid: Grid, degrees: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The directions (RAS) of the columns and rows of the axial slices, turned within them; and their normal."""
    upright = turned_grid(grid, "LPS")
    right, down, up = (upright.ijk_to_lps[:3, :3] / np.array(upright.spacing_mm)).T * LPS_TO_RAS
    up = np.cross(right, down)
    angle = np.radians(degrees)
    return np.cos(angle) * right + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * right, up


@pytest.mark.parametrize("coordinateSystem", ["LPS", "RAS"])
def test_points_are_grouped_by_the_axial_slice_that_they_lie_on(grid, place, save_markups, coordinateSystem):
    top = axial_count(grid) - 1
    node = place("Fiducial", at(grid, 20, 30, top + 0.3), at(grid, 5, 6, 0), at(grid, 25, 31, top - 0.3))
    node.SetNthControlPointLabel(2, "-not this")
    (structure,) = read_prompts([save_markups(node, coordinateSystem)], grid)
    assert structure.name == "liver"
    on_top = structure.prompts[-1]
    assert (len(on_top.points_in), len(on_top.points_out), on_top.box) == (1 + (top == 0), 1, None)
    assert len(structure.prompts) == 1 + (top > 0)
    expected = [(5, 6, 0), (20, 30, top), (25, 31, top)]
    found = np.concatenate([places(grid, prompt) for prompt in structure.prompts])
    np.testing.assert_allclose(sorted(found.tolist()), expected, atol=1e-4)


def test_points_that_were_not_placed_do_not_count(sample_ct, place, save_markups):
    node = place("Fiducial", at(sample_ct.grid, 1, 2, 3), at(sample_ct.grid, 4, 5, 6))
    node.UnsetNthControlPointPosition(0)
    (structure,) = read_prompts([save_markups(node)], sample_ct.grid)
    np.testing.assert_allclose(places(sample_ct.grid, structure.prompts[0]), [(4, 5, 6)], atol=1e-4)
    node.UnsetNthControlPointPosition(1)
    with pytest.raises(InputError, match="no control point of the Fiducial is placed"):
        read_prompts([save_markups(node)], sample_ct.grid)


@pytest.mark.parametrize("coordinateSystem", ["LPS", "RAS"])
def test_a_planes_rectangle_is_a_box_on_its_slice(grid, place, save_markups, coordinateSystem):
    top = axial_count(grid) - 1
    node = place("Plane", at(grid, 20, 30, top + 0.2))
    node.SetAxes(*rotated(node, grid, 0))
    node.SetSizeMode(node.SizeModeAbsolute)
    column_mm, row_mm, _ = turned_grid(grid, "LPS").spacing_mm
    node.SetSize(10 * column_mm, 6 * row_mm)
    (structure,) = read_prompts([save_markups(node, coordinateSystem)], grid)
    (prompt,) = structure.prompts
    np.testing.assert_allclose(places(grid, prompt), [(15, 27, top), (25, 33, top)], atol=0.02)


def test_a_turned_rectangle_takes_up_what_it_spans(sample_ct, place, save_markups):
    node = place("Plane", at(sample_ct.grid, 20, 30, 40))
    node.SetAxes(*rotated(node, sample_ct.grid, 90))
    node.SetSizeMode(node.SizeModeAbsolute)
    node.SetSize(30.0, 12.0)
    (structure,) = read_prompts([save_markups(node)], sample_ct.grid)
    np.testing.assert_allclose(places(sample_ct.grid, structure.prompts[0]), [(18, 25, 40), (22, 35, 40)], atol=1e-3)


def corners(node: slicer.vtkMRMLMarkupsPlaneNode) -> np.ndarray:
    """(4, 3) LPS, as Slicer draws the plane."""
    points = vtk.vtkPoints()
    node.GetPlaneCornerPoints(points)
    return np.array([points.GetPoint(n) for n in range(4)]) * LPS_TO_RAS


@pytest.mark.parametrize("planeType", ["PlaneType3Points", "PlaneTypePlaneFit"])
def test_a_plane_through_points_is_the_rectangle_that_slicer_draws(sample_ct, place, save_markups, planeType):
    node = place("Plane")
    node.SetPlaneType(getattr(node, planeType))
    for point in ((20, 30, 40), (32, 30, 40), (24, 45, 40)):
        node.AddControlPoint(vtk.vtkVector3d(*(at(sample_ct.grid, *point) * LPS_TO_RAS)))
    (structure,) = read_prompts([save_markups(node)], sample_ct.grid)
    drawn = turned_grid(sample_ct.grid, "LPS").indices_of(corners(node))
    expected = [drawn.min(axis=0), drawn.max(axis=0)]
    np.testing.assert_allclose(places(sample_ct.grid, structure.prompts[0]), expected, atol=1e-3)


@pytest.mark.parametrize("degrees", [10, 20, 90])
def test_a_plane_that_is_not_axial_is_refused(sample_ct, place, save_markups, degrees):
    node = place("Plane", at(sample_ct.grid, 20, 30, 40))
    angle = np.radians(degrees)
    node.SetNormal(0.0, np.sin(angle), np.cos(angle))
    if degrees == 10:
        assert read_prompts([save_markups(node)], sample_ct.grid)
        return
    with pytest.raises(InputError, match=f"tilted by {degrees} degrees against the axial slices"):
        read_prompts([save_markups(node)], sample_ct.grid)


def a_box(place, grid: Grid, middle: tuple[float, float, float], size: tuple[int, int, int]) -> slicer.vtkMRMLMarkupsROINode:
    """An ROI along the volume's axes, its size in voxels."""
    node = place("ROI")
    upright = turned_grid(grid, "LPS")
    right, down, up = rotated(node, grid, 0)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, down, up], axis=1)
    matrix[:3, 3] = at(grid, *middle) * LPS_TO_RAS
    node.SetSize(*(np.array(size) * upright.spacing_mm))
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return node


@pytest.mark.parametrize("coordinateSystem", ["LPS", "RAS"])
def test_an_roi_limits_the_structure_and_is_a_box_on_its_middle_slice(grid, place, save_markups, coordinateSystem):
    middle = (axial_count(grid) - 1) // 2
    node = a_box(place, grid, (20, 30, middle), (10, 6, 8))
    (structure,) = read_prompts([save_markups(node, coordinateSystem)], grid)
    (prompt,) = structure.prompts
    np.testing.assert_allclose(places(grid, prompt), [(15, 27, middle), (25, 33, middle)], atol=0.02)
    limits = places(grid, SlicePrompt(structure.limits.box))
    np.testing.assert_allclose(limits, [(15, 27, middle - 4), (25, 33, middle + 4)], atol=0.02)


def test_an_roi_only_limits_where_the_structure_is_shown_on_another_slice(sample_ct, place, save_markups):
    grid = sample_ct.grid
    roi = save_markups(a_box(place, grid, (20, 30, 40), (10, 6, 8)))
    points = place("Fiducial", at(grid, 21, 31, 38), name="points")
    points.SetNthControlPointDescription(0, "liver")
    (structure,) = read_prompts([roi, save_markups(points)], grid)
    assert structure.limits.box is not None
    np.testing.assert_allclose(places(grid, structure.prompts[0]), [(21, 31, 38)], atol=1e-4)
    points.SetNthControlPointPosition(0, *(at(grid, 21, 31, 40) * LPS_TO_RAS))
    (structure,) = read_prompts([roi, save_markups(points)], grid)
    (prompt,) = structure.prompts
    assert (prompt.box is not None, len(prompt.points_in)) == (True, 1)


def test_a_point_joins_the_box_on_its_slice_and_a_folder_is_all_its_files(sample_ct, place, save_markups):
    grid = sample_ct.grid
    plane = place("Plane", at(grid, 20, 30, 40))
    plane.SetNormal(0, 0, 1)
    save_markups(plane)
    points = place("Fiducial", at(grid, 21, 31, 40.2), at(grid, 50, 31, 12), name="more")
    points.SetNthControlPointDescription(1, "liver")
    points.SetNthControlPointLabel(0, "-vein")
    folder = save_markups(points).parent
    spleen = save_markups(place("Fiducial", at(grid, 9, 9, 9), name="spleen"))
    assert spleen.parent == folder
    liver, other = read_prompts([folder], grid)
    assert (liver.name, other.name) == ("liver", "spleen")
    lower, upper = liver.prompts
    assert (lower.box, len(lower.points_in), len(lower.points_out)) == (None, 1, 0)
    assert (upper.box is not None, len(upper.points_in), len(upper.points_out)) == (True, 0, 1)


def test_an_roi_turned_inside_out_or_never_drawn_is_refused(sample_ct, place, save_markups):
    node = a_box(place, sample_ct.grid, (20, 30, 40), (10, 6, 8))
    node.SetInsideOut(True)
    with pytest.raises(InputError, match="inside out"):
        read_prompts([save_markups(node)], sample_ct.grid)
    with pytest.raises(InputError, match="no control point of the ROI is placed"):
        read_prompts([save_markups(place("ROI", name="empty"))], sample_ct.grid)


@pytest.mark.parametrize("kind", ["Line", "Angle", "Curve", "ClosedCurve"])
def test_what_says_no_place_is_refused_by_its_name(sample_ct, place, save_markups, kind):
    node = place(kind, at(sample_ct.grid, 1, 2, 3), at(sample_ct.grid, 4, 5, 6))
    with pytest.raises(InputError, match=f'liver.mrk.json": markup 1: it is a "{kind}": only Fiducial, Plane, ROI'):
        read_prompts([save_markups(node)], sample_ct.grid)


def test_slicer_writes_the_keys_that_are_read(place, save_markups):
    (markup,) = json.loads(save_markups(place("Plane", np.zeros(3))).read_text())["markups"]
    keys = {"type", "coordinateSystem", "coordinateUnits", "controlPoints", "center", "orientation", "size", "planeBounds"}
    assert keys <= markup.keys()
    assert "name" not in markup


def test_samed_prompt_draws_from_what_slicer_saved(sample_ct, sample_labels, place, save_markups, tmp_path, lite_weights):
    start = np.eye(4)
    start[2, 3] = 80
    ct, labels = (
        replace(image, voxels=image.voxels[80:89], ijk_to_lps=image.ijk_to_lps @ start) for image in (sample_ct, sample_labels)
    )
    upright = reorient(labels, "LPS")
    (kidney,) = labels.labels.subset(["left kidney"]).values
    for k in (1, 7):
        rows, columns = np.nonzero(upright.voxels[k] == kidney)
        middle = at(ct.grid, (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2, k)
        plane = place("Plane", middle, name=f"P{k}")
        plane.SetAxes(*rotated(plane, ct.grid, 0))
        plane.SetSizeMode(plane.SizeModeAbsolute)
        plane.SetSize(*(np.array([np.ptp(columns) + 1, np.ptp(rows) + 1]) * upright.grid.spacing_mm[:2]))
        plane.SetNthControlPointDescription(0, "left kidney")
        saved = save_markups(plane)
    write_volume(ct.voxels, ct.ijk_to_lps, tmp_path / "ct.nrrd")
    arguments = ["prompt", tmp_path / "ct.nrrd", saved.parent / "P1.mrk.json", saved, tmp_path / "out.seg.nrrd"]
    subprocess.run([sys.executable, "-m", "SAMedCore", *map(str, arguments)], check=True)
    found = read_labelmap(tmp_path / "out.seg.nrrd")
    assert found.labels.names == ("left kidney",)
    assert dice(found.voxels == 1, labels.voxels == kidney) > 0.9
