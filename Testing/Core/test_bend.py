"""A slice and what is drawn on it are bent alike, and not much."""

import numpy as np
import torch
from cone_scan import SIZE, SPACING_MM, disc

from SAMedCore.complete.bend import bent, make_bend


def bent_discs(seed: int) -> torch.Tensor:
    """A disc twice, as an image and as a mask, after a bend: (2, j, i)."""
    image = torch.from_numpy(disc(15)).float()
    return bent(torch.stack([100 * image, image]), make_bend((SIZE, SIZE), SPACING_MM, np.random.default_rng(seed)))


def test_image_and_shape_are_bent_alike():
    image, shape = bent_discs(0)
    assert torch.allclose(image, 100 * shape, atol=1e-3)
    assert not torch.equal(shape > 0.5, torch.from_numpy(disc(15)))


def test_a_bend_is_as_its_seed_and_keeps_about_the_size():
    assert torch.equal(bent_discs(1), bent_discs(1))
    assert not torch.equal(bent_discs(1), bent_discs(2))
    areas = [float(bent_discs(seed)[1].sum()) / disc(15).sum() for seed in range(20)]
    assert 0.6 < min(areas) < 1 < max(areas) < 1.6
