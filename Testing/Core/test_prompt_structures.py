"""Several structures of a volume, from their prompts."""

import numpy as np
import pytest
from drawn_prompts import CENTRE, Pen, a_session, ball_mask, ball_volume, bright_model

from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS, Label, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.structures import labels_of, prompt_volume

K, ROW, COLUMN = CENTRE
BALL = ball_mask()
BAR = np.zeros_like(BALL)
BAR[:, 2:8, 36:44] = True
CT = PromptOptions(intensities="ct")


def prompted(code: str = "LPS"):
    pen = Pen(a_session())
    structures = (
        StructurePrompts("lesion", (SlicePrompt(points_in=(pen.at(COLUMN, ROW, K),)),)),
        StructurePrompts(
            "Aorta", (SlicePrompt(box=pen.box(BAR[4], 4)), SlicePrompt(box=pen.box(BAR[20], 20))), Limits((3, 21))
        ),
    )
    return prompt_volume(reorient(ball_volume(BALL | BAR), code), structures, CT, model=bright_model())


@pytest.mark.parametrize("code", ["LPS", "RAS", "IRP"])
def test_structures_come_on_the_volumes_own_grid(code):
    answer = prompted(code)
    volume = reorient(ball_volume(BALL | BAR), code)
    assert same_grid(answer.labelmap.grid, volume.grid)
    voxels = reorient(answer.labelmap, "LPS").voxels
    assert dice(voxels == 1, BALL) > 0.95
    expected = BAR.copy()
    expected[[0, 1, 2, 22, 23]] = False
    assert dice(voxels == 2, expected) > 0.95
    assert answer.kept == {"lesion": (K,), "Aorta": (4, 20)}
    assert set(answer.confidence["Aorta"]) == set(range(3, 22))


def test_known_organs_have_their_colours_and_codes_and_others_colours_of_their_own():
    labels = labels_of(["lesion", "Aorta", "cyst"])
    organ = SYNAPSE_ORGANS.subset(["aorta"]).labels[0]
    assert labels.values == (1, 2, 3)
    assert labels.names == ("lesion", "Aorta", "cyst")
    assert (labels.labels[1].rgb, labels.labels[1].type) == (organ.rgb, organ.type)
    assert len({label.rgb for label in labels}) == 3


def test_a_pixel_that_two_structures_claim_goes_to_the_one_that_is_surer_of_it_whatever_their_order():
    volume, pen = ball_volume(BALL | BAR), Pen(a_session())
    whole = StructurePrompts("whole", (SlicePrompt(box=pen.box(BALL[K], K)),), Limits((K, K)))
    first = np.argwhere(BALL[K])[0]
    part = StructurePrompts("part", (SlicePrompt(points_in=(pen.at(first[1], first[0], K),)),), Limits((K, K)))
    one, other = (prompt_volume(volume, order, CT, model=bright_model()) for order in ((whole, part), (part, whole)))
    assert set(np.unique(one.labelmap.voxels)) <= {0, 1, 2}
    agree = (one.labelmap.voxels > 0) == (other.labelmap.voxels > 0)
    assert agree.all()
    assert one.labelmap.voxels[K, first[0], first[1]] == 2
    assert other.labelmap.voxels[K, first[0], first[1]] == 1


def test_more_prompts_on_a_slice_correct_what_the_first_gave():
    pen = Pen(a_session())
    prompts = (SlicePrompt(box=pen.box(BALL[K], K)), SlicePrompt(points_out=(pen.at(COLUMN + 6, ROW, K),)))
    answer = prompt_volume(ball_volume(), (StructurePrompts("ball", prompts, Limits((K, K))),), CT, model=bright_model())
    assert answer.labelmap.voxels[K, ROW, COLUMN + 6] == 0
    assert answer.labelmap.voxels[K, ROW, COLUMN] == 1


@pytest.mark.parametrize("code", ["LPS", "SRA"])
def test_prompts_correct_a_checkpoints_answer_and_its_other_structures_stay(code):
    pen, volume = Pen(a_session()), ball_volume(BALL | BAR)
    answered = np.zeros(BALL.shape, np.uint8)
    answered[np.roll(BALL, 1, axis=2)], answered[BAR], answered[23, 30:, 5:] = 4, 9, 9
    names = LabelTable((Label(4, "Liver", (1, 2, 3)), Label(9, "bar", (4, 5, 6))))
    answer = reorient(LabelMap(answered, volume.ijk_to_lps, names), code)
    prompts = (StructurePrompts("liver", (SlicePrompt(box=pen.box(BALL[16], 16)),)),)
    prompted = prompt_volume(volume, prompts, CT, model=bright_model(), answer=answer)
    assert [(label.value, label.name, label.rgb) for label in prompted.labelmap.labels] == [
        (4, "liver", (1, 2, 3)),
        (9, "bar", (4, 5, 6)),
    ]
    assert dice(prompted.labelmap.voxels == 4, BALL) > 0.95
    np.testing.assert_array_equal(prompted.labelmap.voxels == 9, answered == 9)
    assert prompted.kept == {"liver": (16,)}


def test_a_click_corrects_what_the_checkpoint_drew_there():
    pen, volume = Pen(a_session()), ball_volume()
    answered = np.zeros(BALL.shape, np.uint8)
    answered[K, ROW - 2 : ROW + 3, COLUMN - 2 : COLUMN + 3] = 1
    answer = LabelMap(answered, volume.ijk_to_lps, LabelTable.generic([1]))
    prompt = SlicePrompt(points_in=(pen.at(COLUMN + 5, ROW, K),))
    structures = (StructurePrompts("label 1", (prompt,), Limits((K, K))),)
    found = prompt_volume(volume, structures, CT, model=bright_model(), answer=answer).labelmap.voxels[K] == 1
    assert found[answered[K] == 1].all()
    assert found[ROW, COLUMN + 5]


def test_an_answer_of_another_scan_is_refused():
    structure = StructurePrompts("ball", (SlicePrompt(points_in=(Pen(a_session()).at(COLUMN, ROW, K),)),))
    moved = np.eye(4)
    moved[:3, 3] = 0.5
    answer = LabelMap(np.ones(BALL.shape, np.uint8), moved, LabelTable.generic([1]))
    with pytest.raises(InputError, match="do not coincide"):
        prompt_volume(ball_volume(), (structure,), CT, model=bright_model(), answer=answer)


def test_what_is_not_there_or_named_twice_is_refused():
    with pytest.raises(InputError, match="no structure"):
        prompt_volume(ball_volume(), (), CT, model=bright_model())
    structure = StructurePrompts("ball", (SlicePrompt(points_in=(Pen(a_session()).at(COLUMN, ROW, K),)),))
    with pytest.raises(InputError, match="'ball' twice"):
        prompt_volume(ball_volume(), (structure, structure), CT, model=bright_model())


def test_a_prompt_that_shows_nothing_is_refused():
    pen = Pen(a_session())
    structure = StructurePrompts("cyst", (SlicePrompt(box=(pen.at(2, 30, K), pen.at(9, 38, K))),))
    with pytest.raises(InputError, match='nothing is found where "cyst" was prompted'):
        prompt_volume(ball_volume(), (structure,), CT, model=bright_model())
