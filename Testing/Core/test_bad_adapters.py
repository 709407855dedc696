"""The LoRA of a checkpoint, mailed by anybody: refused in one line, nothing run; or read as what it is."""

import json
import os
import pickle
import random
import shutil
import socket
import struct

import pytest
import torch
from cli_files import run, segment
from mailed import copied, deep, evil, filled, first, nothing_ran, set_in, with_header, with_json, with_tensors, without
from peft import IA3Config, LoHaConfig, PrefixTuningConfig
from refused import refused

from SAMedCore.checkpoint.adapter import ADAPTER_FILE, CONFIG_FILE
from SAMedCore.checkpoint.folder import INFO_FILE
from SAMedCore.checkpoint.load import load_merged, load_peft
from SAMedCore.errors import InputError

pytestmark = pytest.mark.usefixtures("small_network")

CATASTROPHIC = r"(.*)*(.*)*(.*)*(.*)*x"


def config(*path):
    return lambda checkpoint: with_json(checkpoint, CONFIG_FILE, set_in(*path))


def other_type(made):
    written = {key: sorted(value) if isinstance(value, set) else value for key, value in made.to_dict().items()}
    return lambda checkpoint: with_json(checkpoint, CONFIG_FILE, json.dumps(written))


def tensor(part, change):
    """An edit of the first tensor with `part` in its name."""

    def edit(tensors):
        tensors[first(tensors, part)] = change(tensors[first(tensors, part)])

    return lambda checkpoint: with_tensors(checkpoint, edit)


def header(*path):
    """An edit of the first LoRA tensor's row in the header."""

    def edit(rows):
        set_in(*path)(rows[first(rows, "lora_A")])

    return lambda checkpoint: with_header(checkpoint, edit)


def renamed(tensors):
    key = first(tensors, "lora_A")
    tensors[key.replace("lora_A", "lora_C")] = tensors.pop(key)


def all_renamed(tensors):
    for key in list(tensors):
        tensors[f"other.{key}"] = tensors.pop(key)


def cut(checkpoint):
    file = checkpoint / ADAPTER_FILE
    file.write_bytes(file.read_bytes()[:-100])
    return checkpoint


def written(content):
    def write(checkpoint):
        (checkpoint / ADAPTER_FILE).write_bytes(content)
        return checkpoint

    return write


def ten_gigabytes(checkpoint):
    file = checkpoint / ADAPTER_FILE
    rows = json.dumps({"a": {"dtype": "F32", "shape": [10 * 2**28], "data_offsets": [0, 10 * 2**30]}}).encode()
    file.write_bytes(struct.pack("<Q", len(rows)) + rows)
    with file.open("r+b") as opened:
        opened.truncate(8 + len(rows) + 10 * 2**30)
    return checkpoint


def overlapping(rows):
    a, b = [key for key in rows if "lora_A" in key][:2]
    rows[b]["data_offsets"] = rows[a]["data_offsets"]


def without_config(checkpoint):
    (checkpoint / CONFIG_FILE).unlink()
    return checkpoint


def config_is_a_pipe(checkpoint):
    (checkpoint / CONFIG_FILE).unlink()
    os.mkfifo(checkpoint / CONFIG_FILE)
    return checkpoint


def one_label_less(checkpoint):
    return with_json(checkpoint, INFO_FILE, lambda row: row["labels"].pop())


ADAPTERS = [
    pytest.param(tensor("lora_A", filled(float("nan"))), "that are no number", id="A is NaN"),
    pytest.param(tensor("lora_B", filled(float("inf"))), "that are no number", id="B is infinite"),
    pytest.param(tensor("mask_tokens", filled(1e30)), "beyond 1e+06", id="a mask token of 1e30"),
    pytest.param(tensor("lora_A", torch.Tensor.double), "as float64 instead of float32", id="float64"),
    pytest.param(tensor("lora_A", torch.Tensor.int), "as int32 instead of float32", id="int32"),
    pytest.param(tensor("lora_A", lambda t: t.to(torch.float8_e4m3fn)), "as float8_e4m3fn", id="float8"),
    pytest.param(tensor("lora_A", lambda t: t[:2]), "instead of (4, 768)", id="A of another rank"),
    pytest.param(tensor("mask_tokens", lambda t: t[:3]), "mask_tokens.weight as (3, 256) instead of (4, 256)", id="classes"),
    pytest.param(lambda c: with_tensors(c, renamed), "lacks base_model.model.image_encoder", id="a name that is not LoRA's"),
    pytest.param(lambda c: with_tensors(c, all_renamed), "lacks base_model", id="names of another network"),
    pytest.param(lambda c: with_tensors(c, set_in("b\x1b[2J", torch.ones(1))), "the unknown b\\x1b[2J", id="one too many"),
    pytest.param(lambda c: with_tensors(c, dict.clear), "lacks base_model", id="no tensors"),
    pytest.param(one_label_less, "instead of (3, 256)", id="a label less than classes"),
    pytest.param(header("dtype", "F64"), "not a weights file that can be read safely", id="header: another dtype"),
    pytest.param(header("shape", [2**40, 2**40]), "not a weights file", id="header: an endless shape"),
    pytest.param(header("shape", [-1, 4]), "not a weights file", id="header: a negative shape"),
    pytest.param(header("data_offsets", [0, 2**62]), "not a weights file", id="header: offsets beyond the file"),
    pytest.param(header("data_offsets", [100, 4]), "not a weights file", id="header: offsets reversed"),
    pytest.param(lambda c: with_header(c, overlapping), "not a weights file", id="header: overlapping"),
    pytest.param(written(struct.pack("<Q", 2**63) + b"{}"), "it is cut off, or of another kind", id="header: endless"),
    pytest.param(written(struct.pack("<Q", 5_000_000) + b"{" * 6_000_000), "longer than 4 MB", id="header: 5 MB"),
    pytest.param(written(struct.pack("<Q", 10**6) + b'{"a":' * 200_000), "not a weights file", id="header: deep"),
    pytest.param(written(b""), "not a weights file", id="empty"),
    pytest.param(written(random.Random(0).randbytes(4096)), "adapter_model.safetensors: ", id="random bytes"),
    pytest.param(written(pickle.dumps({"a": 1})), "adapter_model.safetensors", id="a pickle"),
    pytest.param(cut, "not a weights file", id="cut off"),
    pytest.param(ten_gigabytes, "lacks base_model", id="10 GB"),
    pytest.param(without_config, "it has no adapter_config.json", id="no configuration"),
    pytest.param(config_is_a_pipe, "it has no adapter_config.json", id="the configuration a pipe"),
    pytest.param(lambda c: with_json(c, CONFIG_FILE, "[" * 10**6), "adapter_config.json: it is empty", id="deep configuration"),
    pytest.param(lambda c: with_json(c, CONFIG_FILE, without("peft_type")), "type null: only LoRA", id="no type"),
    pytest.param(config("peft_type", deep(900)), "only LoRA is read", id="type 900 deep"),
    pytest.param(config("peft_type", "\u202eAROL"), '"\\u202eAROL": only LoRA', id="type turned round"),
    pytest.param(other_type(IA3Config(target_modules=["qkv"])), 'type "IA3": only LoRA', id="IA3"),
    pytest.param(other_type(LoHaConfig(target_modules=["qkv"])), 'type "LOHA": only LoRA', id="LoHa"),
    pytest.param(other_type(PrefixTuningConfig(num_virtual_tokens=3)), "only LoRA", id="prefix tuning"),
    pytest.param(config("r", 10**6), "rank r is 1000000", id="rank of a million"),
    pytest.param(config("r", 0), "rank r is 0", id="rank 0"),
    pytest.param(config("r", 4.0), "rank r is 4.0", id="rank 4.0"),
    pytest.param(config("r", 8), "as (4, 768) instead of (8, 768)", id="another rank"),
    pytest.param(config("lora_alpha", 1e308), "lora_alpha is 1e+308", id="alpha 1e308"),
    pytest.param(config("lora_alpha", 0), "lora_alpha is 0", id="alpha 0"),
    pytest.param(config("lora_alpha", -4), "lora_alpha is -4", id="alpha negative"),
    pytest.param(config("lora_alpha", float("nan")), "NaN is no number", id="alpha NaN"),
    pytest.param(config("use_dora", True), '"use_dora" is true: only plain LoRA', id="DoRA"),
    pytest.param(config("use_rslora", True), '"use_rslora" is true', id="rank-stabilised LoRA"),
    pytest.param(config("fan_in_fan_out", True), '"fan_in_fan_out" is true', id="transposed weights"),
    pytest.param(config("alpha_pattern", {".*": 1e6}), '"alpha_pattern" is', id="alpha by pattern"),
    pytest.param(config("rank_pattern", {CATASTROPHIC: 4}), '"rank_pattern" is', id="rank by a pattern without end"),
    pytest.param(config("layers_to_transform", [0]), '"layers_to_transform" is', id="some layers"),
    pytest.param(config("use_something_new", True), '"use_something_new" is true', id="a newer PEFT's"),
    pytest.param(config("bias", "all"), '"bias" is "all"', id="biases"),
    pytest.param(config("init_lora_weights", "pissa"), 'init_lora_weights is "pissa"', id="a base that is changed first"),
    pytest.param(config("target_modules", CATASTROPHIC), "are not those of a SAMed on vit_b", id="a pattern without end"),
    pytest.param(config("target_modules", ["q_proj"]), "are not those of a SAMed", id="other modules"),
    pytest.param(config("modules_to_save", ["mask_decoder"]), "are not those of a SAMed", id="without the prompt encoder"),
    pytest.param(config("modules_to_save", "all"), "are not those of a SAMed", id="modules_to_save a text"),
    pytest.param(config("exclude_modules", CATASTROPHIC), "are not those of a SAMed", id="exclude by a pattern without end"),
]


@pytest.mark.parametrize(("damage", "said"), ADAPTERS)
def test_an_adapter_that_is_not_the_networks_is_refused(damage, said, files, tmp_path, capfd, monkeypatch):
    checkpoint = damage(copied(files.checkpoint, tmp_path))
    monkeypatch.setattr("refused.snapshot", lambda folder: sorted(folder.rglob("*")))  # 10 GB's digest takes long
    arguments = ["segment", files.ct, tmp_path / "out.nii.gz", "--model", checkpoint, "--base", files.base, "--device", "cpu"]
    line = refused(capfd, tmp_path, *arguments)
    assert said in line
    assert "adapter" in line
    assert len(line) < 500


def test_training_further_refuses_it_likewise(files, tmp_path):
    checkpoint = tensor("lora_B", filled(float("nan")))(copied(files.checkpoint, tmp_path))
    with pytest.raises(InputError, match="that are no number"):
        load_peft(checkpoint, files.base, trainable=True)


HARMLESS = {
    "base_model_name_or_path": "https://example.org/evil",
    "revision": "evil",
    "auto_mapping": {"base_model_class": "system", "parent_library": "os"},
    "task_type": "CAUSAL_LM",
    "inference_mode": False,
    "a_size_of_a_newer_peft": 16,
}


def test_neither_a_remote_base_nor_foreign_code_nor_a_pickle_beside_it_is_looked_at(files, tmp_path, monkeypatch):
    checkpoint = with_json(copied(files.checkpoint, tmp_path), CONFIG_FILE, lambda row: row.update(HARMLESS))
    shutil.move(evil(tmp_path), checkpoint / "adapter_model.bin")
    (checkpoint / "README.md").write_text("---\nbase_model: evil\n---\n{{ ''.__class__ }}")

    def no_network(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    ours, theirs = (load_merged(folder, files.base)[0].state_dict() for folder in (files.checkpoint, checkpoint))
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
    assert nothing_ran(tmp_path)


def test_a_mailed_checkpoint_in_half_precision_works(files, tmp_path, capsys):
    checkpoint = with_tensors(copied(files.checkpoint, tmp_path), lambda t: t.update({k: v.half() for k, v in t.items()}))
    arguments = segment(files, tmp_path / "out.nii.gz")
    run(capsys, *[checkpoint if each == files.checkpoint else each for each in arguments])
    assert (tmp_path / "out.nii.gz").exists()
