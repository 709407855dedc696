"""The running average of the trained parameters, which is what is kept, and a rate that ends at 0."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_training import DECODER, RECIPE, TinySam, parameters, train_tiny

from SAMedCore.train.optimization import Average
from SAMedCore.train.slices import repeats_of


def set_all(model: TinySam, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def test_the_first_steps_give_their_mean_and_later_ones_fade_by_the_decay():
    model = TinySam()
    average = Average(model, decay=0.75)
    expected = []
    for step, value in enumerate([4.0, 2.0, 3.0, 7.0, 1.0]):
        set_all(model, value)
        average.update()
        decay = min(0.75, step / (step + 1))
        expected.append(decay * (expected[-1] if expected else 0) + (1 - decay) * value)
    assert expected[1] == 3.0
    for averaged in average.values.values():
        torch.testing.assert_close(averaged, torch.full_like(averaged, expected[-1]))


def test_the_average_takes_the_models_place_for_a_while():
    model = TinySam()
    average = Average(model, decay=0.5)
    frozen = model.image_encoder[0].weight.clone()
    own = parameters(model)
    average.update()
    for value in average.values.values():
        value.zero_()
    with average.in_place():
        assert not model.mask_decoder.weight.any()
        assert torch.equal(model.image_encoder[0].weight, frozen)
    assert torch.equal(parameters(model), own)
    average.take()
    assert not model.mask_decoder.weight.any()


def test_without_a_decay_there_is_no_average(tmp_path):
    model = TinySam()
    own, average = parameters(model), Average(model, decay=0)
    average.update()
    with average.in_place():
        assert torch.equal(parameters(model), own)
    assert not average.values


def test_what_is_published_is_the_average_and_the_next_stage_begins_from_it(tmp_path):
    """The model comes back from the last stage as the checkpoint has it, which its own last step is not."""
    averaged, plain = (
        train_tiny(tmp_path / str(decay), replace(RECIPE, stages=(replace(DECODER, average=decay),))) for decay in (0.9, 0.0)
    )
    assert not torch.equal(parameters(averaged), parameters(plain))
    for model, decay in ((averaged, 0.9), (plain, 0.0)):
        last = torch.load(tmp_path / f"{decay}.training" / "last" / "weights.pt")
        assert all(torch.equal(dict(model.named_parameters())[name], value) for name, value in last.items())


def test_slices_with_rare_structures_are_shown_more_often():
    """The first slice alone has structure 2; the last one has none."""
    classes = np.zeros((4, 8, 8), dtype=np.uint8)
    classes[:3, :4] = 1
    classes[0, 6:] = 2
    classes[3, 0] = 255
    np.testing.assert_array_equal(repeats_of(classes, 6, 0.0), 6)
    balanced = repeats_of(classes, 6, 1.0)
    assert balanced.tolist() == [12, 4, 4, 4]
    half = repeats_of(classes, 6, 0.5)
    assert balanced[1] < half[1] < half[0] < balanced[0]
    assert repeats_of(classes, 1, 1.0).min() == 1


@pytest.mark.parametrize("balanced", [0.0, 1.0])
def test_slices_where_nothing_is_drawn_are_shown_alike(balanced):
    assert repeats_of(np.zeros((3, 4, 4), dtype=np.uint8), 2, balanced).tolist() == [2, 2, 2]
