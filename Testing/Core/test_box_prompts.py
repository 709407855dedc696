"""LiteMedSAM is really the pretrained network: given each organ's box on a slice, it draws the organ."""

import numpy as np
import torch

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.model.pixel_grids import PixelGrids

EVERY = 6
MARGIN = 1


def boxes_around(masks: np.ndarray, input_pixels_per_voxel: float, last_pixel: int) -> np.ndarray:
    """(N, 4) x y x y of the masks (N, j, i), in input pixels, a pixel wider on each side."""
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        corners = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * input_pixels_per_voxel
        boxes.append(corners + np.array([0, 0, -1, -1]) + MARGIN * np.array([-1, -1, 1, 1]))
    return np.clip(boxes, 0, last_pixel)


def test_box_prompts_give_the_organs_of_the_sample(sample_ct, sample_labels, lite_weights):
    model = load_promptable(lite_weights, "cpu")
    volume, truth = reorient(sample_ct, "LPS").voxels, reorient(sample_labels, "LPS").voxels
    slices = list(ORGAN_SLICES[::EVERY])
    grids = PixelGrids(truth.shape[1:], (3.0, 3.0), model.sam.input_size, model.sam.low_res_size)
    drawn = np.zeros((9, len(slices), *truth.shape[1:]), dtype=bool)
    for n, k in enumerate(slices):
        organs = [value for value in range(1, 9) if (truth[k] == value).any()]
        if not organs:
            continue
        masks = np.stack([truth[k] == value for value in organs])
        boxes = boxes_around(masks, model.sam.input_size / max(truth.shape[1:]), model.sam.input_size - 1)
        with torch.inference_mode():
            logits, _quality = model.sam.decode_prompts(
                model.encode(model.preprocessing.images_of(volume[k : k + 1])), boxes=torch.from_numpy(boxes).float()
            )
        drawn[organs, n] = (grids.to_slice(logits) > 0).numpy()
    scores = [dice(drawn[value], truth[slices] == value) for value in range(1, 9)]
    assert np.mean(scores) >= 0.90, scores
