"""The effect with the real worker and its default base model, on the sample: what a person gets."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import slicerhost
from SAMedCore.image.labels import SYNAPSE_ORGANS
from scans import crop, ctNode

LIVER = SYNAPSE_ORGANS.subset(["liver"]).values[0]
SLICES = (100, 112)
DRAWN = 7
"""Where the liver is largest."""


@pytest.fixture
def liver(sample_labels) -> np.ndarray:
    """(k, j, i) bool on the cropped sample."""
    return crop(sample_labels, *SLICES).voxels == LIVER


@pytest.fixture
def editing(segmentEditor, lite_weights, sample_ct):
    """The effect on twelve slices of the sample, with the worker as it is."""
    from SAMedLib.worker.client import stopSharedWorker

    yield segmentEditor(ctNode(crop(sample_ct, *SLICES), "CT"))
    stopSharedWorker()


def boxAround(mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = np.nonzero(mask)
    return (columns.min(), rows.min()), (columns.max(), rows.max())


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


def test_a_box_around_the_liver_and_on_through_the_volume(editing, liver):
    editing.keep(DRAWN, *boxAround(liver[DRAWN]))
    assert dice(editing.held()[DRAWN], liver[DRAWN]) > 0.9
    editing.through()
    assert slicerhost.dialogs.texts("error") == []
    assert editing.slicesOf() == list(range(12))
    assert dice(editing.held(), liver) > 0.9
    assert "Least sure" in editing.ui.doubtfulLabel.text


def test_clicks_correct_a_mask(editing, liver):
    """A box that is far too large, and clicks where the mask is wrong most."""
    editing.box(DRAWN, (5, 5), (115, 95))
    wrong = editing.activity.prompting._now.prompts.mask[0] != liver[DRAWN]
    before = np.count_nonzero(wrong)
    for _time in range(5):
        wrong = editing.activity.prompting._now.prompts.mask[0] != liver[DRAWN]
        row, column = np.unravel_index(np.argmax(distance_transform_edt(wrong)), wrong.shape)
        editing.click(DRAWN, (column, row), ctrl=not liver[DRAWN][row, column])
    editing.key("Return")
    assert np.count_nonzero(editing.held()[DRAWN] != liver[DRAWN]) < before
