"""Augmented labels stay with their image, and a draw decides all."""

import numpy as np
import pytest

from SAMedCore.train.augment import AUGMENTATIONS, few_shot_augmentation, paper_augmentation


@pytest.fixture
def slice_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """A bright rectangle, off the centre, and its label."""
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[10:30, 20:50] = 3
    return np.where(labels, 0.8, 0.1).astype(np.float32), labels


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_labels_stay_on_their_structure(name, slice_and_labels):
    for seed in range(20):
        image, labels = AUGMENTATIONS[name](*slice_and_labels, np.random.default_rng(seed))
        assert (image.dtype, labels.dtype, image.shape, labels.shape) == (np.float32, np.uint8, (64, 64), (64, 64))
        assert set(np.unique(labels)) == {0, 3}
        # The edge's pixels may lie between; the bright ones must be the labelled ones.
        assert ((image > image.mean()) == (labels == 3)).mean() > 0.96


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_draw_gives_the_same_slice(name, slice_and_labels):
    first, again = (AUGMENTATIONS[name](*slice_and_labels, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_the_paper_turns_a_half_and_rotates_half_of_the_rest(slice_and_labels):
    image, labels = slice_and_labels
    draw = np.random.default_rng(0)
    turned = unchanged = 0
    for _ in range(800):
        other, _ = paper_augmentation(image, labels, draw)
        symmetries = [np.rot90(flipped, k) for flipped in (image, image[::-1]) for k in range(4)]
        unchanged += np.array_equal(other, image)
        turned += any(np.array_equal(other, symmetry) for symmetry in symmetries)
    # 1/4 untouched; of the flipped half each eighth, of the rotated quarter each fortieth is none.
    assert turned / 800 == pytest.approx(0.75, abs=0.06)
    assert unchanged / 800 == pytest.approx(0.25, abs=0.06)


def test_few_shot_never_mirrors():
    """A triangle of three marks keeps its sense of turning, as left and right kidney must."""
    labels = np.zeros((96, 96), dtype=np.uint8)
    for value, (row, column) in enumerate([(25, 30), (30, 65), (60, 35)], start=1):
        labels[row - 5 : row + 5, column - 5 : column + 5] = value
    image = labels.astype(np.float32) / 3
    for seed in range(30):
        _, moved = few_shot_augmentation(image, labels, np.random.default_rng(seed))
        centres = [np.argwhere(moved == value).mean(axis=0) for value in (1, 2, 3)]
        assert np.linalg.det(np.stack([centres[1] - centres[0], centres[2] - centres[0]])) < 0


def test_other_slices_of_the_same_scan_differ_half_as_much(slice_and_labels):
    """The same draw moves the structure's centre half as far, and changes what stays where it is less."""
    centre = np.argwhere(slice_and_labels[1] == 3).mean(axis=0)
    moved = {
        name: np.array(
            [
                np.argwhere(AUGMENTATIONS[name](*slice_and_labels, np.random.default_rng(seed))[1] == 3).mean(axis=0)
                for seed in range(20)
            ]
        )
        for name in ("same-scan", "few-shot")
    }
    near, far = (np.linalg.norm(moved[name] - centre, axis=1).mean() for name in ("same-scan", "few-shot"))
    assert near == pytest.approx(far / 2, rel=0.15)


def test_few_shot_images_stay_in_the_window(slice_and_labels):
    images = [few_shot_augmentation(*slice_and_labels, np.random.default_rng(seed))[0] for seed in range(10)]
    assert np.min(images) >= 0
    assert np.max(images) <= 1
    assert all(not np.array_equal(images[0], other) for other in images[1:])
