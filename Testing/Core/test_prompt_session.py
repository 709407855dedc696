"""Boxes and points on one slice: where they lie, and what they may not be."""

import numpy as np
import pytest
import torch
from drawn_prompts import CENTRE, Pen, a_session, ball_mask, ball_volume, bright_model
from scipy.spatial.transform import Rotation

from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.model.promptable import Promptable
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.clicks import Clicks
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.work import Work

K, ROW, COLUMN = CENTRE
TRUTH = ball_mask()
TILTED = Rotation.from_euler("xyz", (12, -7, 20), degrees=True).as_matrix()


@pytest.mark.parametrize("rotation", [None, TILTED], ids=["straight", "oblique"])
@pytest.mark.parametrize("code", ["LPS", "RAS", "SAR", "PIL", "IRP"])
def test_a_box_gives_the_same_mask_in_every_orientation(code, rotation):
    volume = ball_volume(rotation=rotation)
    session = PromptSession(reorient(volume, code), bright_model())
    answer = session.mask(SlicePrompt(box=Pen(a_session(volume)).box(TRUTH[K], K)))
    assert answer.slice == K
    assert dice(answer.mask, TRUTH[K]) > 0.97
    straight = a_session()
    expected = straight.mask(SlicePrompt(box=Pen(straight).box(TRUTH[K], K)))
    np.testing.assert_array_equal(answer.mask, expected.mask)


def test_the_corners_may_come_in_any_order():
    session = a_session()
    (x0, y0, z), (x1, y1, _) = Pen(session).box(TRUTH[K], K)
    one = session.mask(SlicePrompt(box=((x0, y1, z), (x1, y0, z))))
    other = session.mask(SlicePrompt(box=((x1, y1, z), (x0, y0, z))))
    np.testing.assert_array_equal(one.mask, other.mask)
    assert 0 <= one.quality <= 1
    assert len(one.scores) == np.count_nonzero(one.mask)


def test_the_slice_is_the_one_that_the_prompt_is_nearest_to():
    session, pen = a_session(), Pen(a_session())
    for depth in (K - 0.4, K, K + 0.4):
        assert session.slice_of(SlicePrompt(points_in=(pen.at(COLUMN, ROW, depth),))) == K


def test_a_point_that_belongs_gives_what_it_lies_on():
    session = a_session()
    answer = session.mask(SlicePrompt(points_in=(Pen(session).at(COLUMN, ROW, K),)))
    assert dice(answer.mask, TRUTH[K]) > 0.95


@pytest.mark.parametrize("belongs", [True, False])
@pytest.mark.parametrize("place", [(COLUMN, ROW), (COLUMN + 7, ROW), (COLUMN + 9, ROW), (2, 2), (47, 39)])
@pytest.mark.parametrize("before", ["none", "whole", "half", "everything"])
def test_every_point_ends_up_on_its_side(belongs, place, before):
    session = a_session()
    masks = {"none": None, "whole": TRUTH[K], "half": TRUTH[K] & (np.arange(48) < COLUMN), "everything": np.ones_like(TRUTH[K])}
    point = (Pen(session).at(*place, K),)
    prompt = SlicePrompt(points_in=point) if belongs else SlicePrompt(points_out=point)
    if masks[before] is None and not belongs:
        with pytest.raises(InputError, match="only points that do not belong"):
            session.mask(prompt)
        return
    assert session.mask(prompt, masks[before]).mask[place[1], place[0]] == belongs


def test_points_beside_a_box_end_up_on_their_sides_together():
    session = a_session()
    pen = Pen(session)
    inside, outside = [(COLUMN, ROW - 2), (3, 3)], [(COLUMN, ROW + 3), (COLUMN - 3, ROW)]
    points_in, points_out = (tuple(pen.at(*place, K) for place in places) for places in (inside, outside))
    mask = session.mask(SlicePrompt(pen.box(TRUTH[K], K), points_in, points_out)).mask
    assert all(mask[y, x] for x, y in inside)
    assert not any(mask[y, x] for x, y in outside)


def test_a_correction_leaves_the_rest_of_the_mask_alone():
    session = a_session()
    half = TRUTH[K] & (np.arange(48) < COLUMN)
    mask = session.mask(SlicePrompt(points_in=(Pen(session).at(COLUMN + 2, ROW, K),)), half).mask
    assert dice(mask, TRUTH[K]) > dice(half, TRUTH[K])
    assert not (half & ~mask).any()
    assert not (mask & ~TRUTH[K]).any()


def test_an_empty_mask_so_far_is_none():
    session = a_session()
    point = SlicePrompt(points_out=(Pen(session).at(COLUMN, ROW, K),))
    with pytest.raises(InputError, match="give a box or a point that does"):
        session.mask(point, np.zeros(TRUTH.shape[1:], bool))


def test_what_is_not_on_one_slice_of_the_volume_is_refused():
    session = a_session()
    pen = Pen(session)
    with pytest.raises(InputError, match="not on one axial slice"):
        session.slice_of(SlicePrompt(box=(pen.at(3, 3, 4), pen.at(9, 9, 6))))
    for k in (-2, 24):
        with pytest.raises(InputError, match="outside the volume's axial slices 0 to 23"):
            session.slice_of(SlicePrompt(points_in=(pen.at(3, 3, k),)))
    with pytest.raises(InputError, match="box lies beside the volume"):
        session.mask(SlicePrompt(box=(pen.at(-9, 3, K), pen.at(-3, 9, K))))
    with pytest.raises(InputError, match="point of the prompt lies beside the volume"):
        session.mask(SlicePrompt(points_in=(pen.at(60, 3, K),)))


def test_a_box_tilted_against_an_oblique_volume_is_refused():
    session = a_session(ball_volume(rotation=TILTED))
    x, y, z = Pen(session).at(COLUMN, ROW, K)
    with pytest.raises(InputError, match="not on one axial slice"):
        session.mask(SlicePrompt(box=((x - 16, y - 12, z), (x + 16, y + 12, z))))


def test_a_box_may_reach_beyond_the_slice():
    session = a_session()
    pen = Pen(session)
    assert dice(session.mask(SlicePrompt(box=(pen.at(-20, -20, K), pen.at(90, 90, K)))).mask, TRUTH[K]) > 0.97


def test_a_volume_of_one_slice():
    session = a_session(ball_volume(TRUTH[K : K + 1]))
    assert session.count == 1
    assert dice(session.mask(SlicePrompt(box=Pen(session).box(TRUTH[K], 0))).mask, TRUTH[K]) > 0.97


def test_a_slice_is_encoded_once_and_kept_as_float16():
    kept = {}
    session = PromptSession(ball_volume(), bright_model(), kept)
    assert not session.is_encoded(K)
    session.encode(K)
    assert session.is_encoded(K)
    assert list(kept) == [("LPS", K)]
    assert kept["LPS", K].dtype == torch.float16
    before = kept["LPS", K]
    session.encode(K)
    assert kept["LPS", K] is before


def test_encoded_slices_that_are_not_kept_are_encoded_again():
    class Forgetful(dict):
        def __setitem__(self, key, value):
            pass

    session = PromptSession(ball_volume(), bright_model(), Forgetful())
    assert dice(session.mask(SlicePrompt(box=Pen(session).box(TRUTH[K], K))).mask, TRUTH[K]) > 0.97


def test_a_cancelled_prompt_stops(noisy_model):
    session = PromptSession(ball_volume(), noisy_model)
    with pytest.raises(Cancelled):
        session.mask(SlicePrompt(box=Pen(session).box(TRUTH[K], K)), work=Work(is_cancelled=lambda: True))
    assert not session.is_encoded(K)


@pytest.mark.parametrize("heeds_points", [True, False])
def test_the_architecture_of_sam_takes_any_mix(noisy_model, heeds_points):
    model = Promptable(noisy_model.sam, noisy_model.preprocessing, heeds_points=heeds_points)
    session = PromptSession(ball_volume(), model)
    pen = Pen(session)
    box, point, other = pen.box(TRUTH[K], K), (pen.at(COLUMN, ROW, K),), (pen.at(4, 4, K),)
    for prompt in (SlicePrompt(box), SlicePrompt(box, point, other), SlicePrompt(None, point), SlicePrompt(None, point, other)):
        for before in (None, TRUTH[K]):
            answer = session.mask(prompt, before)
            assert answer.mask.shape == TRUTH[K].shape
            assert answer.mask.dtype == bool
            assert not prompt.points_in or answer.mask[ROW, COLUMN]
            assert not prompt.points_out or not answer.mask[4, 4]


def test_points_reach_only_a_model_that_was_trained_on_them(noisy_model):
    boxes, clicks = np.array([[10.0, 10.0, 30.0, 30.0]]), Clicks(np.array([[COLUMN, ROW]]), np.array([True]))

    def differs(heeds_points: bool) -> bool:
        model = Promptable(noisy_model.sam, noisy_model.preprocessing, heeds_points=heeds_points)
        session = PromptSession(ball_volume(), model)
        return not np.array_equal(session.ask(K, boxes)[0], session.ask(K, boxes, clicks)[0])

    assert differs(True)
    assert not differs(False)


@pytest.mark.parametrize("intensities", ["auto", "other", "ct"])
def test_other_scans_than_ct_are_scaled_by_their_percentiles(noisy_model, intensities):
    values = np.linspace(0, 1000, 4 * 30 * 50).reshape(4, 30, 50)
    session = open_session(Volume(values, np.eye(4)), PromptOptions(intensities=intensities), noisy_model)
    percentiles = np.percentile(values[values > 0], (0.5, 99.5))
    expected = noisy_model.preprocessing.window_hu if intensities == "ct" else percentiles
    np.testing.assert_allclose(session.model.preprocessing.window_hu, expected)
