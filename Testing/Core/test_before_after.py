"""Whether a training made it better, in words, as a table and as a picture."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SAMedCore.draw.before_after import before_after_picture
from SAMedCore.errors import InputError
from SAMedCore.evaluate.before_after import BeforeAfter

RED = (192, 38, 45)
MIXED = BeforeAfter(
    names=("liver", "pancreas", "aorta", "gallbladder", "spleen"),
    before=(0.90, 0.61, 0.905, None, None),
    after=(0.95, 0.55, 0.90, 0.0, None),
    start="the checkpoint that it went on from",
    slices=12,
    scans=1,
    whole_scans=False,
)
BETTER = replace(MIXED, names=("liver",), before=(0.0,), after=(0.9,), start="a base model, which knows none of them")


def test_what_got_worse_is_marked_and_the_mean_is_of_what_both_have():
    *_, liver, pancreas, aorta, gallbladder, spleen, _, mean = MIXED.table().splitlines()
    assert liver.split() == ["liver", "0.900", "0.950", "+0.050"]
    assert pancreas.split() == ["pancreas", "0.610", "0.550", "-0.060", "worse"]
    assert aorta.split() == ["aorta", "0.905", "0.900", "-0.005"]
    assert gallbladder.split() == ["gallbladder", "-", "0.000", "-", "worse"]
    assert spleen.split() == ["spleen", "-", "-", "-"]
    assert mean.split() == ["mean", "0.805", "0.800", "-0.005"]


def test_the_summary_says_on_what_from_what_to_what_and_where_it_got_worse():
    assert MIXED.summary() == (
        "Measured on 12 held-out slices of a scan that was also learnt from, which flatters: "
        "mean Dice from 0.81 (the checkpoint that it went on from) to 0.80. "
        "Worse than before: gallbladder (drawn where there is none), pancreas 0.61 -> 0.55."
    )
    assert BETTER.summary().endswith("to 0.90. No structure got worse by more than a hundredth.")


@pytest.mark.parametrize(
    ("facts", "measured_on"),
    [
        ({"slices": 1}, "one held-out slice of a scan that was also learnt from, which flatters"),
        ({"scans": 3}, "12 held-out slices of 3 scans that were also learnt from, which flatters"),
        ({"whole_scans": True}, "a whole scan that was not learnt from"),
        ({"whole_scans": True, "scans": 2}, "2 whole scans"),
    ],
)
def test_it_says_what_was_held_out(facts, measured_on):
    assert f"Measured on {measured_on}: " in replace(MIXED, **facts).summary()


def test_where_no_structure_is_there_nothing_is_claimed():
    nothing = replace(BETTER, before=(None,), after=(None,))
    assert (nothing.mean_before, nothing.mean_after, nothing.worse) == (None, None, ())
    assert nothing.summary().endswith("none of the structures is there, so that nobody knows whether it got better.")


def test_it_comes_back_from_json():
    assert BeforeAfter.from_json(MIXED.to_json()) == MIXED


def red_pixels(path: Path) -> int:
    with Image.open(path) as image:
        return int((abs(np.asarray(image.convert("RGB")).astype(int) - RED).max(axis=-1) <= 3).sum())


def test_the_picture_has_a_line_for_each_structure_and_shows_in_red_what_got_worse(tmp_path):
    many = replace(BETTER, names=tuple(f"structure {n}" for n in range(40)), before=(0.5,) * 40, after=(0.6,) * 40)
    heights = []
    for name, comparison in (("one", BETTER), ("some", MIXED), ("many", many)):
        before_after_picture(comparison, tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            heights.append(image.height)
    assert heights == sorted(heights)
    assert heights[2] > heights[0] + 39 * 40
    assert [red_pixels(tmp_path / f"{name}.png") > 200 for name in ("one", "some", "many")] == [False, True, False]


def test_a_picture_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no structure"):
        before_after_picture(replace(MIXED, names=(), before=(), after=()), tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []


def test_slicers_process_can_import_it():
    assert "numpy" not in vars(sys.modules[BeforeAfter.__module__])
    assert "torch" not in vars(sys.modules[BeforeAfter.__module__])
