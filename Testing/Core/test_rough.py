"""A checkpoint's answer as prompts: where it is believed, where it is not, and what it does alone."""

import numpy as np
import pytest
from drawn_prompts import CENTRE, a_session, ball_mask, ball_volume

from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.prompts import Limits
from SAMedCore.image.volume import Volume
from SAMedCore.prompt.rough import MOST_PIECES
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.through import Carried, carry_on

K, ROW, COLUMN = CENTRE
BALL = ball_mask()
EMPTY = np.zeros_like(BALL[0])
TUBE = np.repeat(BALL[K : K + 1], 24, axis=0)
BESIDE = np.roll(TUBE, -18, axis=2)
OTHER_HU = 60
"""Of the upper half of a tube: as bright for the model, but another tissue."""


def rough_of(truth: np.ndarray, *kept: int, moved: int = 1) -> dict[int, np.ndarray]:
    """A checkpoint's slices, all but the kept ones: the truth, some pixels aside."""
    return {k: np.roll(mask, moved, axis=1) for k, mask in enumerate(truth) if k not in kept}


def two_tissues() -> PromptSession:
    """On a tube whose upper half, from slice 12, has another intensity: carried on from below it ends there."""
    volume = ball_volume(TUBE)
    voxels = np.where(TUBE & (np.arange(24) >= 12)[:, None, None], OTHER_HU, volume.voxels).astype(np.int16)
    return a_session(Volume(voxels, volume.ijk_to_lps))


def in_3d(carried: Carried, kept: dict[int, np.ndarray]) -> np.ndarray:
    voxels = np.zeros_like(BALL)
    for k, mask in {**carried.masks, **kept}.items():
        voxels[k] = mask
    return voxels


def test_what_is_believed_is_drawn_anew_and_goes_where_carrying_on_would_have_ended():
    kept = {4: TUBE[4]}
    without = carry_on(two_tissues(), kept)
    assert max(without.masks) == 11
    carried = carry_on(two_tissues(), kept, rough=rough_of(TUBE, 4))
    assert carried.believed == tuple(k for k in range(24) if k != 4)
    assert dice(in_3d(carried, kept), TUBE) > 0.98  # not a pixel aside, as the checkpoint had it


@pytest.mark.parametrize(
    "rough",
    [
        rough_of(TUBE, 4, moved=10),
        rough_of(BESIDE, 4, moved=0),
        rough_of(np.roll(TUBE, 20, axis=1), 4),
        dict.fromkeys(range(5, 24), EMPTY),
    ],
    ids=["far aside", "a like structure beside it", "in the dark", "nothing"],
)
def test_a_bad_answer_changes_nothing(rough):
    session, kept = a_session(ball_volume(TUBE | BESIDE)), {4: TUBE[4]}
    without, carried = carry_on(session, kept), carry_on(session, kept, rough=rough)
    assert carried.believed == ()
    assert carried.span == without.span
    np.testing.assert_array_equal(in_3d(carried, kept), in_3d(without, kept))


def tip_at(row: int, column: int) -> np.ndarray:
    tip = np.zeros_like(EMPTY)
    tip[row - 1 : row + 2, column - 1 : column + 2] = True
    return tip


@pytest.mark.parametrize("above", [True, False])
def test_from_the_tip_of_a_structure_its_middle_is_believed_that_leads_back_to_it(above):
    slices = range(13, 24) if above else range(12)
    truth = np.zeros_like(TUBE)
    truth[slices] = TUBE[slices]
    truth[12] = tip_at(ROW, COLUMN)
    kept, session = {12: truth[12]}, a_session(ball_volume(truth))
    rough = rough_of(TUBE, *(k for k in range(24) if k not in slices))
    assert dice(in_3d(carry_on(session, kept), kept), truth) < 0.5
    carried = carry_on(session, kept, rough=rough)
    assert carried.believed == tuple(slices)
    assert dice(in_3d(carried, kept), truth) > 0.95


def test_what_does_not_lead_back_to_the_tip_or_lies_too_far_from_it_is_not_believed(monkeypatch):
    truth = TUBE.copy()
    truth[:13] = False
    session = a_session(ball_volume(truth))
    rough = rough_of(truth, *range(13))
    assert carry_on(session, {12: tip_at(ROW, COLUMN - 14)}, rough=rough).believed == ()
    far = {k: mask for k, mask in rough.items() if k > 19}
    assert carry_on(session, {12: tip_at(ROW, COLUMN)}, rough=far).believed == ()
    monkeypatch.setattr("SAMedCore.prompt.rough.LOOKED_FOR_MM", 0.0)
    assert carry_on(session, {12: tip_at(ROW, COLUMN)}, rough=rough | {13: EMPTY}).believed == ()


def test_what_hangs_together_with_one_of_two_kept_slices_alone_is_not_believed():
    truth = TUBE.copy()
    truth[12:] = BESIDE[12:]
    kept = {4: TUBE[4], 20: BESIDE[20]}
    carried = carry_on(a_session(ball_volume(truth)), kept, rough=rough_of(truth, 4, 20, moved=0))
    assert set(carried.believed) == {*range(4), *range(21, 24)}


def test_alone_it_says_where_the_structure_is_and_its_largest_part_is_taken():
    small = np.zeros_like(BALL)
    small[20:23, 30:36, 4:10] = True
    session = a_session(ball_volume(BALL | small))
    carried = carry_on(session, {}, rough=rough_of(BALL | small))
    assert dice(in_3d(carried, {}), BALL) > 0.95
    assert carried.span == tuple(range(24))
    assert set(range(5, 16)) <= set(carried.believed)


def test_of_a_checkpoints_noise_few_pieces_are_asked_about_and_none_is_believed(monkeypatch):
    noise = np.zeros_like(EMPTY)
    noise[::3, ::3] = True
    session, asked = a_session(ball_volume(TUBE)), []
    ask = session.ask
    monkeypatch.setattr(
        session, "ask", lambda k, boxes, *more, **named: asked.append(len(boxes)) or ask(k, boxes, *more, **named)
    )
    carried = carry_on(session, {4: TUBE[4]}, rough={5: noise})
    assert (noise & TUBE[4]).sum() > 2 * MOST_PIECES
    assert max(asked) == MOST_PIECES
    assert carried.believed == ()


def test_an_empty_slice_that_is_kept_is_heeded_where_nothing_else_is():
    carried = carry_on(a_session(ball_volume(TUBE)), {18: EMPTY}, rough=rough_of(TUBE, 18))
    assert set(carried.masks) == set(range(18))


def test_alone_and_not_believed_nothing_is_drawn_and_nothing_to_be_emptied():
    carried = carry_on(a_session(), {}, rough=rough_of(np.roll(BALL, 20, axis=1)))
    assert (carried.masks, carried.span, carried.believed) == ({}, (), ())


@pytest.mark.parametrize("changed", [(4,), (12,), (18,)])
def test_only_what_lies_beside_a_changed_slice_is_drawn_again_and_the_rest_would_be_the_same(changed):
    kept = {k: TUBE[k] for k in (4, 12, 18)}
    rough = rough_of(TUBE, *kept)
    whole, part = carry_on(two_tissues(), kept, rough=rough), carry_on(two_tissues(), kept, changed, rough=rough)
    assert set(part.span) < set(whole.span)
    assert set(part.believed) == set(whole.believed) & set(part.span)
    for k, mask in part.masks.items():
        np.testing.assert_array_equal(mask, whole.masks[k])


def test_limits_hold_for_it_too():
    carried = carry_on(two_tissues(), {8: TUBE[8]}, limits=Limits((6, 15)), rough=rough_of(TUBE, 8))
    assert carried.span == (6, 7, *range(9, 16))
    assert set(carried.believed) == set(carried.span)


def test_a_slice_beside_the_volume_is_refused():
    with pytest.raises(InputError, match="slice 30 is outside"):
        carry_on(a_session(), {K: BALL[K]}, rough={30: BALL[K]})
