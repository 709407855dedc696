"""What can be used is read, whoever wrote it, and what cannot be used is refused by name."""

import numpy as np
import pytest
from made_labelmaps import a_labelmap, a_matrix, write_image

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap, write_volume


def test_values_without_a_name_get_a_generic_one(tmp_path):
    write_labelmap(a_labelmap(a_matrix(), values=4), tmp_path / "plain.nrrd")
    assert read_labelmap(tmp_path / "plain.nrrd").labels.names == ("label 1", "label 2", "label 3")


def test_label_maps_saved_as_floats_are_read(tmp_path):
    voxels = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    write_volume(voxels, a_matrix(), tmp_path / "floats.nii.gz")
    labelmap = read_labelmap(tmp_path / "floats.nii.gz")
    assert labelmap.voxels.dtype == np.uint8
    assert np.array_equal(labelmap.voxels, voxels)


BAD_VOLUMES = {
    "missing.nii.gz": (None, "does not exist"),
    "text.nii.gz": (lambda path: path.write_text("not an image"), "not an image"),
    "damaged.nrrd": (lambda path: path.write_bytes(b"NRRD0004\ntype: float\n"), "header is damaged"),
    "nothing.nrrd": (lambda path: path.write_bytes(b""), "is empty"),
    "colour.nrrd": (lambda path: write_image(path, np.zeros((3, 4, 5, 3), np.uint8), isVector=True), "colour"),
    "time.nii.gz": (lambda path: write_image(path, np.zeros((2, 3, 4, 5), np.float32), isVector=False), "4D|colour"),
    "time.nrrd": (lambda path: write_image(path, np.zeros((7, 3, 4, 5), np.float32), isVector=False), "7 volumes .4D"),
    "picture.png": (lambda path: write_image(path, np.zeros((4, 5), np.uint8)), "one voxel thick"),
    "thin.nii.gz": (lambda path: write_image(path, np.zeros((1, 4, 5), np.float32)), "one voxel thick"),
    "thin_in_i.nrrd": (lambda path: write_image(path, np.zeros((4, 5, 1), np.float32)), "one voxel thick"),
    "nan.nrrd": (lambda path: write_image(path, np.full((3, 4, 5), np.nan, np.float32)), "NaN"),
    "nan.nii": (lambda path: write_image(path, np.full((3, 4, 5), np.nan, np.float64)), "NaN"),
    "inf.nii.gz": (lambda path: write_image(path, np.full((3, 4, 5), np.inf, np.float32)), "infinite"),
    "complex.mha": (lambda path: write_image(path, np.zeros((3, 4, 5), np.complex64)), "complex"),
}


@pytest.mark.parametrize("name", BAD_VOLUMES)
def test_bad_volumes_are_refused_in_one_line_that_names_the_file(tmp_path, name):
    make, complaint = BAD_VOLUMES[name]
    if make:
        make(tmp_path / name)
    with pytest.raises(InputError, match=complaint) as refusal:
        read_volume(tmp_path / name)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path):
    write_image(tmp_path / "one.nrrd", np.zeros((1, 3, 4, 5), np.float32), isVector=False)
    assert read_volume(tmp_path / "one.nrrd").voxels.shape == (3, 4, 5)


@pytest.mark.parametrize("value", [0.5, -1, 70000, np.nan])
def test_what_is_not_a_label_map_is_refused_by_name(tmp_path, value):
    write_image(tmp_path / "ct.nrrd", np.full((3, 4, 5), value, np.float32))
    with pytest.raises(InputError, match=r"ct\.nrrd.*0 to 65535"):
        read_labelmap(tmp_path / "ct.nrrd")
