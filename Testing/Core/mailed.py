"""Checkpoints as somebody may have mailed them: copies of a sound one with something wrong in them."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Edit = Callable[[Any], Any]


def copied(checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(checkpoint, folder / "mailed"))


def with_json(checkpoint: Path, file: str, edit: Edit | str | bytes) -> Path:
    """One of its JSON files changed in place by `edit`, or replaced by it; returns the checkpoint."""
    if callable(edit):
        row = json.loads((checkpoint / file).read_text())
        edit(row)
        edit = json.dumps(row)
    (checkpoint / file).write_bytes(edit if isinstance(edit, bytes) else edit.encode("utf-8", "surrogatepass"))
    return checkpoint


def with_tensors(checkpoint: Path, edit: Edit) -> Path:
    """Its adapter's tensors, name -> tensor, changed in place by `edit`."""
    file = checkpoint / "adapter_model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(file).items()}
    edit(tensors)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file, metadata={"format": "pt"})
    return checkpoint


def with_header(checkpoint: Path, edit: Edit) -> Path:
    """The adapter's header changed in place by `edit`, the data behind it as it was."""
    file = checkpoint / "adapter_model.safetensors"
    whole = file.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    edit(header)
    written = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(written)) + written + whole[8 + length :])
    return checkpoint


def first(tensors: dict, part: str) -> str:
    """The first name with this in it."""
    return next(key for key in tensors if part in key)


def filled(value: float) -> Edit:
    """A change of one tensor: its first number."""

    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return change


def set_in(*path: Any) -> Edit:
    """An edit that sets the value, the last of `path`, at the keys before it."""
    *keys, last, value = path

    def edit(row: Any) -> None:
        for key in keys:
            row = row[key]
        row[last] = value

    return edit


def without(*path: Any) -> Edit:
    """An edit that takes the entry away that these keys lead to."""
    *keys, last = path

    def edit(row: Any) -> None:
        for key in keys:
            row = row[key]
        del row[last]

    return edit


def deep(levels: int) -> Any:
    """Lists in each other."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def nothing_ran(folder: Path) -> bool:
    return not (folder / "ran").exists()


def evil(folder: Path, **options: Any) -> Path:
    """A .pth whose pickle has code in it."""
    torch.save({"w_a_000": Runs(folder / "ran")}, folder / "evil.pth", **options)
    return folder / "evil.pth"
