"""Scans and label maps find each other, become slices, and every item depends on the seed alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import zoom

from SAMedCore.errors import Cancelled, InputError
from SAMedCore.files.cases import ListedCase, pairs_from_csv, with_labels
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable, label_named
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.train.cases import Case, classes_of, load_cases, training_labels
from SAMedCore.train.loss import IGNORE
from SAMedCore.train.slices import EpochSampler, SliceDataset, item_loader, slice_dataset, split
from SAMedCore.work import Work

GRID = Preprocessing(sizes=(24, 32))


def a_case(seed: int = 0, slices: int = 6, labels: LabelTable | None = None) -> Case:
    """A scan of random HU whose slices 2 and 3 carry the label 4, in a corner."""
    draw = np.random.default_rng(seed)
    annotation = np.zeros((slices, 20, 20), dtype=np.uint8)
    annotation[2:4, :8, :10] = 4
    volume = Volume(draw.integers(-200, 400, (slices, 20, 20)).astype(np.int16), np.eye(4))
    return Case(volume, LabelMap(annotation, np.eye(4), labels or LabelTable.generic([4])))


@pytest.fixture
def dataset() -> SliceDataset:
    return slice_dataset([a_case()], LabelTable.generic([4]), GRID, 8).augmented("few-shot", 1234)


def test_making_slices_can_be_cancelled():
    with pytest.raises(Cancelled):
        slice_dataset([a_case()], LabelTable.generic([4]), GRID, 8, work=Work(is_cancelled=lambda: True))


def write(path: Path, size=(4, 5, 6), spacing=(1, 1, 1), origin=(0, 0, 0)) -> Path:
    """An image that is 1 at the voxel i, j, k = 1, 1, 1, else 0."""
    path.parent.mkdir(exist_ok=True)
    image = SimpleITK.Image(size, SimpleITK.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image[1, 1, 1] = 1
    SimpleITK.WriteImage(image, path)
    return path


def test_pairs_come_from_a_csv_file(tmp_path):
    image, labels = write(tmp_path / "one.nrrd"), write(tmp_path / "two.nrrd")
    table = tmp_path / "pairs.csv"
    table.write_text("image,labels\none.nrrd,two.nrrd\n")
    assert pairs_from_csv(table) == [(image, labels)]


@pytest.mark.parametrize("text", ["", "image,labels\n", "a,b\n1,2\n", "image,labels\none.nrrd,\n", "image,labels\nx,y\n"])
def test_a_csv_file_that_names_no_files_is_refused(tmp_path, text):
    write(tmp_path / "one.nrrd")
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=r"pairs\.csv"):
        pairs_from_csv(tmp_path / "pairs.csv")


def test_labels_on_another_grid_are_refused_with_both_grids(tmp_path):
    image, labels = write(tmp_path / "one.nrrd"), write(tmp_path / "two.nrrd", (4, 5, 7), spacing=(1, 1, 2))
    with pytest.raises(InputError, match=r"two\.nrrd.*4 x 5 x 7 .* 1 x 1 x 2 mm.*one\.nrrd.*4 x 5 x 6 .* 1 x 1 x 1 mm"):
        load_cases(with_labels([(image, labels)]))


def test_cropped_labels_are_put_in_their_place(tmp_path):
    image, labels = write(tmp_path / "one.nrrd"), write(tmp_path / "two.nrrd", (2, 3, 2), origin=(1, 2, 3))
    (case,) = load_cases(with_labels([(image, labels)]))
    assert case.labelmap.voxels.shape == case.volume.voxels.shape
    assert np.argwhere(case.labelmap.voxels).tolist() == [[4, 3, 2]]


def test_labels_outside_their_scan_are_refused_by_name(tmp_path):
    image, labels = write(tmp_path / "one.nrrd"), write(tmp_path / "two.nrrd", origin=(0, 0, 5))
    with pytest.raises(InputError, match=r"two\.nrrd: has labels outside .*one\.nrrd"):
        load_cases(with_labels([(image, labels)]))


def test_labels_are_known_by_name_and_else_by_value():
    liver = LabelTable((SYNAPSE_ORGANS.labels[4],))  # 5
    other_value = LabelTable.from_json([{"value": 4, "name": "Liver"}])
    assert classes_of(a_case(labels=other_value).labelmap, liver).max() == 1
    assert classes_of(a_case().labelmap, LabelTable.generic([3, 4])).max() == 2
    assert classes_of(a_case().labelmap, liver).max() == 0


def test_only_structures_that_occur_are_learnt():
    case = a_case(labels=LabelTable.from_json([{"value": 4, "name": "liver"}, {"value": 9, "name": "heart"}]))
    assert training_labels([case]).names == ("liver",)
    with pytest.raises(InputError, match="spleen"):
        training_labels([case], ["spleen"])


def named(*names: str) -> LabelTable:
    """A table that gives the values 1, 2, ... these names."""
    return LabelTable(tuple(label_named(value, name) for value, name in enumerate(names, start=1)))


def drawn(table: LabelTable) -> Case:
    """A case in which each value of the table occurs, one a row of pixels."""
    case = a_case()
    voxels = np.zeros_like(case.labelmap.voxels)
    for value in table.values:
        voxels[:, value] = value
    return replace(case, labelmap=LabelMap(voxels, np.eye(4), table))


@given(st.lists(st.permutations(["liver", "spleen", "aorta"]).map(lambda names: names[:2]), min_size=1, max_size=4))
def test_structures_of_any_numbers_are_learnt_by_name(numberings):
    cases = [drawn(named(*names)) for names in numberings]
    labels = training_labels(cases)
    assert set(labels.names) == {name for names in numberings for name in names}
    for case, names in zip(cases, numberings, strict=True):
        for value, name in enumerate(names, start=1):
            number = labels.names.index(name) + 1
            assert np.array_equal(classes_of(case.labelmap, labels) == number, case.labelmap.voxels == value)


def test_a_structure_keeps_its_first_number_where_that_is_free():
    labels = training_labels([drawn(named("liver", "spleen")), drawn(named("spleen", "aorta"))])
    assert {label.name: label.value for label in labels} == {"liver": 1, "spleen": 2, "aorta": 3}


def test_a_value_without_a_name_has_the_one_that_the_others_give_it():
    unnamed = drawn(LabelTable.generic([1, 2]))
    cases = [drawn(named("liver", "spleen")), unnamed]
    assert training_labels(cases).names == training_labels(cases[::-1]).names == ("liver", "spleen")
    assert np.array_equal(classes_of(unnamed.labelmap, training_labels(cases)), unnamed.labelmap.voxels)
    with pytest.raises(InputError, match=r"its value 1 is.*liver, spleen"):
        training_labels([*cases, drawn(named("spleen"))])


def test_slices_of_a_scan_stored_from_the_head_are_counted_from_the_feet(tmp_path):
    image = write(tmp_path / "one.nrrd")
    stored = SimpleITK.ReadImage(image)
    stored.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, -1))
    SimpleITK.WriteImage(stored, image)
    (case,) = load_cases([ListedCase("one", image, image, slices=(0, 1))])
    assert case.slices == (4, 5)


def test_empty_label_maps_are_refused():
    case = a_case()
    empty = LabelMap(np.zeros_like(case.labelmap.voxels), np.eye(4), case.labelmap.labels)
    with pytest.raises(InputError, match="empty"):
        training_labels([Case(case.volume, empty)])


def test_a_slice_is_resized_as_the_paper_does():
    case = a_case()
    image, low_res_labels = slice_dataset([case], LabelTable.generic([4]), GRID, 8)[0, 2]
    windowed = (np.clip(case.volume.voxels[2], -125, 275).astype(float) + 125) / 400
    np.testing.assert_allclose(image, zoom(zoom(windowed, 24 / 20, order=3), 32 / 24, order=3), atol=1e-5)
    classes = (case.labelmap.voxels[2] == 4).astype(int)
    expected = zoom(zoom(zoom(classes, 24 / 20, order=0), 32 / 24, order=0), 8 / 32, order=0)
    np.testing.assert_array_equal(low_res_labels, expected)


def test_a_scan_stored_otherwise_gives_the_same_slices():
    case = a_case()
    other = Case(reorient(case.volume, "SRA"), reorient(case.labelmap, "SRA"))
    first, second = (slice_dataset([p], LabelTable.generic([4]), GRID, 8) for p in (case, other))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.classes, second.classes)


@pytest.mark.parametrize(("slices", "count"), [("all", 6), ("annotated", 2), ((0, 3), 2)])
def test_slices_are_chosen(slices, count):
    assert len(slice_dataset([a_case()], LabelTable.generic([4]), GRID, 8, slices=slices)) == count


def test_a_cases_own_slices_go_before():
    cases = [replace(a_case(), slices=(0, 2, 3)), a_case()]
    dataset = slice_dataset(cases, LabelTable.generic([4]), GRID, 8, slices="annotated")
    assert dataset.volume_numbers.tolist() == [0, 0, 0, 1, 1]


def test_other_slices_can_stay_without_any_label():
    dataset = slice_dataset([a_case()], LabelTable.generic([4]), GRID, 8, slices=(3,), keep_others=True)
    assert [bool((dataset[0, index][1] == IGNORE).all()) for index in range(6)] == [True, True, True, False, True, True]


def test_a_slice_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="slices 0 to 5"):
        slice_dataset([a_case()], LabelTable.generic([4]), GRID, 8, slices=(6,))


def test_whole_scans_are_held_out_where_there_are_several():
    cases = [a_case(seed) for seed in range(4)]
    training, validation = split(slice_dataset(cases, LabelTable.generic([4]), GRID, 8).augmented("paper", 1), 0.25, 0)
    assert (len(training), len(validation)) == (18, 6)
    assert set(training.volume_numbers).isdisjoint(validation.volume_numbers)
    assert (training.augmentation, validation.augmentation) == ("paper", None)


def test_slices_are_held_out_where_there_is_one_scan(dataset):
    training, validation = split(dataset, 0.3, 0)
    again = split(dataset, 0.3, 0)[1]
    assert (len(training), len(validation)) == (4, 2)
    np.testing.assert_array_equal(validation.images, again.images)


def test_nothing_held_out_leaves_all_for_training(dataset):
    assert split(dataset, 0, 0) == (dataset, None)


def test_items_do_not_depend_on_the_number_of_workers(dataset):
    alone, helped = (list(item_loader(dataset, 4, EpochSampler(np.ones(6, int), seed=3), workers)) for workers in (0, 2))
    for (images, labels), (other_images, other_labels) in zip(alone, helped, strict=True):
        torch.testing.assert_close(images, other_images, rtol=0, atol=0)
        torch.testing.assert_close(labels, other_labels, rtol=0, atol=0)


def test_each_epoch_orders_and_augments_anew(dataset):
    sampler = EpochSampler(np.full(6, 2), seed=3)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    assert sorted(first) == [(p, i) for p in (0, 1) for i in range(6)]
    assert sorted(second) == [(p, i) for p in (2, 3) for i in range(6)]
    assert [i for _, i in first] != [i for _, i in second]
    assert not torch.equal(dataset[0, 0][0], dataset[1, 0][0])
