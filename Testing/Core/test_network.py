"""The network that fills in: its prompts, what of it learns, and what it sees of the scan."""

from dataclasses import replace

import numpy as np
import torch
from cone_scan import ONE_STEP, partial

from SAMedCore.complete.network import Network
from SAMedCore.complete.prompts import make_prompts
from SAMedCore.complete.tune import tunable
from SAMedCore.image.distances import signed_distance_mm
from SAMedCore.image.volume import Volume
from SAMedCore.model.pixel_grids import PixelGrids
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.options import CompleteOptions


def test_a_prompt_is_the_shape_and_a_box_one_pixel_around_it():
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:30, 40:44] = True
    grids = PixelGrids((64, 64), (1.0, 1.0), input_size=64, low_res_size=64)
    prompts = make_prompts({5: signed_distance_mm(mask, (1.0, 1.0))}, grids)
    assert prompts.values == (5,)
    assert prompts.boxes.tolist() == [[39, 19, 44, 30]]
    assert torch.equal(prompts.masks[0, 0] > 0, torch.from_numpy(mask))
    assert prompts.masks.abs().max() <= 8


def test_the_networks_preprocessing_sees_the_whole_scan_first(cone, noisy_model):
    seen = []

    class Fitted(Preprocessing):
        def fit(self, volume: Volume) -> Preprocessing:
            seen.append(volume)
            return replace(noisy_model.preprocessing, window_hu=(0.0, 1.0))

    volume, truth = cone
    fitting = replace(noisy_model, preprocessing=Fitted(sizes=(64,), padded=True))
    fixed = replace(noisy_model, preprocessing=replace(noisy_model.preprocessing, window_hu=(0.0, 1.0)))
    as_ct = replace(ONE_STEP, intensities="ct")
    found, wanted = (Network(partial(volume, truth, model, as_ct)).fill([4])[4] for model in (fitting, fixed))
    assert seen == [volume]
    assert np.array_equal(found, wanted)


def test_only_the_mask_decoder_and_the_mask_prompt_learn(noisy_model):
    with tunable(noisy_model.sam) as parameters:
        names = {name.split(".")[0] for name, one in noisy_model.sam.named_parameters() if one.requires_grad}
        assert names == {"mask_decoder", "prompt_encoder"}
        assert len(parameters) == sum(one.requires_grad for one in noisy_model.sam.parameters())
        assert not any(one.requires_grad for one in noisy_model.sam.prompt_encoder.no_mask_embed.parameters())


def test_the_same_seed_gives_the_same_slices(cone, noisy_model):
    volume, truth = cone

    def fill() -> np.ndarray:
        return Network(partial(volume, truth, noisy_model, CompleteOptions(steps=4, seed=3))).fill([4])[4]

    assert np.array_equal(fill(), fill())
