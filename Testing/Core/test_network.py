"""The network that fills in: its prompts, what of it learns, and what it sees of the scan."""

from dataclasses import replace

import numpy as np
import torch
from cone_scan import ANNOTATED, ONE_STEP, labels_of, partial

from SAMedCore.complete.choose import make_folds
from SAMedCore.complete.network import Network
from SAMedCore.complete.prompts import make_prompts
from SAMedCore.complete.tune import tunable
from SAMedCore.image.distances import signed_distance_mm
from SAMedCore.image.volume import Volume
from SAMedCore.model.pixel_grids import PixelGrids
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.options import CompleteOptions
from SAMedCore.work import Event, Work


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
    found, wanted = (labels_of(Network(partial(volume, truth, model, as_ct)).fill([4]))[4] for model in (fitting, fixed))
    assert seen == [volume]
    assert np.array_equal(found, wanted)


def test_only_the_mask_decoder_and_the_mask_prompt_learn_and_the_model_itself_does_not(noisy_model):
    sam, parameters = tunable(noisy_model.sam)
    names = {id(one): name for name, one in sam.named_parameters()}
    assert {names[id(one)].split(".")[0] for one in parameters} == {"mask_decoder", "prompt_encoder"}
    assert all(one.requires_grad for one in parameters)
    assert not any(one.requires_grad for one in sam.prompt_encoder.no_mask_embed.parameters())
    assert sam.image_encoder is noisy_model.sam.image_encoder
    own = {one.data_ptr() for one in noisy_model.sam.parameters()}
    assert not own & {one.data_ptr() for one in parameters}


def test_the_same_seed_gives_the_same_slices(cone, noisy_model):
    volume, truth = cone

    def fill() -> np.ndarray:
        return labels_of(Network(partial(volume, truth, noisy_model, CompleteOptions(steps=4, seed=3))).fill([4]))[4]

    assert np.array_equal(fill(), fill())


def test_slices_come_one_at_a_time_and_nothing_asks_the_network_to_stop_when_nobody_wants_more(cone, noisy_model):
    filling = Network(partial(*cone, noisy_model, ONE_STEP)).fill([3, 4, 5, 7])
    assert next(filling)[0] == 3
    filling.close()
    assert not any(module._forward_pre_hooks for module in noisy_model.sam.modules())


def test_slices_that_were_left_out_are_not_learnt_again(cone, noisy_model):
    events: list[Event] = []
    scan = replace(partial(*cone, noisy_model, ONE_STEP), work=Work(events.append))
    network, folds = Network(scan), make_folds(ANNOTATED)
    first = dict(network.leave_out(folds))
    count = len(events)
    again = dict(network.leave_out(folds))
    assert count > 0
    assert len(events) == count
    assert all(np.array_equal(first[k][value], again[k][value]) for k in first for value in first[k])


def test_a_slice_in_the_middle_is_the_same_whichever_others_are_asked_for(cone, noisy_model):
    alone, among = (
        dict(Network(partial(*cone, noisy_model, ONE_STEP)).fill(slices))[8] for slices in ([7, 8, 9], [3, 4, 5, 7, 8, 9, 11])
    )
    assert alone.keys() == among.keys()
    assert all(np.array_equal(alone[value], among[value]) for value in alone)


def test_each_inner_annotated_slice_is_left_out_once(cone, noisy_model):
    left_out = dict(Network(partial(*cone, noisy_model, ONE_STEP)).leave_out(make_folds(ANNOTATED)))
    assert left_out.keys() == {6, 10}
    assert all(scores.keys() == {1, 4} for scores in left_out.values())


def test_many_annotated_slices_are_encoded_less_often_each(cone, noisy_model, monkeypatch):
    monkeypatch.setattr("SAMedCore.complete.network.ALL_VERSIONS", 3 * len(ANNOTATED))
    encoded = []
    noisy_model.sam.image_encoder.register_forward_pre_hook(lambda *_: encoded.append(1))
    next(Network(partial(*cone, noisy_model, ONE_STEP)).fill([3]))
    assert len(encoded) == 3 * len(ANNOTATED) + 1
