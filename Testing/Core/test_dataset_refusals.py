"""Datasets that are not whole or not understood: one clear line, exit code 2."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from made_datasets import btcv, decathlon, nnunet2, paper

from SAMedCore.cli import main
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable, label_named
from SAMedCore.image.volume import LabelMap, Volume


@pytest.fixture
def scan() -> tuple[Volume, LabelMap]:
    """A made-up CT of 3 slices with two organs."""
    draw = np.random.default_rng(0)
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[:, 2:5, 2:5], labels[:, 5:, 5:] = 5, 2
    return Volume(draw.integers(-300, 300, labels.shape).astype(np.int16), np.eye(4)), LabelMap(
        labels, np.eye(4), SYNAPSE_ORGANS
    )


def saying(folder: Path, change: Callable[[dict], None]) -> None:
    said = json.loads((folder / "dataset.json").read_text())
    change(said)
    (folder / "dataset.json").write_text(json.dumps(said))


NNUNET2: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (lambda d: (d / "dataset.json").write_text("{"), r"dataset\.json.*no JSON"),
    "no channels": (lambda d: saying(d, lambda s: s.pop("channel_names")), 'lacks "channel_names"'),
    "two channels": (lambda d: saying(d, lambda s: s["channel_names"].update({"1": "T2"})), r"2 channels \(CT, T2\)"),
    "no labels": (lambda d: saying(d, lambda s: s.pop("labels")), 'lacks "labels"'),
    "no organ": (lambda d: saying(d, lambda s: s.update(labels={"background": 0})), "name no structure"),
    "regions": (lambda d: saying(d, lambda s: s["labels"].update(both=[1, 2])), '"both" is a region'),
    "ignore": (lambda d: saying(d, lambda s: s["labels"].update(ignore=3)), "marks voxels to ignore"),
    "no number": (lambda d: saying(d, lambda s: s["labels"].update(liver="x")), '"liver" has the value "x"'),
    "one value twice": (lambda d: saying(d, lambda s: s["labels"].update(heart=1)), "the value 1 twice"),
    "no ending": (lambda d: saying(d, lambda s: s.pop("file_ending")), 'lacks "file_ending"'),
    "count": (lambda d: saying(d, lambda s: s.update(numTraining=7)), '"numTraining" is 7, but imagesTr holds 2'),
    "no folder": (lambda d: (d / "imagesTr").rename(d / "images"), "imagesTr.* is not there"),
    "no label map": (lambda d: (d / "labelsTr/ct_001.nii.gz").unlink(), r"label map of \"ct_001\" is missing"),
    "second file": (lambda d: (d / "imagesTr/ct_001_0001.nii.gz").touch(), "is another channel, and SAMed sees one"),
    "no channel": (lambda d: (d / "imagesTr/ct_009.nii.gz").touch(), "has no channel in its name"),
    "path as name": (lambda d: saying(d, lambda s: s.update(dataset={"../a": {}})), r'"\.\./a", which cannot name a file'),
    "two images": (
        lambda d: saying(d, lambda s: s.update(dataset={"a": {"images": ["x", "y"], "label": "z"}})),
        '"a" has 2 images',
    ),
}
DECATHLON: dict[str, tuple[Callable[[Path], object], str]] = {
    "no modality": (lambda d: saying(d, lambda s: s.pop("modality")), 'or "modality"'),
    "four channels": (lambda d: saying(d, lambda s: s.update(modality=dict.fromkeys("0123", "MRI"))), "4 channels"),
    "no image": (lambda d: (d / "imagesTr/ct_2.nii.gz").unlink(), r"ct_2\.nii\.gz"),
    "no label": (lambda d: saying(d, lambda s: s["training"][0].pop("label")), r'"training"\[0\].* an "image" and a "label"'),
    "no list": (lambda d: saying(d, lambda s: s.update(training="all")), '"training" is "all"'),
    "no test image": (lambda d: (d / "imagesTs/ct_3.nii.gz").unlink(), r"ct_3\.nii\.gz"),
    "empty": (lambda d: saying(d, lambda s: s.update(training=[])), "no labelled cases for training"),
}
BTCV: dict[str, tuple[Callable[[Path], object], str]] = {
    "no label map": (lambda d: (d / "RawData/Training/label/label0005.nii.gz").unlink(), "img0005.* has no label map"),
    "other name": (lambda d: (d / "RawData/Training/img/scan.nii.gz").touch(), "not named as the dataset's images"),
}
PAPER: dict[str, tuple[Callable[[Path], object], str]] = {
    "listed slice": (lambda d: listing(d, "train.txt", "case0005_slice009"), "names case0005_slice009, which is not in"),
    "listed case": (lambda d: listing(d, "train.txt", "case0007_slice000"), "names case0007_slice000, which is not in"),
    "listed volume": (lambda d: listing(d, "test_vol.txt", "case0002"), "names case0002, which is not in"),
    "no name": (lambda d: listing(d, "train.txt", "case0005"), 'names "case0005"'),
    "empty list": (lambda d: listing(d, "train.txt", ""), r"train\.txt\" is empty"),
    "lost slice": (lambda d: unlisted(d, "case0005_slice001.npz").unlink(), "case0005_slice001.npz is not in"),
    "no slice": (lambda d: unlisted(d, "case0005_slice001.npz").write_bytes(b"PK"), "case0005_slice001.npz cannot be read"),
    "no image": (lambda d: np.savez(unlisted(d, "case0005_slice001.npz"), label=np.zeros((8, 8))), "lacks the array.*image"),
    "pickled": (lambda d: unpickled(unlisted(d, "case0005_slice001.npz")), "case0005_slice001.npz cannot be read"),
    "first slice": (lambda d: unlisted(d, "case0005_slice000.npz").unlink(), "case0005_slice000.npz is not in"),
    "flipped bits": (lambda d: flipped(unlisted(d, "case0005_slice001.npz")), "case0005_slice001.npz cannot be read"),
    "no place": (lambda d: replaced(d, 0, ijk_to_lps="far away"), "case0005_slice000.npz cannot be read"),
    "no matrix": (lambda d: replaced(d, 0, ijk_to_lps=np.eye(3)), "not 4 x 4 finite numbers"),
    "other size": (lambda d: replaced(d, image=np.zeros((9, 8)), label=np.zeros((8, 8))), "is of another size than"),
    "three axes": (lambda d: replaced(d, image=np.zeros((1, 8, 8))), "no array of 2 dimensions"),
    "in HU": (lambda d: replaced(d, image=np.full((8, 8), -100.0)), r"not scaled to 0\.\.1"),
    "NaN": (lambda d: replaced(d, image=np.full((8, 8), np.nan)), r"not scaled to 0\.\.1"),
    "thirteen organs": (lambda d: replaced(d, label=np.full((8, 8), 13.0)), "the label 13"),
    "half a label": (lambda d: replaced(d, label=np.full((8, 8), 0.5)), "not all integers"),
}


def listing(dataset: Path, name: str, line: str) -> None:
    (dataset / "lists/lists_Synapse" / name).write_text(line)


def unlisted(dataset: Path, name: str) -> Path:
    """A slice's file, which no list names any more."""
    (dataset / "lists/lists_Synapse/train.txt").unlink(missing_ok=True)
    return dataset / "train_npz" / name


def replaced(dataset: Path, number: int = 1, **arrays) -> None:
    """One slice written anew, with other arrays."""
    path = unlisted(dataset, f"case0005_slice{number:03d}.npz")
    with np.load(path) as file:
        arrays = {**file, **arrays}
    np.savez(path, **arrays)


def flipped(path: Path) -> None:
    """Compressed, and damaged on the way."""
    with np.load(path) as file:
        np.savez_compressed(path, **file)
    content = bytearray(path.read_bytes())
    for place in range(60, len(content) - 200, 7):
        content[place] ^= 255
    path.write_bytes(content)


class Harmful:
    def __reduce__(self):
        return print, ("unpickled",)


def unpickled(path: Path) -> None:
    np.savez(path, image=np.array([Harmful()], dtype=object), label=np.zeros((8, 8)))


CASES = [
    pytest.param(make, *row, id=f"{make.__name__}: {what}")
    for make, rows in ((nnunet2, NNUNET2), (decathlon, DECATHLON), (btcv, BTCV), (paper, PAPER))
    for what, row in rows.items()
]


def refused(capsys, sentence: str, *arguments) -> None:
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert "unpickled" not in printed.out
    (error,) = [line for line in printed.err.splitlines() if line.startswith("samed: ")]
    assert re.search(sentence, error), error


@pytest.mark.parametrize(("make", "spoil", "sentence"), CASES)
def test_a_dataset_that_is_not_whole_is_refused_in_one_line(tmp_path, scan, lite_weights, capsys, make, spoil, sentence):
    dataset = make(tmp_path / "data", *scan)
    spoil(dataset)
    refused(capsys, sentence, "finetune", "--dataset", dataset, "--base", "lite", "--out", tmp_path / "new", "--device", "cpu")
    assert not (tmp_path / "new").exists()


def rewritten(path: Path, **arrays) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def pointing_elsewhere(path: Path, how: str) -> None:
    """Its label lies in another file, which is there and would fit."""
    other, shape = path.with_name("other.h5"), (3, 8, 8)
    rewritten(path, image=np.zeros(shape))
    with h5py.File(other, "w") as file:
        file["label"] = np.ones(shape)
    with h5py.File(path, "r+") as file:
        if how == "link":
            file["label"] = h5py.ExternalLink(other.name, "/label")
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, "f8")
            layout[:] = h5py.VirtualSource(other, "label", shape)
            file.create_virtual_dataset("label", layout)
        else:
            file.create_dataset("label", shape, "f8", external=[(str(other), 0, 8 * int(np.prod(shape)))])


VOLUMES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no HDF5": (lambda p: p.write_bytes(b"no"), "cannot be read, it is damaged"),
    "no label": (lambda p: rewritten(p, image=np.zeros((3, 8, 8))), "lacks the array.*label"),
    "a slice": (lambda p: rewritten(p, image=np.zeros((8, 8)), label=np.zeros((8, 8))), "no array of 3 dimensions"),
    "text": (lambda p: rewritten(p, image=np.zeros((3, 8, 8)), label="no"), "no array of 3 dimensions"),
    "a group": (lambda p: rewritten(p, **{"image": np.zeros((3, 8, 8)), "label/a": np.zeros(3)}), "no array of 3 dimensions"),
    "a link to another file": (lambda p: pointing_elsewhere(p, "link"), 'has its "label" in another file'),
    "parts of another file": (lambda p: pointing_elsewhere(p, "virtual"), 'has its "label" in another file'),
    "another file's bytes": (lambda p: pointing_elsewhere(p, "external"), 'has its "label" in another file'),
}


@pytest.fixture
def predictions(tmp_path, scan) -> Path:
    (tmp_path / "out").mkdir()
    write_labelmap(scan[1], tmp_path / "out/case0001.seg.nrrd")
    return tmp_path / "out"


@pytest.mark.parametrize(("spoil", "sentence"), VOLUMES.values(), ids=VOLUMES)
def test_a_volume_that_is_not_whole_is_refused_in_one_line(tmp_path, scan, predictions, capsys, spoil, sentence):
    dataset = paper(tmp_path / "data", *scan)
    spoil(dataset / "test_vol_h5/case0001.npy.h5")
    refused(capsys, sentence, "evaluate", "--predictions", predictions, "--references", dataset)


def test_a_volume_needs_h5py(tmp_path, scan, predictions, capsys, monkeypatch):
    dataset = paper(tmp_path / "data", *scan)
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(capsys, r'pip install "samedcore\[synapse\]"', "evaluate", "--predictions", predictions, "--references", dataset)


def test_a_prediction_of_no_labelled_case_is_refused(tmp_path, scan, predictions, capsys):
    dataset = decathlon(tmp_path / "data", *scan)
    refused(capsys, "case0001.* is of no labelled case", "evaluate", "--predictions", predictions, "--references", dataset)


def test_a_prediction_without_a_structure_in_common_is_refused(tmp_path, scan, capsys):
    dataset = nnunet2(tmp_path / "data", *scan)
    heart = LabelMap(scan[1].voxels // 5, np.eye(4), LabelTable((label_named(1, "heart"),)))
    (tmp_path / "out").mkdir()
    write_labelmap(heart, tmp_path / "out/ct_003.seg.nrrd")
    sentence = r"structures \(heart\) are none of the references' \(liver, right kidney\)"
    refused(capsys, sentence, "evaluate", "--predictions", tmp_path / "out", "--references", dataset)


FINETUNE = ["finetune", "--base", "lite", "--out", "new"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["--dataset", "."], "is no dataset: give a folder with dataset.json"),
        (["--dataset", "nowhere"], "is no dataset"),
        (["--dataset", ".", "--pairs", "a.csv"], "in several ways"),
        ([], "no annotated scans: give --dataset DIR"),
    ],
)
def test_annotated_scans_that_are_no_dataset_are_refused(tmp_path, capsys, monkeypatch, data, sentence):
    monkeypatch.chdir(tmp_path)
    refused(capsys, sentence, *FINETUNE, *data)
