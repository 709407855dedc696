import json

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from SAMedCore.errors import InputError
from SAMedCore.image.volume import Volume
from SAMedCore.model.preprocessing import Preprocessing, resize_labels, window
from SAMedCore.model.resizing import resize_images


@pytest.mark.parametrize("shape", [(512, 512), (101, 122), (224, 224), (300, 17)])
def test_splines_by_matrix_equal_scipy_zoom(shape):
    slices = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    expected = []
    for image in slices:
        for size in (224, 512):
            image = zoom(image, (size / image.shape[0], size / image.shape[1]), order=3)
        expected.append(image)
    resized = resize_images(torch.from_numpy(slices), (224, 512)).numpy()
    assert np.abs(resized - np.stack(expected)).max() < 3e-6


@pytest.mark.parametrize("shape", [(512, 512), (101, 122), (224, 224)])
def test_labels_by_index_equal_scipy_zoom_there_and_back(shape):
    labels = np.random.default_rng(0).integers(0, 9, (1, *shape)).astype(np.uint8)
    there = zoom(labels[0], (224 / shape[0], 224 / shape[1]), order=0, mode="nearest")
    assert np.array_equal(resize_labels(labels, (224,))[0], there)
    back = zoom(there, (shape[0] / 224, shape[1] / 224), order=0, mode="nearest")
    assert np.array_equal(Preprocessing(sizes=(224,)).restore_labels(there[None], shape)[0], back)


def test_the_window_maps_its_ends_to_zero_and_one():
    hu = np.array([-1024, -125, 75, 275, 3000], dtype=np.int16)
    assert window(hu, (-125, 275)).tolist() == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_without_a_value_count_as_air(dtype):
    hu = np.array([np.nan, -np.inf, np.inf, 75], dtype=dtype)
    assert window(hu, (-125, 275)).tolist() == [0, 0, 1, 0.5]


def test_a_padded_slice_keeps_its_shape_and_comes_back_whole():
    padded, disc = Preprocessing(sizes=(256,), padded=True), np.zeros((1, 60, 90), dtype=np.uint8)
    rows, columns = np.indices((60, 90))
    disc[0] = np.hypot(rows - 30, columns - 50) < 20
    square = padded.pad(disc)
    assert square.shape == (1, 90, 90)
    assert not square[0, 60:].any()
    there = resize_labels(square, padded.sizes)
    rows, columns = (np.flatnonzero(there[0].any(axis)) for axis in (1, 0))
    assert abs(len(rows) - len(columns)) <= 1
    assert np.array_equal(padded.restore_labels(there, (60, 90)), disc)


@pytest.mark.parametrize("percentiles", [None, (0.5, 99.5)])
def test_preprocessing_survives_json(percentiles):
    window_hu = (-160, 240) if percentiles is None else Preprocessing.window_hu
    chosen = Preprocessing(window_hu, (256,), "RPS", padded=True, clipped=True, percentiles=percentiles)
    assert Preprocessing.from_json(json.loads(json.dumps(chosen.to_json()))) == chosen


def test_json_names_the_window_or_the_percentiles_whichever_counts():
    for intensities, named in (("ct", "window_hu"), ("other", "percentiles")):
        suited = Preprocessing().suited(intensities)
        assert suited.intensities == intensities
        assert [key for key in suited.to_json() if key in ("window_hu", "percentiles")] == [named]


def test_an_empty_window_is_refused():
    with pytest.raises(InputError, match="window"):
        Preprocessing(window_hu=(100, 100))


def test_percentiles_become_the_volumes_own_window():
    volume = Volume(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), np.eye(4))
    rule = Preprocessing(percentiles=(10.0, 90.0))
    fitted = rule.fit(volume)
    assert fitted.window_hu == tuple(np.percentile(np.arange(1, 1000), (10, 90)))
    assert fitted.percentiles is None
    assert Preprocessing().fit(volume) == Preprocessing()
    with pytest.raises(InputError, match="percentiles"):
        Preprocessing(percentiles=(90.0, 10.0))
