"""What a checkpoint says of itself is read back as it was written, or refused; torch is not needed for it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.folder import (
    ADAPTER_FILE,
    INFO_FILE,
    Base,
    CheckpointInfo,
    check_checkpoint,
    check_output,
    find_folder,
    find_weights,
    read_info,
    write_info,
)
from SAMedCore.errors import BaseNeeded, BaseNotFetched, CheckpointNotFetched, InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.work import Notice, Work

INFO = CheckpointInfo(
    Base("mine", "vit_b", "ab" * 32),
    LabelTable.generic([1, 4]),
    Preprocessing(sizes=(48, 64)),
    description="two structures",
    recipe={"epochs": 3},
    trained_on={"scans": 2},
    metrics={"validation_dice": 0.5},
    versions={"samedcore": "0.1"},
)
PERCENTILES = INFO.preprocessing.suited("other")


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "checkpoint"
    made.mkdir()
    (made / ADAPTER_FILE).write_bytes(b"")
    write_info(made, INFO)
    return made


def test_what_was_written_is_read(folder):
    assert read_info(folder) == INFO
    assert (folder / INFO_FILE).read_text(encoding="utf-8").startswith('{\n "format_version": 1,\n "base": {\n  "name": "mine"')
    assert (folder / INFO_FILE).read_text(encoding="utf-8").endswith("}\n")


def test_samed_json_holds_these_fields_and_no_others(folder):
    fields = ["base", "description", "format_version", "labels", "metrics", "preprocessing", "recipe", "trained_on", "versions"]
    assert sorted(json.loads((folder / INFO_FILE).read_text())) == fields


def test_what_only_new_versions_understand_says_so():
    assert INFO.format_version == 1
    assert replace(INFO, preprocessing=PERCENTILES).format_version == 2
    assert replace(INFO, preprocessing=PERCENTILES).to_json()["format_version"] == 2


def test_a_newer_format_is_refused_and_this_one_read(folder):
    row = json.loads((folder / INFO_FILE).read_text())
    for version in (1, 2):
        (folder / INFO_FILE).write_text(json.dumps({**row, "format_version": version}))
        assert read_info(folder) == INFO
    (folder / INFO_FILE).write_text(json.dumps({**row, "format_version": 3}))
    with pytest.raises(InputError, match=re.escape(f"{folder}: written by a newer SAMed (format 3): update SAMed.")):
        read_info(folder)


@pytest.mark.parametrize("missing", [INFO_FILE, ADAPTER_FILE])
def test_a_folder_without_one_of_its_files_is_no_checkpoint(folder, missing):
    (folder / missing).unlink()
    said = f"{folder}: not a SAMed checkpoint: a folder with samed.json and adapter_model.safetensors is expected."
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        read_info(folder)


@pytest.mark.parametrize("key", ["format_version", "base", "labels", "preprocessing", "description", "recipe", "trained_on"])
def test_a_missing_field_is_damage(folder, key):
    row = json.loads((folder / INFO_FILE).read_text())
    del row[key]
    (folder / INFO_FILE).write_text(json.dumps(row))
    with pytest.raises(InputError, match=re.escape(f"{folder / INFO_FILE}: damaged")):
        read_info(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format_version": "1"}', '{"format_version": 1, "base": 5}'])
def test_what_is_not_such_json_is_damage(folder, text):
    (folder / INFO_FILE).write_text(text)
    with pytest.raises(InputError, match=r"samed\.json: damaged: "):
        read_info(folder)


def test_a_checkpoint_is_found_by_its_folder_its_file_or_its_name(folder):
    assert find_folder(folder) == folder
    assert find_folder(str(folder)) == folder
    assert find_folder(folder / ADAPTER_FILE) == folder
    shipped = find_folder("abdomen-demo")
    assert (shipped / INFO_FILE).is_file()


def test_a_checkpoint_that_is_not_there_is_said_to_be_so(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"^nowhere: no such checkpoint: give its folder or a name of the catalogue.$"):
        find_folder("nowhere")
    with pytest.raises(InputError, match="no such checkpoint"):
        find_folder(folder / INFO_FILE)
    with pytest.raises(InputError, match="no such checkpoint"):
        find_folder(folder.parent / ADAPTER_FILE)
    with pytest.raises(CheckpointNotFetched) as error:
        find_folder("hf:owner/name")
    assert error.value.checkpoint == "hf:owner/name"


def test_a_checkpoint_of_the_authors_is_to_be_imported():
    known = next(each for each in catalogue.CHECKPOINTS if each.folder is None)
    with pytest.raises(InputError, match=re.escape(f"{known.name}: get the file from {known.address}, then import it.")):
        find_folder(known.name)


def test_the_weights_are_those_that_are_named(folder, tmp_path):
    weights = tmp_path / "base.pth"
    with pytest.raises(InputError, match=r"base\.pth"):
        find_weights(INFO.base, weights)
    weights.write_bytes(b"weights")
    assert find_weights(INFO.base, str(weights)) == weights
    assert check_checkpoint(folder, weights) == INFO


def test_the_weights_of_a_base_of_the_catalogue_are_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path))
    lite = catalogue.find_base("lite")
    with pytest.raises(BaseNotFetched):
        find_weights(Base("lite", "lite", lite.sha256))


def test_the_weights_of_an_unknown_base_are_asked_for(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    said = (
        'the checkpoint was made on the base model "mine" (SHA-256 abababababab...), which is none of the catalogue\'s: name '
        "the weights file that it was made on."
    )
    for find in (lambda: find_weights(INFO.base), lambda: check_checkpoint(folder)):
        with pytest.raises(BaseNeeded, match=f"^{re.escape(said)}$"):
            find()
    with pytest.raises(BaseNotFetched) as error:
        find_weights(replace(INFO.base, name="hf:owner/name"))
    assert error.value.base == "hf:owner/name"


def test_an_output_is_a_new_place_or_an_old_checkpoint(folder, tmp_path):
    check_output(folder)
    check_output(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match=re.escape(f"{other}: is there already and is no checkpoint: choose another place.")):
        check_output(other)
    with pytest.raises(InputError, match="nowhere"):
        check_output(tmp_path / "nowhere" / "deep" / "new")


@pytest.mark.parametrize(
    ("modality", "preprocessing", "noted"),
    [
        ("CT", INFO.preprocessing, None),
        ("MR", INFO.preprocessing, "made for CT"),
        ("CT", PERCENTILES, "percentiles"),
        ("MR", PERCENTILES, None),
    ],
)
def test_a_scan_of_another_kind_than_the_checkpoints_is_noted(modality, preprocessing, noted):
    told = []
    volume = Volume(np.linspace(-1000, 1000, 64, dtype=np.float32).reshape(4, 4, 4), np.eye(4), modality)
    replace(INFO, preprocessing=preprocessing).note_misfit(volume, Work(told.append))
    assert [type(each) for each in told] == ([] if noted is None else [Notice])
    if noted is not None:
        assert noted in told[0].message
        assert told[0].message.startswith("this scan ")
        assert told[0].message.endswith(": take another checkpoint unless it knows such scans.")
