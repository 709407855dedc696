"""How unsure the model is of voxels, slices and structures: one definition, on the volume's own grid, only where asked for."""

import math

import numpy as np
import pytest
import torch
from cuda_networks import annotated_scan, checkpoint_info, unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD
from noise_scan import ORDERS, noise_ct, noisy_segmenter, stored_as

from SAMedCore.errors import Cancelled
from SAMedCore.model import uncertainty
from SAMedCore.model.uncertainty import pixel_doubt
from SAMedCore.options import SegmentOptions
from SAMedCore.rank import rank_slices
from SAMedCore.segment import Segmenter
from SAMedCore.work import FinishedSlices, Work

WANTED = SegmentOptions(uncertainty=True)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """Sure here and unsure there."""
    noisy = noisy_segmenter()
    for mlp in noisy.sam.mask_decoder.output_hypernetworks_mlps:
        mlp.layers[-1].weight.data *= 60
    return noisy


@pytest.fixture(scope="module")
def volume():
    return noise_ct()


@pytest.fixture(scope="module")
def found(segmenter, volume):
    return segmenter.segment_with_probabilities(volume, SegmentOptions(uncertainty=True, probabilities=True))


def test_a_pixels_doubt_is_the_entropy_of_its_softmax():
    draw = torch.Generator().manual_seed(0)
    for scale in (0.1, 5.0, 500.0):
        logits = torch.randn(2, 5, 16, 16, generator=draw) * scale
        upscaled = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
        entropy = torch.distributions.Categorical(logits=upscaled.movedim(1, -1)).entropy() / math.log(5)
        assert torch.allclose(pixel_doubt(logits, 64).float(), entropy, atol=1e-3)
    assert (pixel_doubt(torch.zeros(1, 3, 4, 4), 8) == 1).all()
    assert (pixel_doubt(torch.tensor([1e4, -1e4, -1e4]).view(1, 3, 1, 1), 8) == 0).all()


def test_voxels_agree_with_the_probabilities_and_labels_stay_as_they_are(segmenter, volume, found):
    soft = found.probabilities.astype(np.float64)
    entropy = -(soft * np.log(np.maximum(soft, 1e-12))).sum(0) / math.log(len(soft))
    assert (found.uncertainty.dtype, found.uncertainty.shape) == (np.float16, volume.voxels.shape)
    assert np.abs(found.uncertainty - entropy).max() < 2e-3
    assert entropy.std() > 0.05
    assert np.array_equal(found.labelmap.voxels, segmenter.segment(volume).voxels)


def test_every_orientation_gives_the_same_uncertainty(segmenter, volume, found):
    for axes, flips in ORDERS:
        turned = segmenter.segment_with_probabilities(stored_as(volume, axes, flips), WANTED)
        flipped = [axis for axis, flip in enumerate(flips) if flip]
        assert np.array_equal(turned.uncertainty, np.flip(found.uncertainty, flipped).transpose(axes)), (axes, flips)
        assert turned.slice_doubt == found.slice_doubt
        assert turned.label_doubt == found.label_doubt


def test_a_slices_doubt_is_what_it_is_ranked_by(segmenter, volume, found):
    ranked = {each.number: each.uncertainty for each in rank_slices(segmenter, volume)}
    assert found.slice_doubt == tuple(ranked[k] for k in range(len(ranked)))
    assert len(set(found.slice_doubt)) == len(volume.voxels)


def test_a_structures_doubt_is_the_entropy_where_it_may_be(segmenter, volume, found):
    soft = torch.cat([logits for _, logits in segmenter.low_res_logits(volume, range(4))]).double().softmax(1)
    entropy = torch.special.entr(soft).sum(1, keepdim=True) / math.log(soft.shape[1])
    wanted = ((soft * entropy).sum((0, 2, 3)) / soft.sum((0, 2, 3)))[1:]
    assert list(found.label_doubt) == list(segmenter.labels.names)
    assert list(found.label_doubt.values()) == pytest.approx(wanted.tolist(), rel=1e-5)


def test_batches_and_a_given_array_give_the_same(segmenter, volume, found):
    out = np.zeros(volume.voxels.shape, np.float16)
    batched = SegmentOptions(uncertainty=True, batch_size=3)
    other = segmenter.segment_with_probabilities(volume, batched, uncertainty_out=out)
    assert other.uncertainty is out
    assert np.abs(out.astype(np.float32) - found.uncertainty).max() < 2e-3
    assert other.slice_doubt == pytest.approx(found.slice_doubt, rel=1e-4)


def test_other_slices_have_no_doubt_and_other_structures_are_not_named(segmenter, volume, found):
    part = segmenter.segment_with_probabilities(volume, SegmentOptions(("label 2",), (1, 2), uncertainty=True))
    assert not part.uncertainty[[0, 3]].any()
    assert np.array_equal(part.uncertainty[1:3], found.uncertainty[1:3])
    assert [math.isnan(value) for value in part.slice_doubt] == [True, False, False, True]
    assert part.slice_doubt[1:3] == found.slice_doubt[1:3]
    assert list(part.label_doubt) == ["label 2"]
    assert part.doubt_row() == {"labels": dict(part.label_doubt), "slices": [None, *found.slice_doubt[1:3], None]}


def test_it_is_filled_in_step_with_the_labels_and_cancelled_with_them(segmenter, volume, found):
    out, parts = np.zeros(volume.voxels.shape, np.float16), []

    def tell(event):
        if isinstance(event, FinishedSlices):
            parts.append(event.part)
            assert np.array_equal(out[event.part], found.uncertainty[event.part])

    with pytest.raises(Cancelled):
        segmenter.segment_with_probabilities(volume, WANTED, Work(tell, lambda: len(parts) == 2), uncertainty_out=out)
    assert not out[2:].any()


def test_who_does_not_ask_does_not_pay(segmenter, volume, monkeypatch):
    monkeypatch.setattr(uncertainty, "pixel_doubt", None)
    plain = segmenter.segment_with_probabilities(volume, SegmentOptions())
    assert (plain.uncertainty, plain.slice_doubt, plain.label_doubt) == (None, None, None)


@NEEDS_CUDA_BUILD
def test_on_a_gpu_no_more_than_the_doubt_is_copied_from_it(gpu):
    segmenter = Segmenter(unset_sam("vit_b"), checkpoint_info("vit_b"), "cuda")
    found = segmenter.segment_with_probabilities(annotated_scan(19)[0], WANTED)
    assert (found.uncertainty.shape, found.uncertainty.dtype) == ((19, 20, 24), np.float16)
    assert len(found.slice_doubt) == 19
