"""Datasets as people have them: each one listed, trained on, segmented and evaluated as it lies on the disk."""

from pathlib import Path

import numpy as np
import pytest
from cli_files import Files, run
from made_datasets import LAYOUTS, nnunet2, numbered, paper, write_pair

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.files.cases import ListedCase, is_dataset, listed, to_learn_from, to_segment
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable, label_named
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.train.cases import load_cases

pytestmark = [
    pytest.mark.usefixtures("small_network"),
    pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning"),
]

EXPECTED = {
    "nnU-Net 2": (["ct_001", "ct_002"], ["ct_003"]),
    "nnU-Net 1": (["ct_1", "ct_2"], ["ct_3"]),
    "Decathlon": (["ct_1", "ct_2"], ["ct_3"]),
    "BTCV": (["img0001", "img0005", "img0006"], ["img0061"]),
    "paper": (["case0005", "case0006"], ["case0001"]),
}
"""For each layout its cases for training and for testing."""


@pytest.fixture(scope="module")
def scan(files) -> tuple[Volume, LabelMap]:
    """The CT of the command line's tests with the eight organs' labels, by name."""
    return read_volume(files.ct), read_labelmap(files.labels)


@pytest.fixture(scope="module")
def datasets(scan, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("datasets")
    return {layout: make(folder / layout.replace(" ", "_"), *scan) for layout, make in LAYOUTS.items()}


@pytest.fixture(scope="module")
def dataset(request, datasets) -> Path:
    return datasets[request.param]


every_layout = pytest.mark.parametrize("dataset", LAYOUTS, indirect=True)


def finetune(files: Files, out: Path, *datasets: Path) -> list:
    return ["finetune", "--dataset", *datasets, "--base", files.base, "--out", out, "--device", "cpu", "--epochs", 1]


@pytest.mark.parametrize(("dataset", "names"), EXPECTED.items(), indirect=["dataset"])
def test_a_dataset_is_listed(dataset, names):
    cases = listed(dataset)
    assert ([case.name for case in cases if not case.test], [case.name for case in cases if case.test]) == names
    assert [case.name for case in to_segment(cases)] == names[1]
    assert [case.name for case in to_learn_from(dataset)] == names[0]
    assert all(case.image.exists() for case in cases)


@every_layout
def test_a_dataset_is_read_as_the_scan_that_it_was_made_from(dataset, scan):
    """The labels by name; the values exactly, but for the authors' files, which end at -125 and 275 HU: below that is air."""
    volume, labelmap = scan
    for case in load_cases(to_learn_from(dataset)):
        within = np.where(volume.voxels <= -125, -1000, np.minimum(volume.voxels, 275))
        expected = volume.voxels if case.volume.modality is None else within
        assert np.array_equal(case.volume.voxels, expected)
        for name in ("right kidney", "liver"):
            (value,) = case.labelmap.labels.subset([name]).values
            (there,) = labelmap.labels.subset([name]).values
            assert np.array_equal(case.labelmap.voxels == value, labelmap.voxels == there), name


@every_layout
def test_a_dataset_is_trained_on_segmented_and_evaluated(files, dataset, tmp_path, capsys):
    run(capsys, *finetune(files, tmp_path / "new", dataset))
    info = read_info(tmp_path / "new")
    assert info.trained_on["scans"] == len(to_learn_from(dataset)) - 1  # one is held out
    assert {"liver", "right kidney"} <= set(info.labels.names)
    assert "label 1" not in info.labels.names

    out, csv = tmp_path / "out", tmp_path / "scores.csv"
    model = ["--model", tmp_path / "new", "--base", files.base, "--device", "cpu"]
    run(capsys, "segment", dataset, out, *model)
    tests = [case for case in listed(dataset) if case.test]
    assert sorted(path.name for path in out.glob("*.seg.nrrd")) == [f"{case.name}.seg.nrrd" for case in tests]
    scored = [case for case in tests if case.labels is not None]
    if not scored:
        out, scored = tmp_path / "out of training", to_learn_from(dataset)
        run(capsys, "segment", scored[0].image.parent, out, *model)

    options = ["--references", dataset, "--protocol", "paper", "--csv", csv]
    *_, result = run(capsys, "evaluate", "--predictions", out, *options)
    assert {"liver", "right kidney"} <= {row["label"] for row in result["summaries"]} <= {*info.labels.names, "mean"}
    rows = [line.split(",")[0] for line in csv.read_text().splitlines()[1:]]
    assert sorted(set(rows)) == [case.name for case in scored]


def test_two_datasets_teach_one_organ_under_different_numbers(files, scan, datasets, tmp_path, capsys):
    """The liver is 1 in one of them and 6 in the other."""
    *events, _ = run(capsys, *finetune(files, tmp_path / "new", datasets["nnU-Net 2"], datasets["BTCV"]))
    info = read_info(tmp_path / "new")
    assert info.labels.names.count("liver") == 1
    assert info.labels.subset(["liver"]).values == (1,)
    assert info.trained_on["scans"] == 4  # of five
    told = [event["message"] for event in events if event["event"] == "notice"]
    assert any("not all label maps know" in message and "aorta" in message for message in told)


def predict(folder: Path, labelmap: LabelMap, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        write_labelmap(labelmap, folder / name)
    return folder


def dice(capsys, predictions: Path, references: Path) -> tuple[dict[str, float], list[str]]:
    """Mean Dice by structure, and what was noticed."""
    *events, result = run(capsys, "evaluate", "--predictions", predictions, "--references", references, "--protocol", "paper")
    told = [event["message"] for event in events if event["event"] == "notice"]
    return {row["label"]: row["mean"]["dice"] for row in result["summaries"]}, told


def test_a_prediction_is_compared_by_name(scan, datasets, tmp_path, capsys):
    """A checkpoint's right kidney is 2 and its liver 5, the dataset's are 2 and 1; the others the dataset does not know."""
    predictions = predict(tmp_path / "out", scan[1], "ct_003.seg.nrrd")
    found, told = dice(capsys, predictions, datasets["nnU-Net 2"])
    assert found == {"liver": 1, "right kidney": 1, "mean": 1}
    assert any("the references do not know it" in message and "aorta" in message for message in told)


def test_a_structure_that_no_prediction_names_is_not_scored(scan, datasets, tmp_path, capsys):
    livers = numbered(scan[1], {"liver": 7})
    livers = LabelMap(livers.voxels, livers.ijk_to_lps, LabelTable((label_named(7, "Liver"),)))
    found, told = dice(capsys, predict(tmp_path / "out", livers, "ct_003.seg.nrrd"), datasets["nnU-Net 2"])
    assert found == {"liver": 1, "mean": 1}
    assert any("no prediction knows it: right kidney" in message for message in told)


def test_predictions_without_names_are_taken_as_the_datasets_values(scan, datasets, tmp_path, capsys):
    nameless = numbered(scan[1], {"liver": 1, "right kidney": 2})
    found, told = dice(capsys, predict(tmp_path / "out", nameless, "ct_003.nii.gz"), datasets["nnU-Net 2"])
    assert found == {"liver": 1, "right kidney": 1, "mean": 1}
    assert any("do not name their values" in message for message in told)


def test_cases_without_a_prediction_are_told(scan, datasets, tmp_path, capsys):
    found, told = dice(capsys, predict(tmp_path / "out", scan[1], "ct_1.seg.nrrd"), datasets["Decathlon"])
    assert found["mean"] == 1
    assert any("1 labelled cases have no prediction" in message and '"ct_2"' in message for message in told)


def test_a_folder_that_is_no_dataset_is_listed_as_scans(files):
    assert not is_dataset(files.folder / "images")
    assert listed(files.folder / "images") == [ListedCase("one", files.ct)]


def test_a_table_without_labels_is_listed(files, tmp_path):
    (tmp_path / "scans.csv").write_text(f"image\n{files.ct}\n")
    assert listed(tmp_path / "scans.csv") == [ListedCase("one", files.ct)]


def test_names_say_what_values_mean_with_codes_and_without_underscores(scan, tmp_path):
    dataset = nnunet2(tmp_path, *scan)
    text = (dataset / "dataset.json").read_text().replace('"right kidney"', '"Right_Kidney"')
    (dataset / "dataset.json").write_text(text)
    table = listed(dataset)[0].table
    assert table.names == ("liver", "Right Kidney")
    assert table.labels[1].type == SYNAPSE_ORGANS.labels[1].type


def test_a_list_chooses_the_slices(scan, tmp_path):
    dataset = paper(tmp_path, *scan)
    (dataset / "lists/lists_Synapse/train.txt").write_text("case0006_slice001\ncase0006_slice003\n")
    (listed_case,) = to_learn_from(dataset)
    (case,) = load_cases([listed_case])
    assert (listed_case.name, case.slices, len(case.volume.voxels)) == ("case0006", (1, 3), 4)


def test_a_part_of_the_authors_dataset_is_a_dataset(datasets):
    assert [case.name for case in listed(datasets["paper"] / "train_npz")] == ["case0005", "case0006"]
    assert [case.name for case in listed(datasets["paper"] / "test_vol_h5")] == ["case0001"]


def test_nnunet_may_list_cases_that_lie_anywhere(scan, tmp_path):
    write_pair(*scan, tmp_path / "elsewhere/a.nii.gz", tmp_path / "elsewhere/b.nii.gz")
    dataset = nnunet2(tmp_path / "data", *scan)
    row = '"dataset": {"one": {"images": ["../elsewhere/a.nii.gz"], "label": "../elsewhere/b.nii.gz"}}, "labels"'
    (dataset / "dataset.json").write_text((dataset / "dataset.json").read_text().replace('"labels"', row))
    assert [(case.name, case.test) for case in listed(dataset)] == [("ct_003", True), ("one", False)]
