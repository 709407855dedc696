"""Slicer's segmentations: names, colours, codes and layers."""

from pathlib import Path

import nrrd
import numpy as np
import pytest
from made_labelmaps import a_matrix

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, Label, LabelTable
from SAMedCore.image.volume import LabelMap


@pytest.fixture
def segmentation_file(tmp_path) -> Path:
    voxels = np.zeros((6, 7, 8), np.uint8)
    voxels[1:3, 2:5, 3:7] = 2
    write_labelmap(LabelMap(voxels, a_matrix(), SYNAPSE_ORGANS), tmp_path / "case.seg.nrrd")
    return tmp_path / "case.seg.nrrd"


def test_pynrrd_finds_slicers_header_fields(segmentation_file):
    voxels, header = nrrd.read(str(segmentation_file))
    assert voxels.shape == (8, 7, 6)
    assert header["space"] == "left-posterior-superior"
    assert np.allclose(header["space directions"].T, a_matrix()[:3, :3])
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segment1_Name"] == "right kidney"
    assert header["Segment1_LabelValue"] == "2"
    assert header["Segment1_Layer"] == "0"
    assert header["Segment1_Extent"] == "3 6 2 4 1 2"
    assert header["Segment0_Extent"] == "0 -1 0 -1 0 -1"
    assert [round(255 * float(channel)) for channel in header["Segment1_Color"].split()] == [185, 102, 83]
    assert header["Segment1_Tags"] == (
        "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^24028007^Right"
        "~Anatomic codes - DICOM master list~^^~^^|"
    )


def test_nothing_but_geometry_and_labels_stands_in_the_header(segmentation_file):
    header = nrrd.read_header(str(segmentation_file))
    ours = {key for key in header if key.startswith("Segment")}
    assert set(header) - ours == {
        "type", "dimension", "space", "sizes", "space directions", "kinds", "encoding", "space origin"
    }  # fmt: skip


def test_labels_without_a_code_survive(tmp_path):
    labels = LabelTable((Label(7, "a | lesion ~", (1, 2, 3)),))
    write_labelmap(LabelMap(np.full((2, 3, 4), 7, np.uint8), np.eye(4), labels), tmp_path / "x.seg.nrrd")
    assert read_labelmap(tmp_path / "x.seg.nrrd").labels == labels


def write_layers(path: Path, layers: np.ndarray, values=(1, 1)) -> Path:
    """As Slicer saves segments that have overlapped: (layers, k, j, i), one segment in each layer."""
    header = {
        "kinds": ["list", "domain", "domain", "domain"],
        "space": "left-posterior-superior",
        "space directions": np.vstack([[np.nan] * 3, np.eye(3)]),
        "space origin": [0, 0, 0],
    }
    for layer, value in enumerate(values):
        fields = {"ID": f"S{layer}", "Name": f"part {layer}", "Color": "1 0 0", "LabelValue": value, "Layer": layer}
        header |= {f"Segment{layer}_{name}": str(field) for name, field in fields.items()}
    nrrd.write(str(path), layers.transpose(0, 3, 2, 1), header)
    return path


@pytest.mark.parametrize(("values", "expected"), [((1, 1), (1, 2)), ((4, 9), (4, 9))])
def test_layers_without_overlap_become_one_label_map(tmp_path, values, expected):
    layers = np.zeros((2, 3, 4, 5), np.uint8)
    layers[0, 0], layers[1, 2] = values
    labelmap = read_labelmap(write_layers(tmp_path / "layers.seg.nrrd", layers, values))
    assert labelmap.labels.values == expected
    assert labelmap.labels.names == ("part 0", "part 1")
    assert (labelmap.voxels[0] == expected[0]).all()
    assert (labelmap.voxels[1] == 0).all()
    assert (labelmap.voxels[2] == expected[1]).all()


def test_overlapping_segments_are_refused_by_name(tmp_path):
    path = write_layers(tmp_path / "overlap.seg.nrrd", np.ones((2, 3, 4, 5), np.uint8))
    with pytest.raises(InputError, match=r'overlap\.seg\.nrrd.*"part 0" and "part 1" overlap'):
        read_labelmap(path)
