"""What a comparison says to the last word and number: its rows, its notes and its refusals."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_masks import SCIPY_WARNS, cube, label_map
from made_datasets import described

from SAMedCore.errors import InputError
from SAMedCore.evaluate.compare import evaluate_case, evaluate_folder
from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable, label_named
from SAMedCore.image.volume import LabelMap
from SAMedCore.work import Notice, Work

pytestmark = SCIPY_WARNS

LIVER, SPLEEN = SYNAPSE_ORGANS.subset(["liver"]), SYNAPSE_ORGANS.subset(["spleen"])
BOTH = SYNAPSE_ORGANS.subset(["spleen", "liver"])


def shifted(axis: int) -> LabelMap:
    return label_map(np.roll(cube(), 1, axis))


def refusal(said: str):
    return pytest.raises(InputError, match="^" + re.escape(said) + "$")


def test_a_row_names_its_case_its_structure_and_both_volumes():
    (row,) = evaluate_case(label_map(cube(size=5)), label_map(cube()), labels=LIVER, case="one")
    assert (row.case, row.label) == ("one", "liver")
    assert (row.reference_ml, row.prediction_ml) == pytest.approx((10.0, 1.25))
    (row,) = evaluate_case(label_map(cube(size=5)), label_map(cube()), labels=LIVER)
    assert row.case == ""


def test_the_rows_are_those_of_the_references_table():
    rows = evaluate_case(label_map(cube()), label_map(cube()))
    assert [row.label for row in rows] == list(SYNAPSE_ORGANS.names)
    assert [row.dice == 1 for row in rows] == [name == "liver" for name in SYNAPSE_ORGANS.names]


@pytest.mark.parametrize(("axis", "within"), [(0, False), (1, True), (2, True)])
def test_without_another_tolerance_two_millimetres_count_as_the_same_surface(axis, within):
    """One voxel is 5, 1 and 2 mm."""
    (row,) = evaluate_case(shifted(axis), label_map(cube()), labels=LIVER)
    assert (row.surface_dice == 1) == within
    assert evaluate_case(shifted(axis), label_map(cube()), "standard", 5.0, LIVER)[0].surface_dice == 1
    assert evaluate_case(shifted(axis), label_map(cube()), "standard", 0.5, LIVER)[0].surface_dice < 1


def test_half_a_millimetre_more_is_another_surface():
    prediction, reference = (
        replace(image, ijk_to_lps=np.diag([2.5, 2.5, 2.5, 1.0])) for image in (shifted(0), label_map(cube()))
    )
    assert evaluate_case(prediction, reference, labels=LIVER)[0].surface_dice < 1


@pytest.mark.parametrize(("case", "named"), [("one", '"one": '), ("", "")])
def test_refusals_name_the_case_where_there_is_one(case, named):
    here, there = label_map(cube(), labels=BOTH), label_map(cube(), labels=LIVER)
    said = (
        f"{named}the prediction holds the value 5, which the reference's labels (1) do not know: give it the same label values."
    )
    with refusal(said):
        evaluate_case(here, there, labels=SPLEEN, case=case)
    with refusal(said.replace("(1)", "(none)")):
        evaluate_case(here, there, labels=LabelTable(()), case=case)
    leber = LabelTable((replace(LIVER.labels[0], name="Leber"),))
    with refusal(f'{named}the value 5 means "Leber" and elsewhere "liver": bring both to the same values and names first.'):
        evaluate_case(label_map(cube(), labels=leber), there, case=case)
    said = (
        f"{named}prediction and reference lie on different grids (20 x 20 x 20 voxels of 1 x 1 x 1 mm from (0, 0, 0) and "
        "20 x 20 x 20 voxels of 2 x 1 x 5 mm from (0, 0, 0)): resample the prediction to the reference's grid first."
    )
    with refusal(said):
        evaluate_case(replace(here, ijk_to_lps=np.eye(4)), there, case=case)


def test_all_values_that_the_reference_knows_are_told():
    said = "the prediction holds the value 7, which the reference's labels (1, 5) do not know: give it the same label values."
    with refusal(said):
        evaluate_case(label_map(cube(), 7, LabelTable.generic([7])), label_map(cube()), labels=BOTH)


def test_a_volume_is_the_product_of_all_three_spacings():
    matrix = np.diag([2.0, 3.0, 5.0, 1.0])
    (row,) = evaluate_case(*(replace(label_map(cube()), ijk_to_lps=matrix) for _ in range(2)), labels=LIVER)
    assert (row.reference_ml, row.prediction_ml) == pytest.approx((30.0, 30.0))


def test_names_count_whatever_their_case_and_generic_ones_fit_all():
    shouted = LabelTable((replace(LIVER.labels[0], name="LIVER"),))
    for table in (shouted, LabelTable.generic([5])):
        assert evaluate_case(label_map(cube(), labels=table), label_map(cube(), labels=LIVER))[0].dice == 1
        assert evaluate_case(label_map(cube(), labels=LIVER), label_map(cube(), labels=table))[0].dice == 1


def test_an_unknown_protocol_is_refused_with_those_that_there_are():
    with refusal('unknown protocol "nature": choose from standard, paper.'):
        evaluate_case(label_map(cube()), label_map(cube()), protocol="nature")


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """One case; the prediction names spleen and liver, the reference the liver alone."""
    found = tmp_path / "predictions", tmp_path / "references"
    for folder, table, axis in zip(found, (BOTH, LIVER), (1, 2), strict=True):
        folder.mkdir()
        write_labelmap(replace(shifted(axis), labels=table), folder / "one.seg.nrrd")
    return found


def test_a_folders_scores_keep_protocol_and_tolerance(folders):
    scores = evaluate_folder(*folders, protocol="paper", tolerance_mm=3.5)
    assert (scores.protocol, scores.tolerance_mm) == ("paper", 3.5)
    assert scores.rows[0].hd95_voxels > 0
    scores = evaluate_folder(*folders)
    assert (scores.protocol, scores.tolerance_mm) == ("standard", 2.0)
    assert scores.rows[0].hd95_mm > 0
    wide = evaluate_folder(*folders, tolerance_mm=9.0).rows[0]
    assert scores.rows[0].surface_dice < wide.surface_dice == 1


def test_what_the_references_do_not_know_is_told_once_for_all_cases(folders):
    kidneys = SYNAPSE_ORGANS.subset(["left kidney", "liver"])
    write_labelmap(label_map(cube(), labels=kidneys), folders[0] / "two.seg.nrrd")
    write_labelmap(label_map(cube(), labels=LIVER), folders[1] / "two.seg.nrrd")
    told = []
    evaluate_folder(*folders, work=Work(told.append))
    notes = [each.message for each in told if isinstance(each, Notice)]
    assert notes == ["not scored, because the references do not know it: left kidney, spleen."]


def test_where_nothing_is_left_out_nothing_is_told(folders):
    write_labelmap(label_map(cube(), labels=LIVER), folders[0] / "one.seg.nrrd")
    told = []
    scores = evaluate_folder(*folders, work=Work(told.append))
    assert [row.label for row in scores.rows] == ["liver"]
    assert [each for each in told if isinstance(each, Notice)] == []


def test_structures_that_have_no_name_in_common_are_refused_with_both(folders):
    write_labelmap(label_map(cube(), value=1, labels=SPLEEN), folders[0] / "one.seg.nrrd")
    with refusal(
        "\"one\": the prediction's structures (spleen) are none of the references' (liver): give them the same names."
    ):
        evaluate_folder(*folders)


def test_a_reference_that_names_nothing_leaves_the_names_to_the_others(folders):
    for folder in folders:
        write_labelmap(replace(label_map(cube()), labels=LabelTable.generic([5])), folder / "all.nii.gz")
    scores = evaluate_folder(*folders)
    assert sorted((row.case, row.label) for row in scores.rows) == [("all", "liver"), ("one", "liver")]
    assert {row.case: row.dice == 1 for row in scores.rows} == {"all": True, "one": False}


def test_a_prediction_is_renumbered_by_name_and_what_is_unknown_becomes_background(folders):
    table = LabelTable((label_named(9, "liver"), label_named(5, "spleen")))
    voxels = label_map(cube()).voxels.copy()
    voxels[voxels == 5] = 9
    voxels[0] = 5
    write_labelmap(replace(label_map(cube()), voxels=voxels, labels=table), folders[0] / "one.seg.nrrd")
    write_labelmap(label_map(cube(), labels=LIVER), folders[1] / "one.seg.nrrd")
    assert [(row.label, row.dice) for row in evaluate_folder(*folders).rows] == [("liver", 1)]


def test_references_that_contradict_each_other_are_refused_by_the_files_name(folders):
    leber = LabelTable((replace(LIVER.labels[0], name="Leber"),))
    write_labelmap(label_map(cube(), labels=LIVER), folders[0] / "two.seg.nrrd")
    write_labelmap(label_map(cube(), labels=leber), folders[1] / "two.seg.nrrd")
    said = '"two.seg.nrrd": the value 5 means "Leber" and elsewhere "liver": bring both to the same values and names first.'
    with refusal(said):
        evaluate_folder(*folders)


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Three training cases and a test case, whose liver is 1, spleen 2 and aorta 3."""
    folder, labelmap = tmp_path / "dataset", label_map(cube(), 1, LabelTable.generic([1, 2]))
    for name, part in (("a", "Tr"), ("b", "Tr"), ("c", "Tr"), ("d", "Ts")):
        for kind in ("images", "labels"):
            (folder / f"{kind}{part}").mkdir(parents=True, exist_ok=True)
        write_volume(labelmap.voxels.astype(np.int16), labelmap.ijk_to_lps, folder / f"images{part}/{name}_0000.nii.gz")
        write_labelmap(labelmap, folder / f"labels{part}/{name}.nii.gz")
    names = {"background": 0, "liver": 1, "spleen": 2, "aorta": 3}
    return described(folder, channel_names={"0": "CT"}, labels=names, numTraining=3, file_ending=".nii.gz")


@pytest.mark.parametrize(
    ("table", "scored", "notes"),
    [
        (LIVER, ["liver"], ["not scored, because no prediction knows it: spleen, aorta."]),
        (BOTH, ["liver", "spleen"], ["not scored, because no prediction knows it: aorta."]),
        (LabelTable.generic([5]), None, None),
    ],
)
def test_of_a_dataset_what_the_predictions_name_is_scored(dataset, tmp_path, table, scored, notes):
    predictions, told = tmp_path / "predictions", []
    predictions.mkdir()
    write_labelmap(label_map(cube(), labels=table), predictions / "a.seg.nrrd")
    write_labelmap(label_map(cube(), labels=table), predictions / "b.seg.nrrd")
    if scored is None:
        with pytest.raises(InputError, match="holds the value 5"):
            evaluate_folder(predictions, dataset, work=Work(told.append))
        notes = ["the predictions do not name their values: they are taken as the dataset's."]
    else:
        scores = evaluate_folder(predictions, dataset, work=Work(told.append))
        assert sorted({row.label for row in scores.rows}) == scored
        assert sorted({row.case for row in scores.rows}) == ["a", "b"]
        assert all(row.dice == 1 for row in scores.rows if row.label == "liver")
    missing = '1 labelled cases have no prediction and are not scored ("c" is the first).'
    assert [each.message for each in told if isinstance(each, Notice)] == [missing, *notes]


def test_predictions_that_know_nothing_of_a_dataset_are_refused_with_all_that_it_knows(dataset, tmp_path):
    (tmp_path / "predictions").mkdir()
    write_labelmap(label_map(cube(), labels=LabelTable((label_named(5, "brain"),))), tmp_path / "predictions" / "a.seg.nrrd")
    known = "(liver, spleen, aorta)"
    said = f"\"a\": the prediction's structures (brain) are none of the references' {known}: give them the same names."
    with refusal(said):
        evaluate_folder(tmp_path / "predictions", dataset)


def test_a_named_prediction_keeps_its_values_where_the_references_name_none(folders):
    write_labelmap(replace(label_map(cube()), labels=LabelTable.generic([5])), folders[1] / "one.nii.gz")
    (folders[1] / "one.seg.nrrd").unlink()
    write_labelmap(label_map(cube(), labels=LIVER), folders[0] / "one.seg.nrrd")
    assert [(row.label, row.dice) for row in evaluate_folder(*folders).rows] == [("label 5", 1)]


@pytest.mark.parametrize(("value", "known"), [(5, "label 5"), (0, "none")])
def test_names_that_nobody_knows_are_all_told(folders, value, known):
    table = LabelTable((label_named(1, "brain"), label_named(2, "lung")))
    write_labelmap(label_map(cube(), 1, table), folders[0] / "one.seg.nrrd")
    (folders[1] / "one.seg.nrrd").unlink()
    write_labelmap(label_map(cube(), value, LabelTable.generic([value] if value else [])), folders[1] / "one.nii.gz")
    said = (
        f"\"one\": the prediction's structures (brain, lung) are none of the references' ({known}): give them the same names."
    )
    with refusal(said):
        evaluate_folder(*folders)


def test_one_structure_spelled_in_two_ways_is_told_with_its_case(folders):
    leber = LabelTable((*SPLEEN.labels, replace(LIVER.labels[0], name="Leber")))
    write_labelmap(label_map(cube(), labels=leber), folders[1] / "one.seg.nrrd")
    said = '"one": the value 5 means "liver" and elsewhere "Leber": bring both to the same values and names first.'
    with refusal(said):
        evaluate_folder(*folders)


def test_without_the_library_of_surface_distances_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "surface_distance", None)
    said = (
        'the package "surface-distance" is not installed, which the standard protocol needs: '
        'run pip install "samedcore[evaluation]".'
    )
    with refusal(said):
        evaluate_case(label_map(cube()), label_map(cube()))
    assert evaluate_case(label_map(cube()), label_map(cube()), "paper", labels=LIVER)[0].dice == 1
