"""What a person can ask for is checked when it is asked, in a sentence that says what to do."""

import math
import re

import pytest

from SAMedCore.errors import InputError
from SAMedCore.options import (
    CohortOptions,
    CompleteOptions,
    FinetuneOptions,
    ModelOptions,
    PromptOptions,
    RankOptions,
    SegmentOptions,
)

DEVICES = "choose from auto, cpu, cuda, cuda:N, mps or ssh://host."
INTENSITIES = "choose from auto, ct, other."


def model(**options) -> ModelOptions:
    return ModelOptions("checkpoint", **options)


def finetune(**options) -> FinetuneOptions:
    return FinetuneOptions(**{"out": "out", "base": "lite", **options})


REFUSED = [
    pytest.param(model, {"device": device}, f'unknown device "{device}": {DEVICES}', id=f"device {device}")
    for device in ("tpu", "", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "mps:0", "CPU")
]
REFUSED += [
    pytest.param(model, {"device": "ssh://far/tpu"}, f'unknown device "tpu": {DEVICES}', id="device elsewhere"),
    pytest.param(
        model,
        {"precision": "int8"},
        'unknown precision "int8": choose from auto, fp32, bf16, fp16.',
        id="precision",
    ),
    pytest.param(
        SegmentOptions,
        {"labels": []},
        "no structure is chosen: name at least one, or leave the choice out for all.",
        id="no label",
    ),
    pytest.param(SegmentOptions, {"batch_size": 0}, "0 slices at a time: give at least 1.", id="batch"),
    pytest.param(CohortOptions, {"workers": 0}, "0 workers: give at least 1.", id="workers"),
    pytest.param(CohortOptions, {"retries": -1}, "-1 retries: give at least 0.", id="retries"),
    pytest.param(PromptOptions, {"device": "tpu"}, f'unknown device "tpu": {DEVICES}', id="prompt device"),
    pytest.param(PromptOptions, {"intensities": "mr"}, f'unknown intensities "mr": {INTENSITIES}', id="prompt intensities"),
    pytest.param(CompleteOptions, {"device": "tpu"}, f'unknown device "tpu": {DEVICES}', id="complete device"),
    pytest.param(CompleteOptions, {"intensities": "mr"}, f'unknown intensities "mr": {INTENSITIES}', id="complete intensities"),
    pytest.param(CompleteOptions, {"steps": 0}, "0 training steps: give at least 1.", id="steps"),
    pytest.param(
        FinetuneOptions,
        {"out": "out"},
        "there is nothing to start from: name a base model, or a checkpoint to go on from.",
        id="no start",
    ),
    pytest.param(
        finetune,
        {"preset": "best"},
        'unknown preset "best": choose from few-shot, samed, samed_s, samed_h.',
        id="preset",
    ),
    pytest.param(finetune, {"epochs": 0}, "0 epochs: give at least 1.", id="epochs"),
    pytest.param(finetune, {"batch_size": 0}, "0 slices a step: give at least 1.", id="step"),
    pytest.param(finetune, {"minutes": 0.0}, "0 minutes: give a time above 0.", id="no time"),
    pytest.param(finetune, {"minutes": math.inf}, "inf minutes: give a time above 0.", id="endless"),
    pytest.param(finetune, {"minutes": math.nan}, "nan minutes: give a time above 0.", id="no number"),
    pytest.param(
        finetune,
        {"validation": 1},
        "1.0 is no fraction to hold out: give a number from 0 up to, but not, 1.",
        id="all held out",
    ),
    pytest.param(
        finetune, {"validation": -0.1}, "-0.1 is no fraction to hold out: give a number from 0 up to, but not, 1.", id="fewer"
    ),
    pytest.param(
        finetune, {"slices": "some"}, '"some" are no slices: choose annotated, all, or numbers from the feet.', id="slices"
    ),
    pytest.param(
        finetune,
        {"slices": "all", "keep_others": True},
        "with all slices chosen there are no others to keep: choose the annotated ones, or some.",
        id="no others",
    ),
    pytest.param(finetune, {"device": "tpu"}, f'unknown device "tpu": {DEVICES}', id="finetune device"),
    pytest.param(finetune, {"intensities": "mr"}, f'unknown intensities "mr": {INTENSITIES}', id="finetune intensities"),
]


@pytest.mark.parametrize(("made", "options", "said"), REFUSED)
def test_what_is_out_of_range_is_refused_in_a_sentence(made, options, said):
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        made(**options)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps", "ssh://far", "ssh://me@far:22/cuda:1"])
def test_devices_here_and_elsewhere_are_taken(device):
    assert ModelOptions("c", device=device).device == device


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (SegmentOptions, {"batch_size": 1}),
        (CohortOptions, {"workers": 1, "retries": 0}),
        (CompleteOptions, {"steps": 1}),
        (finetune, {"epochs": 1, "minutes": 0.5, "batch_size": 1, "validation": 0}),
        (finetune, {"validation": 0.99, "slices": "annotated", "keep_others": True}),
        (finetune, {"base": None, "checkpoint": "c"}),
        (finetune, {"slices": "all"}),
    ],
)
def test_the_outermost_values_are_taken(made, options):
    kept = made(**options)
    assert {name: getattr(kept, name) for name in options} == options


@pytest.mark.parametrize(
    ("made", "name", "given", "kept"),
    [
        (SegmentOptions, "labels", ["a", "b"], ("a", "b")),
        (SegmentOptions, "slices", range(3), (0, 1, 2)),
        (RankOptions, "annotated", [4], (4,)),
        (CompleteOptions, "annotated_slices", [1, 2], (1, 2)),
        (finetune, "classes", ["a"], ("a",)),
        (finetune, "slices", [1], (1,)),
        (finetune, "slices", "annotated", "annotated"),
    ],
)
def test_lists_and_ranges_are_kept_as_tuples(made, name, given, kept):
    assert getattr(made(**{name: given}), name) == kept


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"preset": "few-shot"}, "annotated"),
        ({"preset": "samed"}, "all"),
        ({"preset": "samed_h", "slices": "annotated"}, "annotated"),
        ({"slices": (1, 2)}, (1, 2)),
    ],
)
def test_which_slices_are_learnt_from_is_the_presets_choice_unless_it_is_said(options, chosen):
    assert finetune(**options).chosen_slices == chosen


def test_the_preset_that_learns_from_all_slices_keeps_no_others():
    with pytest.raises(InputError, match="no others to keep"):
        finetune(preset="samed", keep_others=True)
    assert finetune(preset="few-shot", keep_others=True).keep_others


def test_the_weights_are_a_path_or_none():
    assert ModelOptions("c", "folder/base.pth").weights.parts == ("folder", "base.pth")
    assert ModelOptions("c").weights is None
