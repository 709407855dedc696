"""Predictions against references, one pair or two folders: however they are stored, and what does not belong together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_masks import SCIPY_WARNS, blob, cube, label_map, oblique, score

from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.compare import evaluate_case, evaluate_folder
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.work import Event, Progress, Work

pytestmark = SCIPY_WARNS


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


def renamed(labelmap: LabelMap, name: str, value: int) -> LabelMap:
    """The liver, 5, under another name and value, and no other structure."""
    label = replace(SYNAPSE_ORGANS.labels[4], name=name, value=value)
    return replace(labelmap, voxels=labelmap.voxels // 5 * np.uint8(value), labels=LabelTable((label,)))


def test_folders_are_compared_by_name_whatever_the_values(folders):
    predictions, references = folders
    write_labelmap(renamed(label_map(cube()), "Liver", 77), references / "one.seg.nrrd")
    write_labelmap(renamed(label_map(cube()), "LIVER", 77), references / "two.seg.nrrd")
    (references / "two.nii.gz").unlink()
    for name in ("one.nii.gz", "two.nrrd"):
        (predictions / name).unlink()
    for name in ("one", "two"):
        write_labelmap(label_map(cube()), predictions / f"{name}.seg.nrrd")
    scores = evaluate_folder(predictions, references)
    assert [(row.label, row.dice) for row in scores.rows] == [("Liver", 1), ("Liver", 1)]


def test_one_structure_spelled_in_two_ways_is_refused(tmp_path):
    for folder, name in (("predictions", "liver"), ("references", "Leber")):
        (tmp_path / folder).mkdir()
        write_labelmap(renamed(label_map(cube()), name, 5), tmp_path / folder / "one.seg.nrrd")
    with pytest.raises(InputError, match=r"\(liver\) are none of the references' \(Leber\)"):
        evaluate_folder(tmp_path / "predictions", tmp_path / "references")
    write_labelmap(label_map(cube()), tmp_path / "predictions/one.seg.nrrd")
    leber = LabelTable((*SYNAPSE_ORGANS.labels[:4], replace(SYNAPSE_ORGANS.labels[4], name="Leber")))
    write_labelmap(label_map(cube(), labels=leber), tmp_path / "references/one.seg.nrrd")
    with pytest.raises(InputError, match='the value 5 means "liver" and elsewhere "Leber"'):
        evaluate_folder(tmp_path / "predictions", tmp_path / "references")


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InputError, match="choose from standard, paper"):
        evaluate_case(label_map(cube()), label_map(cube()), protocol="nature")
