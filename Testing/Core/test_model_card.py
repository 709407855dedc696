"""A checkpoint's README.md: valid for the Hugging Face Hub, true, silent about patients, and its snippet runs."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli_files import LABELS, SMALL, finetune, run
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.card import model_card
from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import ADAPTER_FILE, CARD_FILE, Base, CheckpointInfo, read_info, write_info
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.grid import same_grid
from SAMedCore.model.lora import split_qkv
from SAMedCore.model.sam import build_sam

pytestmark = pytest.mark.usefixtures("small_network")


def card_of(info: CheckpointInfo) -> ModelCard:
    return ModelCard(model_card(info))


def run_snippet(card: str, ct: Path, folder: Path, monkeypatch) -> None:
    """The card's Python, in a folder that holds what it names; it must leave a segmentation of the CT."""
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    shutil.copy(ct, folder / "ct.nii.gz")
    monkeypatch.chdir(folder)
    exec(snippet, {})
    assert same_grid(read_labelmap(folder / "organs.seg.nrrd").grid, read_volume(ct).grid)


def test_a_finetuned_checkpoint_says_what_it_is_and_nothing_about_whom_it_was_made_from(files, tmp_path, capsys):
    run(capsys, *finetune(files, tmp_path / "new", "--classes", "liver,aorta", "--epochs", 1))
    card = ModelCard.load(tmp_path / "new" / CARD_FILE)
    assert (card.data.library_name, card.data.base_model, card.data.license) == ("peft", "base", None)
    assert "lora" in card.data.tags
    info = read_info(tmp_path / "new")
    dice = f"validation dice {info.metrics['validation_dice']:.4g}"
    for said in ("Research use only", "5 liver, 7 aorta", "scans 1, slices 3, validation slices 1", dice):
        assert said in card.text
    for hidden in (str(files.folder), str(tmp_path), files.ct.name, info.trained_on["sha256"]):
        assert hidden not in card.content


def test_an_imported_checkpoint_has_a_card(files, tmp_path, capsys):
    run(capsys, "models", "export", files.checkpoint, tmp_path / "a.pth", "--base", files.base)
    options = ["--base", files.base, "--input-size", SMALL.input_size]
    run(capsys, "models", "import", tmp_path / "a.pth", "--out", tmp_path / "new", *options)
    card = ModelCard.load(tmp_path / "new" / CARD_FILE)
    assert card.data.base_model == "base"
    assert "by its authors, imported" in card.text
    assert "a.pth" not in card.content


@pytest.mark.parametrize("base", [base for base in catalogue.BASE_MODELS if base.sha256], ids=lambda base: base.name)
def test_the_front_matter_has_the_licence_of_a_known_base(base):
    data = card_of(CheckpointInfo(Base(base.name, base.architecture, base.sha256), LABELS, SMALL)).data
    assert (data.base_model, data.license) == (base.name, "apache-2.0")


@pytest.mark.parametrize(("name", "said"), [("vit_b", "vit_b"), ("my weights (1)", None), ("a--b", None)])
def test_a_base_of_ones_own_has_no_licence_and_no_name_that_the_hub_refuses(name, said):
    data = card_of(CheckpointInfo(Base(name, "vit_b", "0" * 64), LABELS, SMALL)).data
    assert (data.base_model, data.license) == (said, None)


def test_the_snippet_runs_on_a_base_of_ones_own(files, tmp_path, monkeypatch):
    shutil.copytree(files.checkpoint, tmp_path / "CHECKPOINT")
    shutil.copy(files.base, tmp_path / "BASE.pth")
    run_snippet((files.checkpoint / CARD_FILE).read_text(encoding="utf-8"), files.ct, tmp_path, monkeypatch)


def test_the_snippet_runs_on_a_base_of_the_catalogue(files, tmp_path, monkeypatch):
    known = replace(catalogue.find_base("vit_b"), sha256=sha256_of(files.base))
    monkeypatch.setattr(catalogue, "BASE_MODELS", (known,))
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    known.path.parent.mkdir(parents=True)
    shutil.copy(files.base, known.path)
    info = replace(read_info(files.checkpoint), base=Base(known.name, known.architecture, known.sha256))
    write_info(Path(shutil.copytree(files.checkpoint, tmp_path / "CHECKPOINT")), info)
    run_snippet(model_card(info), files.ct, tmp_path, monkeypatch)


def test_the_shipped_checkpoints_card_has_what_the_others_have_and_its_snippet_runs(files, tmp_path, monkeypatch, lite_weights):
    card = ModelCard.load(catalogue.DEMO_FOLDER / CARD_FILE)
    assert card.data.to_dict() == card_of(read_info(catalogue.DEMO_FOLDER)).data.to_dict()
    assert "Research use only" in card.text
    run_snippet(card.content, files.ct, tmp_path, monkeypatch)


def test_peft_loads_a_checkpoint_with_a_card(files):
    assert (files.checkpoint / CARD_FILE).is_file()
    sam = split_qkv(build_sam("vit_b", len(LABELS), SMALL.input_size, seed=9))
    loaded = PeftModel.from_pretrained(sam, str(files.checkpoint)).state_dict()
    written = load_file(files.checkpoint / ADAPTER_FILE)
    plain = {re.sub(r"\.(default|modules_to_save\.default)\b", "", key): tensor for key, tensor in loaded.items()}
    assert all(torch.equal(plain[key], tensor) for key, tensor in written.items())
