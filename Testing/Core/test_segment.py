"""Segmenting a volume: geometry, options, cancelling. Weights are LiteMedSAM's with a random decoder, so labels are noise."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_scan import CLASSES, ORDERS, noise_ct, noisy_segmenter, stored_as

from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.image.components import keep_largest_components
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.answers import one_ahead
from SAMedCore.model.resizing import resize
from SAMedCore.options import SegmentOptions
from SAMedCore.segment import Segmenter
from SAMedCore.work import FinishedSlices, Progress, Work


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return noisy_segmenter()


@pytest.fixture(scope="module")
def volume() -> Volume:
    return noise_ct()


def test_every_orientation_gives_the_same_segmentation(segmenter, volume):
    expected = segmenter.segment(volume).voxels
    assert set(np.unique(expected)) == {0, 1, 2, 4}
    assert len(ORDERS) == 48
    for axes, flips in ORDERS:
        stored = stored_as(volume, axes, flips)
        found = segmenter.segment(stored)
        assert np.array_equal(found.ijk_to_lps, stored.ijk_to_lps)
        flipped = [axis for axis, flip in enumerate(flips) if flip]
        assert np.array_equal(found.voxels, np.flip(expected, flipped).transpose(axes)), (axes, flips)


def test_the_labels_equal_the_papers_procedure_written_plainly(segmenter, volume):
    from scipy.ndimage import zoom

    labels = np.zeros(volume.voxels.shape, dtype=np.uint8)
    for k, hu in enumerate(volume.voxels):
        image = (np.clip(hu, -125, 275) + 125) / 400
        for size in (48, 64):
            image = zoom(image, (size / image.shape[0], size / image.shape[1]), order=3)
        with torch.no_grad():
            logits = segmenter.sam(torch.from_numpy(image[None].astype(np.float32)))
            logits = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
        winner = logits.softmax(1).argmax(1)[0].numpy()
        labels[k] = np.array([0, 1, 2, 4])[zoom(winner, (20 / 64, 24 / 64), order=0, mode="nearest")]
    assert np.array_equal(segmenter.segment(volume).voxels, labels)


def test_batches_do_not_change_the_labels(segmenter, volume):
    assert np.array_equal(segmenter.segment(volume, batch_size=3).voxels, segmenter.segment(volume).voxels)


def test_only_the_chosen_labels_and_slices_are_left(segmenter, volume):
    whole, part = segmenter.segment(volume).voxels, segmenter.segment(volume, labels=["Label 2"], slices=range(1, 3))
    expected = np.where(whole == 2, 2, 0)
    expected[[0, 3]] = 0
    assert np.array_equal(part.voxels, expected)
    assert part.labels.names == ("label 2",)


def test_probabilities_sum_to_one_and_agree_with_the_labels(segmenter, volume):
    found = segmenter.segment_with_probabilities(volume, SegmentOptions(probabilities=True))
    assert found.probabilities.shape == (CLASSES + 1, *volume.voxels.shape)
    assert np.abs(found.probabilities.astype(np.float32).sum(0) - 1).max() < 5e-3
    winner = np.searchsorted([0, 1, 2, 4], found.labelmap.voxels)
    of_winner = np.take_along_axis(found.probabilities, winner[None], 0)[0]
    assert (found.probabilities.max(0) - of_winner).max() <= np.finfo(np.float16).eps


def test_progress_counts_every_slice_and_cancel_stops(segmenter, volume):
    events = []
    segmenter.segment(volume, progress=events.append)
    steps = [event for event in events if isinstance(event, Progress)]
    assert steps == [Progress("segmenting", done, 4) for done in (1, 2, 3, 4)]
    events.clear()
    with pytest.raises(Cancelled):
        segmenter.segment(volume, work=Work(events.append, lambda: Progress("segmenting", 2, 4) in events))
    assert events[-1] == Progress("segmenting", 2, 4)


def test_a_given_array_is_filled_slice_by_slice_in_any_orientation(segmenter, volume):
    expected = segmenter.segment(volume).voxels
    for axes, flips in ORDERS:
        flipped = [axis for axis, flip in enumerate(flips) if flip]
        wanted = np.flip(expected, flipped).transpose(axes)
        out, filled = np.zeros(wanted.shape, segmenter.label_dtype), np.zeros(wanted.shape, int)

        def tell(event, out=out, filled=filled, wanted=wanted):
            if isinstance(event, FinishedSlices):
                filled[event.part] += 1
                assert np.array_equal(out, np.where(filled, wanted, 0))

        stored = stored_as(volume, axes, flips)
        segmenter.segment_with_probabilities(stored, SegmentOptions(batch_size=3), Work(tell), out=out)
        assert np.array_equal(out, wanted), (axes, flips)
        assert (filled == 1).all()


def test_voxels_without_a_value_are_segmented_as_air(segmenter, volume):
    voxels = volume.voxels.copy()
    voxels[:, :5] = -2000
    air = segmenter.segment(replace(volume, voxels=voxels)).voxels
    voxels[:, :5] = np.nan
    assert np.array_equal(segmenter.segment(replace(volume, voxels=voxels)).voxels, air)


def test_cancelling_stops_in_the_middle_of_a_slice(segmenter, volume):
    asked = []
    with pytest.raises(Cancelled):
        segmenter.segment(volume, work=Work(is_cancelled=lambda: asked.append(1) or len(asked) > 20))
    assert len(asked) == 21
    assert not any(layer._forward_pre_hooks for layer in segmenter.sam.modules())


def test_a_gpu_is_asked_for_the_next_batch_before_the_last_one_is_waited_for():
    asked = []

    def answers():
        for number in range(3):
            asked.append(number)
            yield [number], torch.zeros(0), lambda: np.zeros(0)

    found = [(indices, list(asked)) for indices, _, _ in one_ahead(answers())]
    assert found == [([0], [0, 1]), ([1], [0, 1, 2]), ([2], [0, 1, 2])]
    assert list(one_ahead(iter(()))) == []


def test_a_scan_in_another_orientation_is_not_copied(segmenter):
    """A CT of 1,000 slices takes a gigabyte."""
    volume = stored_as(Volume(np.zeros((300, 64, 64), np.float32), np.eye(4)), (2, 0, 1), (True, False, True))
    tracemalloc.start()
    segmenter.segment(volume, slices=range(2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    labels = volume.voxels.size
    assert peak < labels + 0.5 * volume.voxels.nbytes


def test_memory_running_out_halves_the_batch_and_goes_on(segmenter, volume, monkeypatch):
    sizes, encode = [], segmenter.sam.encode

    def two_at_most(images):
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.cuda.OutOfMemoryError("simulated: no GPU here")
        return encode(images)

    expected = segmenter.segment(volume).voxels
    monkeypatch.setattr(segmenter.sam, "encode", two_at_most)
    assert np.array_equal(segmenter.segment(volume, batch_size=4).voxels, expected)
    assert sizes == [4, 2, 2]


def test_what_is_kept_makes_room_where_memory_runs_out(segmenter, volume, monkeypatch):
    kept, encode = {("LPS", 0): torch.zeros(1, 256, 4, 4), ("RPS", 9): torch.zeros(1)}, segmenter.sam.encode

    def only_alone(images):
        if kept:
            raise torch.cuda.OutOfMemoryError("simulated: no GPU here")
        return encode(images)

    expected = segmenter.segment(volume, slices=[1]).voxels
    monkeypatch.setattr(segmenter.sam, "encode", only_alone)
    found = segmenter.segment_with_probabilities(volume, SegmentOptions(slices=(1,)), embeddings=kept)
    assert np.array_equal(found.labelmap.voxels, expected)
    assert not kept


def test_what_does_not_fit_even_alone_is_refused_once_nothing_else_is_kept(segmenter, volume, monkeypatch):
    def never(images):
        raise torch.cuda.OutOfMemoryError("simulated: no GPU here")

    monkeypatch.setattr(segmenter.sam, "encode", never)
    for embeddings in (None, {}):
        with pytest.raises(SAMedError, match="too little memory for one slice"):
            list(segmenter.low_res_logits(volume, [0, 1, 2, 3], batch_size=4, embeddings=embeddings))


def encoded(segmenter, monkeypatch) -> list[int]:
    """How many slices are encoded at a time from now on."""
    counts, encode = [], segmenter.sam.encode
    monkeypatch.setattr(segmenter.sam, "encode", lambda images: counts.append(len(images)) or encode(images))
    return counts


def test_encoding_once_gives_the_answers_of_the_whole_network_bit_for_bit(segmenter, volume, monkeypatch):
    oriented = reorient(volume, "LPS")
    preprocessing = segmenter.info.preprocessing
    with torch.inference_mode():
        images = resize(torch.from_numpy(preprocessing.images_of(oriented.voxels)), preprocessing)
        whole = [segmenter.sam(image[None]) for image in images]
    plainly = [logits for _, logits in segmenter.low_res_logits(oriented, range(4))]
    counts, kept = encoded(segmenter, monkeypatch), {}
    for expected_counts in ([1, 1, 1, 1], []):
        counts.clear()
        found = [logits for _, logits in segmenter.low_res_logits(oriented, range(4), embeddings=kept)]
        assert counts == expected_counts
        for answers in (plainly, found):
            assert all(torch.equal(each, other) for each, other in zip(answers, whole, strict=True))
    assert sorted(kept) == [("LPS", k) for k in range(4)]


def test_only_what_is_missing_is_encoded_however_the_scan_is_stored(segmenter, volume, monkeypatch):
    expected, counts, kept = segmenter.segment(volume).voxels, encoded(segmenter, monkeypatch), {}
    segmenter.segment_with_probabilities(volume, SegmentOptions(slices=(1,)), embeddings=kept)
    stored = stored_as(volume, (2, 0, 1), (True, False, True))
    for _ in range(2):
        found = segmenter.segment_with_probabilities(stored, SegmentOptions(batch_size=4), embeddings=kept).labelmap
        assert np.array_equal(
            reorient(found, "LPS").voxels, reorient(LabelMap(expected, volume.ijk_to_lps, found.labels), "LPS").voxels
        )
    assert counts == [1, 3]


def test_the_search_for_the_orientation_leaves_what_it_encoded(segmenter, volume, monkeypatch):
    info = replace(segmenter.info, preprocessing=replace(segmenter.info.preprocessing, orientation="auto"))
    monkeypatch.setattr(segmenter, "info", info)
    counts, kept = encoded(segmenter, monkeypatch), {}
    code = segmenter.orientation_for(volume, embeddings=kept)
    assert sum(counts) == len(kept)
    counts.clear()
    assert segmenter.orientation_for(volume, embeddings=kept) == code
    assert counts == []


def test_a_slice_may_be_named_twice(segmenter, volume):
    expected = segmenter.segment(volume, slices=[1, 2]).voxels
    for embeddings in (None, {}):
        options = SegmentOptions(slices=(1, 2, 1), batch_size=3)
        found = segmenter.segment_with_probabilities(volume, options, embeddings=embeddings)
        assert np.array_equal(found.labelmap.voxels, expected)


@pytest.mark.parametrize(
    ("options", "said"), [({"labels": ["heart"]}, 'unknown label "heart"'), ({"slices": range(2, 9)}, "slices 0:4")]
)
def test_impossible_choices_are_refused(segmenter, volume, options, said):
    with pytest.raises(InputError, match=said):
        segmenter.segment(volume, **options)


def test_only_the_largest_component_of_each_label_is_kept():
    voxels = np.zeros((3, 8, 8), dtype=np.uint8)
    voxels[1, 1:4, 1:4], voxels[1, 6, 6], voxels[2, 5:7, 0:2] = 1, 1, 2
    kept = keep_largest_components(voxels)
    assert kept[1, 6, 6] == 0
    assert (kept == 1).sum() == 9
    assert (kept == 2).sum() == 4
