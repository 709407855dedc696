"""Datasets that a ``dataset.json`` describes: nnU-Net's raw data (versions 1 and 2) and the Medical Segmentation Decathlon's.

The Decathlon and nnU-Net 1 list each file under ``training`` and ``test``; nnU-Net 2 lists them under ``dataset``, or not at
all: then ``imagesTr/CASE_0000.nii.gz`` belongs to ``labelsTr/CASE.nii.gz``, and ``imagesTs`` holds the test cases.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from SAMedCore.errors import InputError
from SAMedCore.files.json_values import a_list, a_text, an_object, read_json, shown, within
from SAMedCore.files.listed_case import ENDINGS, ListedCase, name_of
from SAMedCore.image.labels import LabelTable, label_named

DESCRIPTION = "dataset.json"
CHANNEL = re.compile(r"_(\d{4})$")
"""At the end of a case's name: which of its channels the file holds."""


def cases_of(folder: Path) -> list[ListedCase]:
    """The cases of a folder with a ``dataset.json``: those for training with their label maps, then those for testing.

    Raises:
        InputError: the description cannot be read, lacks what is needed, or names a file that is not there; several channels,
            labels that are regions or mark voxels to ignore.
    """
    with within(f'"{folder / DESCRIPTION}"'):
        said = read_json(folder / DESCRIPTION)
        _check_one_channel(said)
        table = _table(said)
        if "training" in said:
            return _listed(folder, said, table)
        if "dataset" in said:
            return [*_listed_by_name(folder, said, table), *_tests_in_folders(folder, said)]
        return [*_training_in_folders(folder, said, table), *_tests_in_folders(folder, said)]


def _check_one_channel(said: dict[str, Any]) -> None:
    channels = said.get("channel_names", said.get("modality"))
    if channels is None:
        raise InputError('it lacks "channel_names" (nnU-Net) or "modality" (Decathlon): add what its images show.')
    names = [str(name) for name in an_object(channels, '"channel_names"').values()]
    if len(names) != 1:
        raise InputError(
            f"its scans have {len(names)} channels ({', '.join(names) or 'none'}), and SAMed sees one: "
            "make a dataset of one of them."
        )


def _table(said: dict[str, Any]) -> LabelTable:
    if "labels" not in said:
        raise InputError('it lacks "labels": add the name and the value of each structure.')
    labels = an_object(said["labels"], '"labels"')
    # The Decathlon and nnU-Net 1 write value: name, nnU-Net 2 writes name: value.
    turned = all(key.isdecimal() for key in labels)
    rows = []
    for name, value in ((name, value) for value, name in labels.items()) if turned else labels.items():
        if isinstance(value, list):
            raise InputError(
                f'its label "{name}" is a region of several values, and SAMed learns structures that do not overlap: give each '
                "value a name of its own."
            )
        if isinstance(value, bool) or not str(value).isdecimal():
            raise InputError(f'its label "{name}" has the value {shown(value)}: it has to be a whole number.')
        if str(name).casefold() == "ignore":
            raise InputError(
                'it marks voxels to ignore (the label "ignore"), which SAMed would learn as background: annotate them, or take '
                "the cases away that have any."
            )
        if int(value) > 0:
            rows.append(label_named(int(value), a_text(name, "a label's name").replace("_", " ")))
    if not rows:
        raise InputError('its "labels" name no structure: add the name and the value of each.')
    return LabelTable(tuple(rows))


def _listed(folder: Path, said: dict[str, Any], table: LabelTable) -> list[ListedCase]:
    """As the Decathlon and nnU-Net 1 list them."""
    training, tests = a_list(said["training"], '"training"'), a_list(said.get("test", []), '"test"')
    cases = []
    for number, row in enumerate(training):
        files = an_object(row, f'"training"[{number}]')
        if not {"image", "label"} <= files.keys():
            raise InputError(f'"training"[{number}] is {shown(row)}: it has to name an "image" and a "label".')
        image = _image(folder, files["image"])
        cases.append(ListedCase(_case(image), image, _file(folder, files["label"]), table))
    for row in tests:
        image = _image(folder, row.get("image") if isinstance(row, dict) else row)
        cases.append(ListedCase(_case(image), image, table=table, test=True))
    return cases


def _listed_by_name(folder: Path, said: dict[str, Any], table: LabelTable) -> list[ListedCase]:
    """As nnU-Net 2 lists training cases that lie anywhere."""
    cases = []
    for name, row in an_object(said["dataset"], '"dataset"').items():
        if Path(name).name != name:
            raise InputError(f'"dataset" names the case {shown(name)}, which cannot name a file: rename it.')
        files = an_object(row, f'"dataset"["{name}"]')
        images = a_list(files.get("images"), f'the "images" of "{name}"')
        if len(images) != 1:
            raise InputError(f'"{name}" has {len(images)} images, and SAMed sees one channel: name one of them.')
        cases.append(ListedCase(name, _file(folder, images[0]), _file(folder, files.get("label")), table))
    return cases


def _training_in_folders(folder: Path, said: dict[str, Any], table: LabelTable) -> list[ListedCase]:
    ending = _ending(said)
    images = _images_in(folder / "imagesTr", ending)
    count = said.get("numTraining", len(images))
    if count != len(images):
        raise InputError(f'its "numTraining" is {shown(count)}, but imagesTr holds {len(images)} cases: correct one.')
    return [
        ListedCase(name, image, _there(folder / "labelsTr" / f"{name}{ending}", f'the label map of "{name}"'), table)
        for name, image in images.items()
    ]


def _tests_in_folders(folder: Path, said: dict[str, Any]) -> list[ListedCase]:
    """With label maps where there are any, as some datasets add them in ``labelsTs``."""
    if not (folder / "imagesTs").is_dir():
        return []
    ending, table = _ending(said), _table(said)
    images = _images_in(folder / "imagesTs", ending)
    labels = {name: folder / "labelsTs" / f"{name}{ending}" for name in images}
    return [
        ListedCase(name, image, labels[name] if labels[name].exists() else None, table, test=True)
        for name, image in images.items()
    ]


def _ending(said: dict[str, Any]) -> str:
    if "file_ending" not in said:
        raise InputError('it lacks "file_ending" (nnU-Net 2) or the list "training" (Decathlon, nnU-Net 1): add one of them.')
    return a_text(said["file_ending"], '"file_ending"')


def _images_in(folder: Path, ending: str) -> dict[str, Path]:
    """The images of a folder by the names of their cases."""
    if not folder.is_dir():
        raise InputError(f'"{folder}" is not there: put the images there, named CASE_0000{ending}.')
    images = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.endswith(ending):
            continue
        stem = path.name.removesuffix(ending)
        channel = CHANNEL.search(stem)
        if channel is None or channel[1] != "0000":
            what = "has no channel in its name" if channel is None else "is another channel, and SAMed sees one"
            raise InputError(f'"{path}" {what}: name the one image of each case CASE_0000{ending}.')
        images[stem[: channel.start()]] = path
    return images


def _image(folder: Path, name: Any) -> Path:
    """The file of this name, to which nnU-Net 1 adds the channel."""
    path = folder / a_text(name, "an image's name")
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), path.suffix)
    with_channel = path.with_name(f"{path.name.removesuffix(ending)}_0000{ending}")
    return with_channel if with_channel.exists() else _there(path, "an image")


def _file(folder: Path, name: Any) -> Path:
    return _there(folder / a_text(name, "a file's name"), "a file")


def _there(path: Path, what: str) -> Path:
    if not path.is_file():
        raise InputError(f'{what} is missing, "{path}": put it there, or correct the list.')
    return path


def _case(image: Path) -> str:
    return CHANNEL.sub("", name_of(image))
