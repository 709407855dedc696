"""Whatever stands in a request: it is refused in one sentence, or travels as JSON and comes back as it was."""

import json
import typing
from dataclasses import MISSING, asdict, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from SAMedCore import options
from SAMedCore.devices import choose_device
from SAMedCore.errors import InputError
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
from SAMedCore.options import (
    CohortOptions,
    CompleteOptions,
    FinetuneOptions,
    ModelOptions,
    PromptOptions,
    RankOptions,
    SegmentOptions,
)
from SAMedCore.service.wire import _build
from SAMedCore.values import MOST

CLASSES = [
    *(each for name, each in vars(options).items() if name.endswith("Options")),
    SlicePrompt,
    Limits,
    StructurePrompts,
]

SOMETHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=3)
    | st.sampled_from(
        ["auto", "cpu", "cuda:1", "lite", "fp16", "all", "few-shot", "LPS", "a\0", "\ud800", "ssh://a/meta", 10**400]
    )
    | st.sampled_from([range(3), range(10**30), Path("a"), np.int64(3), np.float32(0.5), np.arange(3), object(), 1 + 2j]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


PROMPT = SlicePrompt(points_in=((1.0, 2.0, 3.0),))
st.register_type_strategy(SlicePrompt, st.sampled_from([PROMPT, SlicePrompt(((0.0, 0.0, 3.0), (9.0, 9.0, 3.0)))]))
st.register_type_strategy(Limits, st.sampled_from([Limits(), Limits((0, 9))]))


@st.composite
def anything(draw) -> tuple[type, dict]:
    """A class, and values for some of its fields: mostly such as they should be, and others."""
    cls = draw(st.sampled_from(CLASSES))
    hints = typing.get_type_hints(cls)
    given = {each.name: draw(SOMETHING | st.from_type(hints[each.name])) for each in fields(cls) if draw(st.integers(0, 3))}
    return cls, given


@given(anything())
@example((SegmentOptions, {"slices": range(10**12)}))
@example((PromptOptions, {"device": "\n"}))
@example((Limits, {"box": ((0.0, 0.0, 0.0), (0.0, 0.0, float("inf")))}))
@example((FinetuneOptions, {"out": "o", "base": "b", "minutes": float("nan")}))
@settings(max_examples=300, deadline=None)
def test_a_request_is_refused_or_travels(made):
    cls, values = made
    needed = {each.name for each in fields(cls) if each.default is MISSING}
    if not needed <= values.keys():
        return
    try:
        request = cls(**values)
    except InputError as error:
        said = str(error)
    else:
        row = json.loads(json.dumps(asdict(request), allow_nan=False))
        assert _build(cls, row) == request
        assert hash(request) == hash(_build(cls, row))
        return
    assert len(said) < 400
    assert "\n" not in said


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"slices": range(2, 9, 3)}, (2, 5, 8)),
        ({"slices": np.arange(3)}, (0, 1, 2)),
        ({"slices": [np.int64(4), np.uint8(5)]}, (4, 5)),
    ],
    ids=["a range", "an array", "numpy's integers"],
)
def test_what_people_have_in_python_is_taken_for_what_it_is(given, found):
    assert SegmentOptions(**given).slices == found
    assert all(type(each) is int for each in SegmentOptions(**given).slices)


def test_paths_and_numpys_numbers_become_plain_values():
    made = FinetuneOptions(Path("new"), base=Path("b.pth"), minutes=np.float32(0.5), epochs=np.int16(3))
    assert (made.out, made.base, made.minutes, made.epochs) == ("new", "b.pth", 0.5, 3)
    assert (type(made.minutes), type(made.epochs)) == (float, int)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SegmentOptions(labels="liver"), "\"labels\" is 'liver': give a list or nothing."),
        (lambda: SegmentOptions(slices=[1.5]), '"slices" is [1.5]: give a whole number or nothing.'),
        (lambda: SegmentOptions(batch_size="2"), "\"batch size\" is '2': give a whole number or nothing."),
        (lambda: SegmentOptions(batch_size=True), '"batch size" is True: give a whole number or nothing.'),
        (lambda: SegmentOptions(largest_component=1), '"largest component" is 1: give true or false.'),
        (lambda: SegmentOptions(slices=range(10**30)), f"give no more than {MOST} or nothing."),
        (lambda: RankOptions(annotated=[MOST]), f"there is no slice {MOST}: give numbers from the feet, from 0 to {MOST - 1}."),
        (lambda: RankOptions(annotated=[-1]), "there is no slice -1"),
        (lambda: ModelOptions(checkpoint="a\0b"), "'a\\x00b' holds a character that cannot be written: take it out."),
        (lambda: ModelOptions(checkpoint=None), '"checkpoint" is None: give a text.'),
        (lambda: CompleteOptions(seed=-1), "-1 as a seed: give at least 0."),
        (lambda: CompleteOptions(steps=10**9), "1000000000 training steps: give at most 1000000."),
        (lambda: CohortOptions(workers=10**6), "1000000 workers: give at most 10000."),
        (lambda: FinetuneOptions("o", base="b", minutes=10**400), "give a smaller number or nothing."),
        (lambda: SlicePrompt(points_in=[[1, 2]]), '"points in" is [1, 2]: give 3 values.'),
        (lambda: SlicePrompt(points_in=[[1, 2, 1e300]]), "a coordinate of the prompt is not a finite number"),
        (lambda: StructurePrompts("a", ["b"]), "\"prompts\" is 'b': give a SlicePrompt."),
    ],
)
def test_another_kind_of_value_is_named(make, said):
    with pytest.raises(InputError) as refusal:
        make()
    assert said in str(refusal.value)


@pytest.mark.parametrize("name", ["meta", "hpu", "xpu", "xla", "privateuseone", "cuda:٣", "cuda:", "", "CPU", "cpu:0"])
def test_a_device_of_torchs_that_is_none_of_ours_is_refused_everywhere(name):
    for make in (ModelOptions, options.PromptOptions, CompleteOptions):
        with pytest.raises(InputError, match="unknown device"):
            make("a", device=name) if make is ModelOptions else make(device=name)
    with pytest.raises(InputError, match="unknown device"):
        choose_device(name)
