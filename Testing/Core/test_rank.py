"""The slices that come first are those that the model does worst."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from SAMedCore.demo.sample import ANNOTATED_EVERY, ORGAN_SLICES
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import Volume
from SAMedCore.model.uncertainty import slice_doubt as uncertainty
from SAMedCore.options import RankOptions, SegmentOptions
from SAMedCore.rank import rank_slices
from SAMedCore.segment import load_model
from SAMedCore.work import Work

NEVER_SEEN = tuple(k for k in ORGAN_SLICES if (k - ORGAN_SLICES.start) % ANNOTATED_EVERY)
"""The shipped checkpoint was trained on the others."""


def logits(drawn: np.ndarray, sure: float = 12.0, background: float = 12.0) -> torch.Tensor:
    """(1, 4, L, L): structures as drawn (0..3), their logits by `sure`, the background's elsewhere by `background`."""
    answer = np.zeros((1, 4, *drawn.shape), np.float32)
    for value in range(1, 4):
        answer[0, value][drawn == value] = sure
    answer[0, 0][drawn == 0] = background
    return torch.from_numpy(answer)


def disc(radius: float, value: int = 1, size: int = 64) -> np.ndarray:
    rows, columns = np.indices((size, size))
    return np.where(np.hypot(rows - 31, columns - 31) < radius, value, 0)


def test_doubtful_structures_come_before_certain_ones_and_an_empty_slice_last():
    large, small, nothing = disc(20), disc(4), disc(0)
    cases = {
        "a doubtful small one": logits(small, sure=0.5),
        "a doubtful large one beside a certain small one": logits(np.where(small > 0, 2, large), sure=0.5),
        "a certain large one": logits(large),
        "a certain small one": logits(small),
        "nothing": logits(nothing),
    }
    cases["a doubtful large one beside a certain small one"][0, 2][small > 0] = 12
    doubt = {name: float(uncertainty(each)) for name, each in cases.items()}
    order = sorted(doubt, key=doubt.__getitem__, reverse=True)
    assert order[:2] == list(cases)[:2]
    assert order[-1] == "nothing"
    assert doubt["a doubtful small one"] > 10 * doubt["a certain large one"]
    assert doubt["nothing"] < 1e-3


def test_doubt_does_not_grow_with_a_structures_size():
    small, large = (float(uncertainty(logits(disc(radius), sure=1.0))) for radius in (8, 24))
    assert small == pytest.approx(large, rel=0.1)


def test_doubt_whether_there_is_anything_counts_as_doubt():
    assert float(uncertainty(logits(disc(0), background=0.5))) > 0.5


def test_doubt_is_from_0_to_1():
    draw = torch.Generator().manual_seed(0)
    for scale in (0.0, 1.0, 100.0):
        doubt = uncertainty(torch.randn(4, 9, 16, 16, generator=draw) * scale)
        assert doubt.shape == (4,)
        assert ((doubt >= 0) & (doubt <= 1)).all()


@pytest.fixture(scope="module")
def model(lite_weights):
    return load_model("abdomen-demo", "cpu", base_weights=lite_weights)


@pytest.mark.slow
def test_ranks_go_with_the_error_on_slices_that_were_never_seen(model, sample_ct, sample_labels, monkeypatch):
    """By each slice's mean Dice, which counts every structure alike, as the doubt does.

    Measured: 0.42 on these fifty; by chance, with a standard error of 0.14, it is hardly above 0.3. By the wrong part of a
    slice's structures, of which the large ones are most, it is 0.22.
    """
    kept, options = {}, SegmentOptions(slices=NEVER_SEEN)
    labelmap = model.segment_with_probabilities(sample_ct, options, embeddings=kept).labelmap
    found = reorient(labelmap, "LPS").voxels
    truth = reorient(sample_labels, "LPS").voxels
    others = [k for k in range(len(truth)) if k not in NEVER_SEEN]
    monkeypatch.setattr(model.sam, "encode", None)  # encoded they are already
    ranked = rank_slices(model, sample_ct, RankOptions(others), embeddings=kept)
    assert sorted(each.number for each in ranked) == list(NEVER_SEEN)

    def error(k):
        present = [value for value in np.union1d(found[k], truth[k]) if value]
        return 1 - np.mean([dice(found[k] == value, truth[k] == value) for value in present] or [1.0])

    correlation, _ = spearmanr([each.uncertainty for each in ranked], [error(each.number) for each in ranked])
    assert correlation > 0.3


def test_slices_are_numbered_by_the_volume_however_it_is_stored(model, monkeypatch):
    def brighter_is_surer(oriented, chosen, work, embeddings=None):
        for k in chosen:
            work.stop_if_cancelled()
            yield [k], logits(disc(20), sure=float(oriented.voxels[k].mean()))

    monkeypatch.setattr(model, "low_res_logits", brighter_is_surer)
    brightness = np.array([5, 1, 3, 2, 4], np.float32)
    matrix = np.diag([2.0, 2.0, 3.0, 1.0])
    feet_first = Volume(np.broadcast_to(brightness[:, None, None], (5, 4, 6)).copy(), matrix)
    for code in ("LPS", "RAI", "SLP"):
        ranked = rank_slices(model, reorient(feet_first, code), RankOptions([3]))
        assert [each.number for each in ranked] == [1, 2, 4, 0]
    with pytest.raises(Cancelled):
        rank_slices(model, feet_first, work=Work(is_cancelled=lambda: True))
    with pytest.raises(InputError, match="annotated already"):
        rank_slices(model, feet_first, RankOptions(range(5)))
