"""What is written is read again as it was, or refused before the work; nothing half-written is left."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from made_labelmaps import a_labelmap, a_matrix

from SAMedCore.errors import InputError, SAMedError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import check_labelmap_output, check_volume_output, write_labelmap, write_or_keep, write_volume
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap

ENDINGS = [".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha"]


@pytest.fixture
def sheared() -> LabelMap:
    """On the grid of a tilted gantry."""
    return a_labelmap(a_matrix() @ np.array([[1, 0, 0, 0], [0, 1, 0.4, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("code", ["LPS", "RAS", "SAR", "PIL"])
def test_a_label_map_survives_write_and_read(tmp_path, ending, code):
    labelmap = reorient(a_labelmap(a_matrix()), code)
    write_labelmap(labelmap, tmp_path / f"case{ending}")
    again = read_labelmap(tmp_path / f"case{ending}", SYNAPSE_ORGANS)
    assert np.array_equal(again.voxels, labelmap.voxels)
    assert again.voxels.dtype == labelmap.voxels.dtype
    assert np.abs(again.ijk_to_lps - labelmap.ijk_to_lps).max() < 1e-4
    assert same_grid(again.grid, labelmap.grid)
    assert again.labels == SYNAPSE_ORGANS


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_volume_survives_write_and_read(tmp_path, ending, dtype):
    voxels = np.random.default_rng(0).integers(-1024, 2000, (4, 5, 6)).astype(dtype)
    write_volume(voxels, a_matrix(), tmp_path / f"ct{ending}")
    volume = read_volume(tmp_path / f"ct{ending}")
    assert np.array_equal(volume.voxels, voxels)
    assert np.abs(volume.ijk_to_lps - a_matrix()).max() < 1e-4


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nrrd", ".mha"])
def test_a_tilted_gantry_survives_where_the_format_can_say_it(tmp_path, sheared, ending):
    write_labelmap(sheared, tmp_path / f"tilted{ending}")
    assert same_grid(read_labelmap(tmp_path / f"tilted{ending}").grid, sheared.grid)


def test_a_tilted_gantry_is_refused_where_the_format_would_straighten_it(tmp_path, sheared):
    with pytest.raises(InputError, match=r"tilted\.nii\.gz.*sheared"):
        write_labelmap(sheared, tmp_path / "tilted.nii.gz")
    assert not list(tmp_path.iterdir())


def test_what_a_format_cannot_say_is_kept_beside_it_after_the_work(tmp_path, sheared):
    for kept in ("tilted.seg.nrrd", "tilted2.seg.nrrd"):
        with pytest.raises(InputError, match=rf"sheared.*not lost.*{kept}"):
            write_or_keep(sheared, tmp_path / "tilted.nii.gz")
        assert np.array_equal(read_labelmap(tmp_path / kept).voxels, sheared.voxels)
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_can_be_kept_the_first_failure_is_said(tmp_path):
    with pytest.raises(InputError, match=r"out\.nii\.gz.*does not exist") as refusal:
        write_or_keep(a_labelmap(a_matrix()), tmp_path / "nowhere" / "out.nii.gz")
    assert "not lost" not in str(refusal.value)


def test_values_above_255_survive(tmp_path):
    labelmap = a_labelmap(a_matrix(), values=1000, dtype=np.uint16)
    write_labelmap(labelmap, tmp_path / "many.nii.gz")
    assert np.array_equal(read_labelmap(tmp_path / "many.nii.gz").voxels, labelmap.voxels)


@pytest.mark.parametrize(("ending", "shape"), [(".nrrd", (4, 5, 6, 3)), (".nii.gz", (3, 4, 5, 6))])
def test_probabilities_are_a_vector_in_nrrd_and_a_fourth_dimension_in_nifti(tmp_path, ending, shape):
    probabilities = np.random.default_rng(0).random((4, 5, 6, 3), np.float32)
    write_volume(probabilities, a_matrix(), tmp_path / f"p{ending}")
    written = nrrd_or_nifti(tmp_path / f"p{ending}", four_dimensions=ending == ".nii.gz")
    assert written.shape == shape
    assert np.array_equal(written if ending == ".nrrd" else np.moveaxis(written, 0, -1), probabilities)


def nrrd_or_nifti(path: Path, four_dimensions: bool) -> np.ndarray:
    image = SimpleITK.ReadImage(str(path))
    # SimpleITK shows the fourth dimension of NIfTI as such or as a vector, depending on its length.
    array = SimpleITK.GetArrayFromImage(image)
    return np.moveaxis(array, -1, 0) if four_dimensions and image.GetNumberOfComponentsPerPixel() > 1 else array


@pytest.mark.parametrize("name", ["out.tiff", "out", ".nii.gz", "out.gz"])
def test_unknown_endings_are_refused_with_those_that_work(tmp_path, name):
    with pytest.raises(InputError, match=r"\.seg\.nrrd.*\.nii\.gz.*\.dcm"):
        check_labelmap_output(tmp_path / name)


def test_probabilities_take_image_endings_alone(tmp_path):
    assert check_volume_output(tmp_path / "p.NII.GZ") == ".nii.gz"
    with pytest.raises(InputError, match=r"p\.dcm"):
        check_volume_output(tmp_path / "p.dcm")


def test_a_missing_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        check_labelmap_output(tmp_path / "nowhere" / "out.nii.gz")


def test_a_folder_that_cannot_be_written_to_is_refused():
    with pytest.raises(InputError, match="cannot be written"):
        check_labelmap_output("/proc/out.nii.gz")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_midway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, ending):
    target = tmp_path / f"out{ending}"
    target.write_text("the old file")

    def disk_full(image, path, **options):
        Path(path).write_bytes(b"half")
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(SimpleITK, "WriteImage", disk_full)
    with pytest.raises(SAMedError, match=f"out{ending}.*could not be written"):
        write_labelmap(a_labelmap(a_matrix()), target)
    assert [file.name for file in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "the old file"
