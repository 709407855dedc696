"""On one machine's CPU the same request gives the same bits: a segmentation, and a whole training."""

import numpy as np
import pytest
import torch
from cli_files import finetune, run

from SAMedCore.checkpoint.folder import ADAPTER_FILE, read_info
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.segment import load_segmenter


def test_a_segmentation_is_the_same_to_the_last_bit_each_time_the_model_is_loaded(files, volume):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - libraries may draw from it
        model = load_segmenter(ModelOptions(str(files.checkpoint), str(files.base), "cpu"))
        found.append(model.segment_with_probabilities(volume, SegmentOptions(probabilities=True, uncertainty=True)))
    first, second = found
    assert np.array_equal(first.labelmap.voxels, second.labelmap.voxels)
    assert np.array_equal(first.probabilities, second.probabilities)
    assert np.array_equal(first.uncertainty, second.uncertainty)


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """Trains with the recipe of seconds, whatever other code drew from the global generators."""

    def train(seed: int, capsys):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - libraries may draw from it
        out = tmp_path_factory.mktemp("trained") / "checkpoint"
        run(capsys, *finetune(files, out))
        return out

    return train


def test_a_training_gives_the_same_checkpoint_to_the_last_bit(trained, capsys):
    first, second = trained(1, capsys), trained(2, capsys)
    assert (first / ADAPTER_FILE).read_bytes() == (second / ADAPTER_FILE).read_bytes()
    assert read_info(first).metrics == read_info(second).metrics
