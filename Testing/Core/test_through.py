"""A structure carried on from its kept slices: how far, what again, within which limits."""

import numpy as np
import pytest
from drawn_prompts import CENTRE, Pen, a_session, ball_mask, ball_volume

from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import Limits
from SAMedCore.prompt.through import Carried, carry_on, scores_between
from SAMedCore.work import Progress, Work

K, ROW, COLUMN = CENTRE
TRUTH = ball_mask()
EMPTY = np.zeros_like(TRUTH[0])
TUBE = np.repeat(TRUTH[K : K + 1], 24, axis=0)


def kept_of(*slices: int, truth: np.ndarray = TRUTH) -> dict[int, np.ndarray]:
    return {k: truth[k] for k in slices}


def in_3d(carried: Carried, kept: dict[int, np.ndarray]) -> np.ndarray:
    voxels = np.zeros_like(TRUTH)
    for k, mask in {**carried.masks, **kept}.items():
        voxels[k] = mask
    return voxels


@pytest.mark.parametrize("slices", [(K,), (4, K, 16), (5, 15)], ids=str)
def test_a_ball_is_found_from_one_slice_and_from_several_and_ends_by_itself(slices):
    carried = carry_on(a_session(), kept_of(*slices))
    assert dice(in_3d(carried, kept_of(*slices)), TRUTH) > 0.95
    assert not {0, 1, 19, 20, 23} & carried.masks.keys()


def test_each_drawn_slice_has_a_confidence_and_scores_of_its_own():
    carried = carry_on(a_session(), kept_of(K))
    assert carried.masks.keys() == carried.confidence.keys() == carried.scores.keys()
    assert all(0 <= value <= 1 for value in carried.confidence.values())
    assert all(len(carried.scores[k]) == np.count_nonzero(mask) for k, mask in carried.masks.items())
    assert all(mask.dtype == bool and mask.any() for mask in carried.masks.values())


def test_confidence_falls_away_from_the_kept_slice():
    carried = carry_on(a_session(ball_volume(TUBE)), kept_of(12, truth=TUBE))
    upwards = [carried.confidence[k] for k in range(13, 24)]
    assert upwards == sorted(upwards, reverse=True)


def test_every_orientation_gives_the_same_voxels():
    expected = carry_on(a_session(), kept_of(6, 13))
    for code in ("RAS", "SPL", "AIR"):
        turned = carry_on(a_session(reorient(ball_volume(), code)), kept_of(6, 13))
        assert turned.span == expected.span
        np.testing.assert_array_equal(in_3d(turned, {}), in_3d(expected, {}))


@pytest.mark.parametrize(
    ("kept", "slices"),
    [((6, 13), range(7, 13)), ((13,), range(14, 24)), ((6,), range(6)), ((6, 20), range(7, 20))],
    ids=["between two", "above one", "below one", "up to an empty one"],
)
def test_what_masks_are_made_of_is_the_same_of_one_gap_alone(kept, slices):
    found = scores_between(a_session(), kept_of(*kept), slices)
    carried = carry_on(a_session(), kept_of(*kept))
    masks = {k: scores > 0 for k, scores in found.items() if (scores > 0).any()}
    assert masks
    assert masks.keys() == carried.masks.keys() & set(slices)
    for k, mask in masks.items():
        np.testing.assert_array_equal(mask, carried.masks[k])
        np.testing.assert_array_equal(found[k][mask], carried.scores[k])


def test_the_span_holds_every_slice_but_the_kept_ones():
    assert carry_on(a_session(), kept_of(6, 13)).span == tuple(k for k in range(24) if k not in (6, 13))


@pytest.mark.parametrize(
    ("changed", "span"),
    [((), ()), ((10,), range(6, 15)), ((5,), range(10)), ((15,), range(11, 24)), ((8,), range(6, 10)), ((5, 15), range(24))],
)
def test_only_what_lies_beside_a_changed_slice_is_drawn_again_and_the_rest_would_be_the_same(changed, span):
    kept = kept_of(5, 10, 15)
    whole, part = carry_on(a_session(), kept), carry_on(a_session(), kept, changed=changed)
    assert part.span == tuple(k for k in span if k not in kept)
    assert part.masks.keys() == whole.masks.keys() & set(part.span)
    for k, mask in part.masks.items():
        np.testing.assert_array_equal(mask, whole.masks[k])
        assert part.confidence[k] == whole.confidence[k]


def test_what_lies_between_two_slices_depends_on_these_two_alone():
    one = carry_on(a_session(), kept_of(5, 10, 15))
    other = carry_on(a_session(), {**kept_of(5, 10), 15: np.ones_like(EMPTY)})
    for k in range(6, 10):
        np.testing.assert_array_equal(one.masks[k], other.masks[k])


def test_nothing_is_drawn_beyond_a_slice_that_is_kept_empty():
    tube = a_session(ball_volume(TUBE))
    carried = carry_on(tube, {12: TUBE[12], 4: EMPTY, 18: EMPTY})
    assert set(carried.masks) <= set(range(5, 18))
    assert set(range(6, 17)) - {12} <= set(carried.masks)
    assert set(carried.span) == set(range(24)) - {4, 12, 18}


def test_no_slice_outside_the_limits_is_drawn():
    tube = a_session(ball_volume(TUBE))
    carried = carry_on(tube, {12: TUBE[12]}, limits=Limits((8, 14)))
    assert carried.span == (8, 9, 10, 11, 13, 14)
    assert set(carried.masks) == set(carried.span)
    for k in carried.masks:
        np.testing.assert_array_equal(carried.masks[k], TUBE[k])


def test_limits_may_reach_beyond_the_volume_or_beside_the_kept_slices():
    tube = a_session(ball_volume(TUBE))
    assert set(carry_on(tube, {12: TUBE[12]}, limits=Limits((-5, 99))).masks) == set(range(24)) - {12}
    assert carry_on(tube, {12: TUBE[12]}, limits=Limits((12, 12))).span == ()


def test_masks_are_cut_to_the_limits_box():
    tube = a_session(ball_volume(TUBE))
    pen = Pen(tube)
    box = (pen.at(COLUMN + 0.5, 60, 23), pen.at(-1, -1, 0))
    carried = carry_on(tube, {12: TUBE[12]}, limits=Limits(box=box))
    assert len(carried.masks) == 23
    for mask in carried.masks.values():
        np.testing.assert_array_equal(mask, TUBE[12] & (np.arange(48) <= COLUMN))


@pytest.mark.parametrize("k", [0, 23])
def test_a_kept_slice_at_the_end_of_the_volume(k):
    carried = carry_on(a_session(ball_volume(TUBE)), {k: TUBE[k]})
    assert set(carried.masks) == set(range(24)) - {k}
    for mask in carried.masks.values():
        np.testing.assert_array_equal(mask, TUBE[k])


def test_a_structure_at_the_edge_of_the_slices():
    truth = np.zeros_like(TUBE)
    truth[:, :12, 40:] = True
    carried = carry_on(a_session(ball_volume(truth)), {3: truth[3], 20: truth[20]})
    assert dice(in_3d(carried, {3: truth[3], 20: truth[20]}), truth) > 0.95


def test_a_volume_of_one_slice_has_nothing_to_carry_on_to():
    carried = carry_on(a_session(ball_volume(TRUTH[K : K + 1])), {0: TRUTH[K]})
    assert (carried.span, carried.masks) == ((), {})


def test_it_does_not_leak_into_a_like_structure_beside_it():
    other = np.roll(TUBE, -18, axis=2)
    carried = carry_on(a_session(ball_volume(TUBE | other)), {12: TUBE[12]})
    assert len(carried.masks) == 23
    assert not any((mask & other[0]).any() for mask in carried.masks.values())


def test_progress_is_told_up_to_the_last_slice():
    told = []
    carry_on(a_session(), kept_of(K), work=Work(told.append))
    assert {step.phase for step in told} == {"propagating"}
    assert [told[0], told[-1]] == [Progress("propagating", 0, 23), Progress("propagating", 23, 23)]
    assert [step.done for step in told] == sorted(step.done for step in told)


def test_cancelling_stops_within_a_slice():
    session, told = a_session(ball_volume(TUBE)), []
    with pytest.raises(Cancelled):
        carry_on(session, {12: TUBE[12]}, work=Work(told.append, lambda: len(told) >= 4))
    assert session.model.sam.asked <= 5


def test_what_cannot_be_carried_on_is_refused():
    with pytest.raises(InputError, match="no kept slice holds the structure"):
        carry_on(a_session(), {4: EMPTY})
    with pytest.raises(InputError, match="no kept slice holds the structure"):
        carry_on(a_session(), {})
    with pytest.raises(InputError, match="slice 24 is outside"):
        carry_on(a_session(), {24: TRUTH[K]})
