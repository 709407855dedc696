"""The paper's preparation of the Synapse CT: its files, voxel for voxel, and what the network sees of them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_datasets import btcv, paper

from SAMedCore.checkpoint.catalogue import PUBLISHED_ORIENTATION
from SAMedCore.cli import main
from SAMedCore.errors import Cancelled
from SAMedCore.files.cases import listed, to_learn_from
from SAMedCore.files.paper_arrays import hu_of
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.synapse import BTCV_ORGANS
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import orientation_of
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.preprocessing import Preprocessing, window
from SAMedCore.train.cases import load_cases
from SAMedCore.train.slices import slice_dataset
from SAMedCore.train.synapse import TEST_CASES, prepare
from SAMedCore.work import Work

LAS = np.array([[0.8, 0, 0, -100], [0, -0.8, 0, 90], [0, 0, 3, 20], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A made-up download: all 13 organs, values far beyond the window, axes as NIfTI often has them."""
    draw = np.random.default_rng(0)
    volume = Volume(draw.integers(-1100, 1500, (5, 12, 10)).astype(np.int16), LAS)
    organs = LabelMap(draw.integers(0, 14, (5, 12, 10)).astype(np.uint8), LAS, BTCV_ORGANS)
    return btcv(tmp_path_factory.mktemp("download"), volume, organs)


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "Synapse"
    prepare(raw, out)
    return out


def expected(raw: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and label as the paper and the authors' README say, from the download's arrays alone."""
    image, label = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(raw / f"RawData/Training/{kind}{number:04}.nii.gz"))
        for kind in ("img/img", "label/label")
    )
    scaled = (np.clip(image.astype(np.float32), -125, 275) + np.float32(125)) / np.float32(400)
    renumbered = np.zeros(label.shape, np.float32)
    for old, new in {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 7: 6, 8: 7, 11: 8}.items():
        renumbered[label == old] = new
    return scaled, renumbered


def test_the_authors_files_are_written_voxel_for_voxel(raw, prepared):
    for number in (5, 6):
        scaled, renumbered = expected(raw, number)
        for k in range(5):
            with np.load(prepared / f"train_npz/case{number:04}_slice{k:03d}.npz") as file:
                assert file["image"].dtype == file["label"].dtype == np.float32
                assert np.array_equal(file["image"], scaled[k])
                assert np.array_equal(file["label"], renumbered[k])
    with h5py.File(prepared / "test_vol_h5/case0001.npy.h5") as file:
        for key, array in zip(("image", "label"), expected(raw, 1), strict=True):
            assert file[key].dtype == np.float32
            assert np.array_equal(file[key], array)


def test_the_lists_name_what_was_written(prepared):
    lists = prepared / "lists_Synapse"
    slices = [f"case{number}_slice{k:03d}" for number in ("0005", "0006") for k in range(5)]
    assert (lists / "train.txt").read_text().split() == slices
    assert (lists / "test_vol.txt").read_text().split() == ["case0001"]
    assert (lists / "all.lst").read_text().split() == ["case0001.npy.h5", "case0005.npy.h5", "case0006.npy.h5"]
    assert {path.name for path in prepared.iterdir()} == {"train_npz", "test_vol_h5", "lists_Synapse"}


def test_twelve_cases_are_for_testing():
    assert len(TEST_CASES) == 12


def test_the_files_say_where_their_voxels_lie(raw, prepared):
    (case, *_) = listed(prepared)
    download = read_volume(raw / "RawData/Training/img/img0001.nii.gz")
    assert case.name == "case0001"
    assert same_grid(read_volume(case.image).grid, download.grid)
    assert same_grid(read_labelmap(case.image).grid, download.grid)
    assert read_labelmap(case.image).labels == SYNAPSE_ORGANS


def test_the_network_sees_the_slices_as_they_are(raw, prepared):
    """Read, turned into HU and windowed again, they are the very numbers of the files: nothing is windowed twice."""
    cases = load_cases(to_learn_from(prepared))
    as_stored = Preprocessing(sizes=(12,), orientation=orientation_of(cases[0].volume.grid))
    for case, number in zip(cases, (5, 6), strict=True):
        fitted = as_stored.fit(case.volume)
        assert np.array_equal(fitted.images_of(case.volume.voxels), expected(raw, number)[0])
    dataset = slice_dataset(cases, SYNAPSE_ORGANS, as_stored, 3)
    from_download = slice_dataset(load_cases(to_learn_from(raw))[1:], SYNAPSE_ORGANS, as_stored, 3)
    assert np.array_equal(dataset.images, from_download.images)
    assert np.array_equal(dataset.classes, from_download.classes)


hounsfield = st.one_of(
    arrays(np.int16, (2, 3, 4)),
    arrays(np.float32, (2, 3, 4), elements=st.floats(-2000, 3000, width=32)),
)


@given(hounsfield)
def test_scaled_values_come_back_to_the_last_bit(voxels):
    scaled = window(voxels, (-125.0, 275.0))
    assert np.array_equal(window(hu_of(scaled), (-125.0, 275.0)), scaled)
    if voxels.dtype == np.int16:
        assert np.array_equal(hu_of(scaled), np.where(voxels <= -125, -1000, np.minimum(voxels, 275)))


def test_files_without_geometry_lie_as_the_published_checkpoints_slices_do(tmp_path):
    draw = np.random.default_rng(1)
    volume = Volume(draw.integers(-300, 300, (3, 8, 8)).astype(np.int16), np.eye(4))
    labels = LabelMap(draw.integers(0, 9, (3, 8, 8)).astype(np.uint8), np.eye(4), SYNAPSE_ORGANS)
    for case in listed(paper(tmp_path, volume, labels)):
        assert orientation_of(read_volume(case.image).grid) == PUBLISHED_ORIENTATION
        assert read_volume(case.image).modality == "CT"


def test_the_command_prepares_a_dataset(raw, tmp_path, capsys):
    assert main(["synapse", str(raw), str(tmp_path / "out")]) == 0
    assert "2 cases for training, 1 for testing" in capsys.readouterr().out
    assert [case.name for case in to_learn_from(tmp_path / "out")] == ["case0005", "case0006"]


def test_a_cancelled_preparation_leaves_nothing(raw, tmp_path):
    told: list = []
    with pytest.raises(Cancelled):
        prepare(raw, tmp_path / "out", Work(told.append, lambda: bool(told)))
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == []


def spoilt(raw: Path, out: Path) -> tuple[Path, Path]:
    """A download whose label map is of another size."""
    volume = read_volume(raw / "RawData/Training/img/img0005.nii.gz")
    labels = LabelMap(np.ones(volume.voxels.shape, np.uint8), volume.ijk_to_lps, BTCV_ORGANS)
    made = btcv(out.parent / "spoilt", volume, labels)
    short = made / "RawData/Training/img/img0006.nii.gz"
    SimpleITK.WriteImage(SimpleITK.ReadImage(short)[:-1], short)
    return made, out


def taken(raw: Path, out: Path) -> tuple[Path, Path]:
    out.mkdir()
    return raw, out


REFUSED = {
    "is not the downloaded dataset": lambda raw, out: (out.parent, out),
    "is there already": taken,
    "is not on the grid of": spoilt,
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_prepared_is_refused_in_one_line(raw, tmp_path, capsys, sentence):
    arguments = [str(path) for path in REFUSED[sentence](raw, tmp_path / "out")]
    assert main(["synapse", *arguments]) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not any(path.name.endswith(".partial") for path in tmp_path.iterdir())
