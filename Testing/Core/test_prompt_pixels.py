"""Slices whose columns lie farther apart than their rows: the same places, the same kept masks, and drawn as others are."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_prompts import CENTRE, Pen, a_session, ball_mask, ball_volume, bright_model

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import Limits, SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.model.pixel_grids import PixelGrids
from SAMedCore.prompt.pixels import LONGEST, SlicePixels
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.prompt.through import carry_on

K, ROW, COLUMN = CENTRE
TRUTH = ball_mask()
SHAPES = [(40, 48), (1, 1), (30, 1), (1, 30), (512, 20)]
COARSE = [1.06, 1.37, 1.5, 2.0, 3.0, 40.0]
"""Column spacing as a multiple of row spacing."""


def spaced(volume: Volume, i_mm: float, j_mm: float) -> Volume:
    """The same voxels, in LPS, with another spacing."""
    matrix = volume.ijk_to_lps.copy()
    matrix[:3, :2] *= np.array([i_mm, j_mm]) / np.linalg.norm(matrix[:3, :2], axis=0)
    return Volume(volume.voxels, matrix)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("times", COARSE)
def test_a_mask_comes_back_as_it_was(shape, times):
    pixels = SlicePixels(shape, (0.7, 0.7 * times))
    mask = np.random.default_rng(0).random(shape) < 0.5
    np.testing.assert_array_equal(pixels.to_own(pixels.to_drawing(mask)), mask)


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7), (0.7, 0.72), (6.0, 0.7)], ids=str)
def test_where_columns_are_not_coarser_nothing_is_changed(spacing_mm):
    pixels = SlicePixels((40, 48), spacing_mm)
    values = np.random.default_rng(0).random((40, 48), np.float32)
    places = np.array([[-0.5, 3.25], [47.5, 39.5]])
    assert (pixels.drawing_shape, pixels.drawing_spacing_mm) == ((40, 48), spacing_mm)
    np.testing.assert_array_equal(pixels.to_drawing(values), values)
    np.testing.assert_array_equal(pixels.to_own(values), values)
    np.testing.assert_array_equal(pixels.to_drawing_places(places), places)


def test_isotropic_slices_reach_the_model_as_before():
    embeddings = {}
    session = PromptSession(spaced(ball_volume(), 1.5, 1.5), bright_model(), embeddings)
    assert session.grids == PixelGrids((40, 48), (1.5, 1.5), session.grids.input_size, session.grids.low_res_size)
    session.encode(K)
    images = session.model.preprocessing.images_of(session.volume.voxels[K : K + 1])
    np.testing.assert_array_equal(embeddings["LPS", K], session.model.encode(images).half())


@pytest.mark.parametrize("times", COARSE[:-1])
def test_drawing_pixels_are_square_and_lie_on_the_same_anatomy(times):
    pixels = SlicePixels((40, 48), (1.5, 1.5 * times))
    row_mm, column_mm = pixels.drawing_spacing_mm
    assert column_mm == pytest.approx(row_mm, rel=0.02)
    mm = np.tile(np.arange(48) * pixels.spacing_mm[1], (40, 1))
    drawn_mm = np.arange(pixels.drawing_shape[1]) * column_mm
    assert np.abs(pixels.to_drawing(mm) - drawn_mm).max() <= pixels.spacing_mm[1] / 2 + 1e-9
    places = pixels.to_drawing_places(np.array([[0.0, 0.0], [47.0, 39.0], [12.5, 7.25]]))
    np.testing.assert_allclose(
        places * (column_mm, row_mm), np.array([[0, 0], [47, 39], [12.5, 7.25]]) * pixels.spacing_mm[::-1]
    )


def test_extreme_spacings_stay_bounded():
    assert SlicePixels((512, 512), (0.5, 20.0)).drawing_shape == (512, LONGEST)
    assert SlicePixels((512, 2000), (0.5, 20.0)).drawing_shape == (512, 2000)
    assert SlicePixels((512, 512), (20.0, 0.5)).drawing_shape == (512, 512)


@pytest.mark.parametrize(("i_mm", "j_mm"), [(1.5, 1.5), (3.0, 1.5), (5.0, 1.0), (1.5, 4.5)])
@pytest.mark.parametrize("code", ["LPS", "RAS", "SAR"])
def test_a_box_in_mm_and_points_at_the_edge_land_on_their_voxels(i_mm, j_mm, code):
    volume = reorient(spaced(ball_volume(), i_mm, j_mm), code)
    session = a_session(volume)
    pen = Pen(session)
    assert dice(session.mask(SlicePrompt(box=pen.box(TRUTH[K], K))).mask, TRUTH[K]) > 0.93
    for x, y in ((0, 0), (47, 39), (-0.4, 39.4), (47.4, -0.4), (COLUMN - 8, ROW), (COLUMN + 9, ROW)):
        pixel = int(np.clip(round(y), 0, 39)), int(np.clip(round(x), 0, 47))
        assert session.mask(SlicePrompt(points_in=(pen.at(x, y, K),)), TRUTH[K]).mask[pixel]
        assert not session.mask(SlicePrompt(points_out=(pen.at(x, y, K),)), TRUTH[K]).mask[pixel]


def test_a_click_that_is_right_already_leaves_a_ragged_mask_as_it_is():
    session = a_session(spaced(ball_volume(), 4.1, 1.5))
    ragged = TRUTH[K] & (np.random.default_rng(0).random(TRUTH[K].shape) < 0.7)
    ragged[ROW, COLUMN] = True
    answer = session.mask(SlicePrompt(points_in=(Pen(session).at(COLUMN, ROW, K),)), ragged)
    np.testing.assert_array_equal(answer.mask, ragged)


def test_carried_masks_are_of_the_scans_own_pixels_and_within_the_box():
    session = a_session(spaced(ball_volume(), 4.5, 1.5))
    whole = carry_on(session, {K: TRUTH[K]})
    assert whole.masks
    assert all(dice(mask, TRUTH[k]) > 0.9 for k, mask in whole.masks.items())
    pen = Pen(session)
    box = pen.at(COLUMN - 3, ROW - 4, 0), pen.at(COLUMN + 2, ROW + 20, 23)
    cut = carry_on(session, {K: TRUTH[K]}, limits=Limits(box=box))
    inside = np.zeros((40, 48), bool)
    inside[ROW - 4 :, COLUMN - 3 : COLUMN + 3] = True
    for k, mask in cut.masks.items():
        np.testing.assert_array_equal(mask, whole.masks[k] & inside)
        assert len(cut.scores[k]) == np.count_nonzero(mask)


def test_values_that_are_no_numbers_count_as_air():
    volume = spaced(ball_volume(), 3.0, 1.5)
    voxels = volume.voxels.astype(np.float32)
    voxels[K, :, :9] = np.nan
    session = PromptSession(replace(volume, voxels=voxels), bright_model())
    assert dice(session.mask(SlicePrompt(box=Pen(session).box(TRUTH[K], K))).mask, TRUTH[K]) > 0.93


def test_boxes_on_the_sample_with_every_second_column(sample_ct, sample_labels, lite_weights):
    model = load_promptable(lite_weights, "cpu")
    every, labels = reorient(sample_ct, "LPS"), reorient(sample_labels, "LPS").voxels
    matrix = every.ijk_to_lps.copy()
    matrix[:3, 0] *= 2
    half = Volume(np.ascontiguousarray(every.voxels[..., ::2]), matrix)
    sessions = open_session(every, model=model), open_session(half, model=model)
    values = {label.name: label.value for label in sample_labels.labels}
    for name in ("spleen", "left kidney", "liver", "aorta"):
        truths = labels == values[name], labels[..., ::2] == values[name]
        k = int(truths[0].sum(axis=(1, 2)).argmax())
        isotropic, coarse = (
            dice(session.mask(SlicePrompt(box=Pen(session).box(truth[k], k))).mask, truth[k])
            for session, truth in zip(sessions, truths, strict=True)
        )
        assert isotropic <= 0.95 or coarse > 0.9, (name, isotropic, coarse)
