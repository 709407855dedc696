"""Fuzz what reads checkpoints: `samed.json`, `adapter_config.json`, .safetensors files, and .pth files and their pickles.

An input is what its first byte says: "{" begins either JSON file, "P" an archive of torch's, 0x80 the pickle in one, anything
else a .safetensors file.
"""

import copy
import io
import json
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["SAMedCore", "zipfile", "pickle"]):
    from fuzzing import IN_MEMORY, fuzz

    from SAMedCore.checkpoint.adapter import read_settings
    from SAMedCore.checkpoint.folder import ADAPTER_FILE, CONFIG_FILE, INFO_FILE, CheckpointInfo, read_info
    from SAMedCore.errors import InputError
    from SAMedCore.model.fitting import no_weights, wrong_kind
    from SAMedCore.model.torch_files import read_torch_file
    from SAMedCore.model.weights import read_safetensors

import torch
from safetensors.torch import save

from SAMedCore.checkpoint.folder import Base
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.model.lora import LoraSettings
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import build_sam

FOLDER = Path(tempfile.mkdtemp(prefix="samed-fuzz-", dir=IN_MEMORY))
with torch.device("meta"):
    SAM = build_sam("lite", 2)
WANTED = {"prompt": torch.zeros(2, 3), "decoder": torch.zeros(2, dtype=torch.float16)}
PICKLE_RECORD = "archive/data.pkl"


def try_one(data: bytes) -> None:
    if data[:1] == b"{":
        (FOLDER / INFO_FILE).write_bytes(data)
        (FOLDER / CONFIG_FILE).write_bytes(data)
        (FOLDER / ADAPTER_FILE).touch()
        refused(lambda: json.dumps(read_info(FOLDER).to_json()))
        refused(lambda: read_settings(FOLDER, SAM))
    elif data[:1] in (b"P", b"\x80"):
        (FOLDER / "file.pth").write_bytes(data if data[:1] == b"P" else archive_of(data))
        refused(lambda: touched(read_torch_file(FOLDER / "file.pth", check_sums=data[-1:] != b"\x06")))
    else:
        (FOLDER / "file.safetensors").write_bytes(data)
        refused(fitted)


def refused(read) -> None:
    """Either it is read, or refused in one line."""
    try:
        read()
    except InputError as error:
        assert str(error).isprintable(), error


def fitted() -> None:
    tensors = read_safetensors(FOLDER / "file.safetensors", WANTED)
    if wrong_kind(tensors, WANTED) is None:
        no_weights(tensors)


def touched(contents) -> None:
    """All tensors are read, so that one beyond the file would show."""
    if isinstance(contents, dict):
        for value in contents.values():
            if isinstance(value, torch.Tensor):
                copy.deepcopy(value.detach()).double().sum()


def archive_of(pickled: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(PICKLE_RECORD, pickled)
        archive.writestr("archive/data/0", bytes(24))
        archive.writestr("archive/data/1", bytes(16))
    return written.getvalue()


def seeds() -> list[bytes]:
    info = CheckpointInfo(Base("lite", "lite", "0" * 64), SYNAPSE_ORGANS.subset(["liver"]), Preprocessing(sizes=(256,)))
    config = LoraSettings().to_peft(SAM).to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items() if value is not None}
    archive = io.BytesIO()
    torch.save({"a": torch.zeros(2, 3), "b": [1, 2.5, "text", None]}, archive)
    with zipfile.ZipFile(archive) as members:
        pickled = members.read(PICKLE_RECORD)
    return [
        json.dumps(info.to_json()).encode(),
        json.dumps(config).encode(),
        save(WANTED),
        struct.pack("<Q", 2) + b"{}",
        archive.getvalue(),
        pickled,
        pickle.dumps({"a": (1, 2)}, 4),
    ]


if __name__ == "__main__":
    fuzz("checkpoint", seeds(), try_one)
