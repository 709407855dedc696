import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from medpy.metric import binary
from scipy.spatial.distance import cdist

from SAMedCore.cli import main
from SAMedCore.draw.boxplot import box_plot
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.compare import evaluate_case, evaluate_folder
from SAMedCore.evaluate.measures import paper_measures, standard_measures
from SAMedCore.evaluate.scores import OrganScore, Scores
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.work import Event, Progress, Work

# The library still imports from namespaces that SciPy is going to remove.
pytestmark = pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")

SPACING_KJI_MM = (5.0, 1.0, 2.0)
LIVER = SYNAPSE_ORGANS.subset(["liver"])


def cube(start=(4, 4, 4), size=10, shape=(20, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(first, first + size) for first in start)] = True
    return mask


def blob(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    k, j, i = np.indices((14, 15, 16)) - generator.uniform(5, 9, (3, 1, 1, 1))
    return (k**2 + j**2 + i**2 < generator.uniform(12, 30)) & (generator.random(k.shape) < 0.9)


def label_map(mask: np.ndarray, value: int = 5, labels: LabelTable = SYNAPSE_ORGANS) -> LabelMap:
    return LabelMap(mask.astype(np.uint8) * value, np.diag([*reversed(SPACING_KJI_MM), 1.0]), labels)


def oblique(image: LabelMap, degrees: float = 25.0) -> LabelMap:
    turn, angle = np.eye(4), math.radians(degrees)
    turn[1:3, 1:3] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return replace(image, ijk_to_lps=turn @ image.ijk_to_lps)


def score(prediction: np.ndarray, reference: np.ndarray, protocol: str = "standard") -> OrganScore:
    (row,) = evaluate_case(label_map(prediction, labels=LIVER), label_map(reference, labels=LIVER), protocol)
    return row


@pytest.mark.parametrize(("axis", "shift_mm"), list(enumerate(SPACING_KJI_MM)))
def test_a_cube_shifted_by_one_voxel_is_that_many_millimetres_away(axis, shift_mm):
    reference = cube()
    row = score(np.roll(reference, 1, axis), reference)
    assert row.dice == pytest.approx(0.9)
    assert row.hd95_mm == pytest.approx(shift_mm)
    assert 0 < row.mean_surface_distance_mm < shift_mm


@pytest.mark.parametrize(("axis", "shift_mm"), list(enumerate(SPACING_KJI_MM)))
def test_surface_dice_is_perfect_from_the_tolerance_of_the_shift_on(axis, shift_mm):
    reference = cube()
    prediction = np.roll(reference, 1, axis)
    assert standard_measures(prediction, reference, SPACING_KJI_MM, shift_mm)["surface_dice"] == 1
    assert standard_measures(prediction, reference, SPACING_KJI_MM, 0.99 * shift_mm)["surface_dice"] < 0.96


def test_two_parallel_plates_lie_their_distance_apart():
    first, second = np.zeros((2, 12, 40, 40), bool)
    first[2], second[5] = True, True
    row = score(first, second)
    assert (row.dice, row.surface_dice) == (0, 0)
    assert row.mean_surface_distance_mm == pytest.approx(15 - 2.5, abs=0.5)  # faces at 0 and 5 mm; to the nearer: 10, 15
    assert row.hd95_mm == pytest.approx(15)


def test_identical_masks_agree_perfectly():
    row = score(blob(0), blob(0))
    assert (row.dice, row.hd95_mm, row.mean_surface_distance_mm, row.surface_dice) == (1, 0, 0, 1)


@pytest.mark.parametrize("protocol", ["standard", "paper"])
@pytest.mark.parametrize("seed", range(3))
def test_measures_are_symmetric(protocol, seed):
    one, other = score(blob(seed), blob(seed + 10), protocol), score(blob(seed + 10), blob(seed), protocol)
    for measure in Scores((), protocol).measures:
        assert getattr(one, measure) == pytest.approx(getattr(other, measure))


@pytest.mark.parametrize("orientation", ["RAS", "SAR", "PIL", "ILA"])
def test_measures_do_not_depend_on_the_storage_order(orientation):
    prediction, reference = label_map(blob(1)), label_map(blob(2))
    expected = evaluate_case(prediction, reference)[4]
    found = evaluate_case(reorient(prediction, orientation), reference)[4]
    assert found.dice == expected.dice
    assert found.hd95_mm == pytest.approx(expected.hd95_mm)


def test_an_oblique_grid_measures_the_same_as_a_straight_one():
    prediction, reference = label_map(blob(1)), label_map(blob(2))
    expected, found = evaluate_case(prediction, reference)[4], evaluate_case(oblique(prediction), oblique(reference))[4]
    assert found.hd95_mm == pytest.approx(expected.hd95_mm)
    assert found.mean_surface_distance_mm == pytest.approx(expected.mean_surface_distance_mm)


def test_volumes_are_given_in_millilitres():
    assert score(cube(size=5), cube()).reference_ml == pytest.approx(1000 * 10 / 1000)


NOTHING, THING = np.zeros((20, 20, 20), bool), cube()


@pytest.mark.parametrize(
    ("prediction", "reference", "dice", "surface_dice"),
    [(NOTHING, NOTHING, math.nan, math.nan), (NOTHING, THING, 0, 0), (THING, NOTHING, 0, 0)],
    ids=["neither", "missed", "invented"],
)
def test_empty_masks_are_undefined_or_the_worst_value(prediction, reference, dice, surface_dice):
    row = score(prediction, reference)
    np.testing.assert_equal([row.dice, row.surface_dice], [dice, surface_dice])
    assert math.isnan(row.hd95_mm)
    assert math.isnan(row.mean_surface_distance_mm)


@pytest.mark.parametrize(
    ("prediction", "reference", "dice"),
    [(NOTHING, NOTHING, 0), (NOTHING, THING, 0), (THING, NOTHING, 1)],
    ids=["neither", "missed", "invented"],
)
def test_the_paper_counts_empty_masks_its_own_way(prediction, reference, dice):
    row = score(prediction, reference, "paper")
    assert (row.dice, row.hd95_voxels) == (dice, 0)


def brute_force_hd95(prediction: np.ndarray, reference: np.ndarray) -> float:
    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        inner = padded.copy()
        for axis in range(3):
            inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
        return np.argwhere(padded & ~inner)

    distances = cdist(surface(prediction), surface(reference))
    return float(np.percentile([*distances.min(axis=1), *distances.min(axis=0)], 95))


@pytest.mark.parametrize("seed", range(4))
def test_the_papers_hd95_equals_a_brute_force_search(seed):
    prediction, reference = blob(seed), blob(seed + 10)
    measured = paper_measures(prediction, reference)
    assert measured["hd95_voxels"] == pytest.approx(brute_force_hd95(prediction, reference))
    overlap = sum(p and r for p, r in zip(prediction.ravel(), reference.ravel(), strict=True))
    assert measured["dice"] == pytest.approx(2 * overlap / (prediction.sum() + reference.sum()))


@pytest.mark.parametrize("touching_the_border", [False, True])
def test_the_papers_measures_equal_medpys(touching_the_border):
    prediction, reference = blob(3), blob(4)
    if touching_the_border:
        prediction, reference = prediction[6:, 7:], reference[6:, 7:]
    measured = paper_measures(prediction, reference)
    assert measured["dice"] == pytest.approx(binary.dc(prediction, reference))
    assert measured["hd95_voxels"] == pytest.approx(binary.hd95(prediction, reference))


def test_the_papers_measures_know_no_millimetres():
    reference = cube()
    row = score(np.roll(reference, 1, 0), reference, "paper")
    assert row.hd95_voxels == 1
    assert math.isnan(row.hd95_mm)


def test_undefined_values_are_left_out_of_the_mean_and_counted():
    rows = [score(cube(), cube()), score(NOTHING, THING), score(THING, NOTHING), score(NOTHING, NOTHING)]
    (liver,) = Scores(tuple(rows)).summaries()
    assert liver.n == {"dice": 3, "hd95_mm": 1, "mean_surface_distance_mm": 1, "surface_dice": 3}
    assert liver.mean["dice"] == pytest.approx(1 / 3)
    assert liver.sd["dice"] == pytest.approx(math.sqrt(1 / 3))
    assert (liver.missed, liver.invented) == (1, 1)


def test_the_mean_is_over_cases_first_and_organs_then():
    rows = [OrganScore("a", "liver", 1, 1, 1.0), OrganScore("b", "liver", 1, 1, 0.8), OrganScore("a", "aorta", 1, 1, 0.5)]
    assert Scores(tuple(rows)).mean().mean["dice"] == pytest.approx((0.9 + 0.5) / 2)


def test_the_table_shows_missed_organs_and_says_how_they_count():
    lines = Scores((score(NOTHING, THING),)).table().splitlines()
    assert next(line for line in lines if line.startswith("liver")).split() == [
        "liver",
        "0.000",
        "-",
        "-",
        "0.000",
        "1",
        "1",
        "0",
    ]
    assert any("missed" in line and "Dice 0" in line for line in lines[4:])


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_a_csv_file_gives_back_every_score(tmp_path, protocol):
    rows = (score(blob(1), blob(2), protocol), score(NOTHING, THING, protocol))
    scores = Scores(rows, protocol)
    scores.write_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["case", "label", "reference_ml", "prediction_ml", *scores.measures, "hd95_definition"]
    for row, line in zip(rows, read, strict=True):
        for measure in scores.measures:
            assert float(line[measure] or "nan") == pytest.approx(getattr(row, measure), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("standard", "greater of the two directed 95th percentiles of the surface distance, weighted by area, in mm"),
        ("paper", "95th percentile of the surface distances of both directions taken together, in voxels (medpy's hd95)"),
    ],
)
def test_table_csv_plot_and_help_say_which_hd95_is_meant(tmp_path, protocol, said, capsys):
    scores = Scores((score(blob(1), blob(2), protocol),), protocol)
    scores.write_csv(tmp_path / "scores.csv")
    box_plot(scores, tmp_path / "plot.svg")
    assert main(["evaluate", "--help"]) == 0
    assert f"HD95: {said}." in scores.table()
    assert said in (tmp_path / "scores.csv").read_text()
    assert said in " ".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "plot.svg").read_text()))
    assert f"HD95 by --protocol {protocol}: {said}." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("swapped", [False, True])
def test_the_standard_hd95_is_the_greater_of_both_directions_and_not_their_mean(swapped):
    reference = cube((2, 2, 2), 4, (24, 8, 8))
    invented = cube((18, 2, 2), 4, (24, 8, 8))  # 60 to 80 mm away; from the reference to the prediction it is 0 mm
    masks = (reference, reference | invented) if swapped else (reference | invented, reference)
    assert 60 < score(*masks).hd95_mm <= 80


def test_an_unwritable_csv_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Scores((score(THING, THING),)).write_csv(tmp_path / "nowhere" / "scores.csv")


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Two cases in each folder, in different formats; the second case's reference has no liver."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for folder in (predictions, references):
        folder.mkdir()
        (folder / "notes.txt").write_text("not a label map")
    write_labelmap(label_map(cube()), predictions / "one.nii.gz")
    write_labelmap(label_map(np.roll(cube(), 1, 0)), references / "one.seg.nrrd")
    write_labelmap(label_map(cube()), predictions / "two.nrrd")
    write_labelmap(label_map(cube(), value=1), references / "two.nii.gz")
    return predictions, references


def test_folders_are_matched_by_name_whatever_the_format(folders):
    scores = evaluate_folder(*folders)
    liver = {row.case: row for row in scores.rows if row.label == "liver"}
    assert sorted(liver) == ["one", "two"]
    assert liver["one"].dice == pytest.approx(0.9)
    assert liver["two"].dice == 0
    assert len(scores.rows) == 2 * len(scores.labels)


@pytest.mark.parametrize(
    ("prediction", "reference", "case"),
    [
        ("img0001.nii.gz", "label0001.nii.gz", "label0001"),
        ("case1_0000.nii.gz", "case1.nii.gz", "case1"),
        ("case1_seg.nrrd", "Case1.seg.nrrd", "Case1"),
    ],
)
def test_predictions_find_their_references_as_scans_find_their_labels(tmp_path, prediction, reference, case):
    for folder, name in (("predictions", prediction), ("references", reference)):
        (tmp_path / folder).mkdir()
        write_labelmap(label_map(cube()), tmp_path / folder / name)
    scores = evaluate_folder(tmp_path / "predictions", tmp_path / "references", labels=SYNAPSE_ORGANS.subset(["liver"]))
    assert [(row.case, row.dice) for row in scores.rows] == [(case, 1)]


@pytest.mark.parametrize("folder", [0, 1], ids=["predictions", "references"])
def test_two_files_that_look_like_one_case_are_refused(folders, folder):
    write_labelmap(label_map(cube()), folders[folder] / "one_seg.nrrd")
    with pytest.raises(InputError, match="look like the same case"):
        evaluate_folder(*folders)


def test_progress_is_told_case_by_case(folders):
    told: list[Event] = []
    evaluate_folder(*folders, work=Work(told.append))
    assert told == [Progress("evaluating", 1, 2), Progress("evaluating", 2, 2)]


def test_a_cancelled_evaluation_stops(folders):
    told: list[Event] = []
    with pytest.raises(Cancelled):
        evaluate_folder(*folders, work=Work(told.append, lambda: bool(told)))
    assert len(told) == 1


@pytest.mark.parametrize("lone", [0, 1], ids=["prediction", "reference"])
def test_a_case_without_partner_is_refused(folders, lone):
    write_labelmap(label_map(cube()), folders[lone] / "three.nii.gz")
    with pytest.raises(InputError, match=r"three\.nii\.gz.*no partner"):
        evaluate_folder(*folders)


def test_a_case_that_is_there_twice_is_refused(folders):
    write_labelmap(label_map(cube()), folders[0] / "one.nrrd")
    with pytest.raises(InputError, match="one file for each case"):
        evaluate_folder(*folders)


def test_a_folder_without_label_maps_or_none_at_all_is_refused(folders, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        evaluate_folder(tmp_path / "nowhere", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label maps"):
        evaluate_folder(tmp_path / "empty", folders[1])


def test_values_that_the_reference_does_not_know_are_refused(folders):
    write_labelmap(label_map(cube(), value=77, labels=LabelTable.generic([77])), folders[0] / "one.nii.gz")
    with pytest.raises(InputError, match=r'"one".*value 77'):
        evaluate_folder(*folders)


def part_of(image: LabelMap, *extent: slice) -> LabelMap:
    """The voxels of this extent (k, j, i) alone, as Slicer may save a segmentation."""
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [part.start for part in reversed(extent)]
    return replace(image, voxels=image.voxels[extent], ijk_to_lps=matrix)


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_label_maps_cropped_to_what_is_drawn_score_the_same(protocol):
    prediction, reference = oblique(label_map(cube())), oblique(label_map(cube((7, 6, 2), 9)))
    expected = evaluate_case(prediction, reference, protocol)[4]
    cropped_prediction = part_of(prediction, slice(4, 14), slice(3, 15), slice(4, 20))
    cropped_reference = part_of(reference, slice(7, 16), slice(6, 20), slice(1, 11))
    for pair in ((cropped_prediction, reference), (prediction, cropped_reference), (cropped_prediction, cropped_reference)):
        row = evaluate_case(*pair, protocol)[4]
        assert 0 < row.dice == expected.dice < 1
        assert (row.prediction_ml, row.reference_ml) == pytest.approx((expected.prediction_ml, expected.reference_ml))
        assert row.hd95_mm == pytest.approx(expected.hd95_mm, nan_ok=True)
        assert row.hd95_voxels == pytest.approx(expected.hd95_voxels, nan_ok=True)


def test_different_grids_are_refused_with_the_advice_to_resample():
    other = replace(label_map(cube()), ijk_to_lps=np.eye(4))
    with pytest.raises(InputError, match=r"20 x 20 x 20 voxels of 1 x 1 x 1 mm.*resample"):
        evaluate_case(other, label_map(cube()))


def test_a_value_with_two_meanings_is_refused():
    swapped = LabelTable(tuple(replace(label, value=9 - label.value) for label in SYNAPSE_ORGANS))
    with pytest.raises(InputError, match='means "pancreas" and elsewhere "spleen"'):
        evaluate_case(label_map(cube(), labels=swapped), label_map(cube()))


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InputError, match="choose from standard, paper"):
        evaluate_case(label_map(cube()), label_map(cube()), protocol="nature")
