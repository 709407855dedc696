"""Scans and labels, predictions and references find each other in two folders by one rule."""

from pathlib import Path

import pytest

from SAMedCore.errors import InputError
from SAMedCore.files.cases import label_maps_in, paired, scans_in


@pytest.fixture
def first(tmp_path) -> Path:
    (tmp_path / "first").mkdir()
    return tmp_path / "first"


@pytest.fixture
def second(tmp_path) -> Path:
    (tmp_path / "second").mkdir()
    return tmp_path / "second"


SAME_CASE = [
    ("case1.nii.gz", "case1.nrrd"),
    ("case1.mha", "case1.seg.nrrd"),
    ("Case1.NII.GZ", "case1.nhdr"),
    ("case1_0000.nii.gz", "case1.nii.gz"),
    ("img0001.nii.gz", "label0001.nii.gz"),
    ("case1_ct.nii.gz", "case1_seg.nii.gz"),
    ("case1_0000.seg.nrrd", "case1_segmentation.dcm"),
]


@pytest.mark.parametrize(("one", "other"), SAME_CASE)
def test_files_find_each_other_by_name(first, second, one, other):
    (first / one).touch()
    (second / other).touch()
    for listed in (scans_in, label_maps_in):
        assert paired(listed(first), label_maps_in(second)) == [(first / one, second / other)]


def test_a_folder_is_a_scan_and_never_a_label_map(first, second):
    for folder in (first, second):
        (folder / "case1").mkdir()
    (second / "case1.seg.nrrd").touch()
    assert paired(scans_in(first), label_maps_in(second)) == [(first / "case1", second / "case1.seg.nrrd")]


def test_other_files_and_hidden_ones_are_passed_over(first):
    for name in (".case1.nii.gz", "notes.txt", "case1.nii.gz"):
        (first / name).touch()
    assert scans_in(first) == label_maps_in(first) == [first / "case1.nii.gz"]


@pytest.mark.parametrize("lone", [0, 1])
def test_a_file_without_partner_is_refused_by_name(first, second, lone):
    for path in (first / "a.nrrd", second / "a.nrrd", (first, second)[lone] / "b.nrrd"):
        path.touch()
    with pytest.raises(InputError, match=r'b\.nrrd" has no partner in ".*(first|second)"') as refusal:
        paired(scans_in(first), label_maps_in(second))
    assert str((second, first)[lone]) in str(refusal.value)


def test_two_files_of_one_case_are_refused_by_name(first, second):
    for path in (first / "case1_ct.nrrd", first / "case1_0000.nrrd", second / "case1.nrrd"):
        path.touch()
    with pytest.raises(InputError, match=r'"case1_0000\.nrrd" and "case1_ct\.nrrd".* one file for each case') as refusal:
        paired(scans_in(first), label_maps_in(second))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("listed", "kind"), [(scans_in, "images"), (label_maps_in, "label maps")])
def test_a_folder_that_is_missing_or_empty_is_refused_by_name(first, listed, kind):
    with pytest.raises(InputError, match=f'first" holds no {kind}'):
        listed(first)
    with pytest.raises(InputError, match=r'nowhere" is not a folder'):
        listed(first / "nowhere")
