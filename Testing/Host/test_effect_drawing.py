"""Boxes and clicks in a slice view, their preview, and what becomes of it."""

import numpy as np
import pytest
import slicer

import slicerhost
from slicerhost import mouse


def test_a_box_is_previewed_and_nothing_is_written(editing):
    before = editing.picture()
    editing.box(1)
    assert "Slice 1" in editing.said
    assert not editing.held().any()
    changed = np.abs(editing.picture() - before).sum(axis=2) > 0
    assert changed.sum() > 1000


def test_enter_keeps_the_mask_on_its_slice_alone(editing):
    editing.box(1)
    editing.key("Return")
    expected = np.zeros_like(editing.held())
    expected[1, 20:51, 20:41] = True
    assert np.array_equal(editing.held(), expected)
    assert "kept" in editing.said


def test_apply_keeps_it_too(editing):
    assert not editing.ui.applyButton.enabled
    editing.box(1)
    slicerhost.click(editing.ui.applyButton)
    assert editing.slicesOf() == [1]
    assert not editing.ui.applyButton.enabled
