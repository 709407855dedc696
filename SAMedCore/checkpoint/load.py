"""From the files of a checkpoint and its base model to networks, and back.

No pickle is executed. torch and PEFT are loaded where a network is built or weights are read, so that a base model of the
catalogue is found without them.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAMedCore import __version__
from SAMedCore.checkpoint import catalogue, fetch
from SAMedCore.checkpoint.adapter import load_adapter, read_settings
from SAMedCore.checkpoint.card import model_card
from SAMedCore.checkpoint.folder import (
    ADAPTER_FILE,
    CARD_FILE,
    Base,
    CheckpointInfo,
    find_weights,
    read_info,
    write_info,
)
from SAMedCore.errors import BaseNeeded, InputError
from SAMedCore.files.atomic import replace_folder
from SAMedCore.model.architectures import ARCHITECTURES, architecture_of

if TYPE_CHECKING:
    from peft import PeftModel

    from SAMedCore.model.promptable import Promptable
    from SAMedCore.model.sam import Sam

RECORDED_VERSIONS = ("torch", "peft", "segment-anything")

SAM_CLASSES = 3
"""SAM's own mask decoder has the single-mask token and three more."""


def find_base_model(name_or_file: str | Path) -> tuple[Base, Path]:
    """The base model of that catalogue name or "hf:owner/name", or in that weights file, and where its weights are.

    Raises:
        InputError: it is unknown, not fetched, or not a Segment Anything.
    """
    if not Path(name_or_file).is_file():
        known = catalogue.find_base(str(name_or_file))
        weights = catalogue.base_weights(known)
        return Base(known.exact_name, known.architecture, known.sha256), weights
    from SAMedCore.model.weights import detect_architecture, read_state

    file = Path(name_or_file)
    sha256 = fetch.sha256_of(file)
    known_here = catalogue.known_base(sha256)
    if known_here is not None:
        return Base(known_here.exact_name, known_here.architecture, sha256), file
    architecture = detect_architecture(read_state(file))
    if architecture is None:
        raise InputError(f"{file}: not the weights of a Segment Anything: give those of {', '.join(ARCHITECTURES)}.")
    return Base(file.stem, architecture, sha256), file


def read_base(base: Base, weights: str | Path | None = None) -> dict[str, Any]:
    """The base model's tensors, from `weights` or the cache folder.

    Raises:
        InputError: they are missing, or not those of `base`.
    """
    from SAMedCore.model.fitting import no_weights
    from SAMedCore.model.weights import read_state

    path = find_weights(base, weights)
    state = read_state(path)
    found = fetch.sha256_of(path)
    if found != base.sha256:
        raise BaseNeeded(
            f"{path}: wrong base model (SHA-256 {found[:12]}...): {base.name} with {base.sha256[:12]}... is needed; "
            f"name the right weights."
        )
    if catalogue.known_base(found) is None:
        # who trained a checkpoint on one's own weights may have had such
        problem = no_weights(state)
        if problem is not None:
            raise InputError(f"{path}: not the weights of a base model: it {problem}: take another file.")
    return state


def load_peft(folder: Path, weights: str | Path | None = None, trainable: bool = False) -> tuple[PeftModel, CheckpointInfo]:
    """The checkpoint's SAM with its LoRA as PEFT has it, in float32 on the CPU, in eval mode unless trainable.

    Raises:
        InputError: the checkpoint or its base model is missing, damaged or wrong.
    """
    from peft import PeftModel

    from SAMedCore.model.lora import split_qkv
    from SAMedCore.model.weights import build_pretrained

    info = read_info(folder)
    state = read_base(info.base, weights)
    sam = build_pretrained(info.base.architecture, len(info.labels), info.preprocessing.input_size, state, info.base.name)
    config = read_settings(folder, sam).to_peft(sam)
    config.inference_mode = not trainable
    model = PeftModel(split_qkv(sam), config)
    load_adapter(model, folder)
    return model.float().train(trainable), info


def load_merged(folder: Path, weights: str | Path | None = None) -> tuple[Sam, CheckpointInfo]:
    """The checkpoint's SAM with LoRA merged, for inference: float32, CPU, eval mode. Raises as `load_peft` does."""
    from SAMedCore.model.lora import merge_lora

    model, info = load_peft(folder, weights)
    return merge_lora(model).eval(), info


def load_promptable(base: str | Path, device: str) -> Promptable:
    """A base model as it was published, in eval mode on the device.

    The publisher's own weights want the pixel mean and standard deviation of their architecture; other files (MedSAM's) want
    [0, 1] as it is, and were trained on boxes alone.

    Raises:
        InputError: the base is unknown or its weights are not here, or there is no such device.
    """
    from SAMedCore.devices import choose_device
    from SAMedCore.model.promptable import Promptable
    from SAMedCore.model.weights import build_pretrained

    described, weights = find_base_model(base)
    row = architecture_of(described.architecture)
    sam = build_pretrained(row.name, SAM_CLASSES, row.prompting.input_size, read_base(described, weights), str(base))
    sam = sam.eval().to(choose_device(device))
    known = catalogue.known_base(described.sha256)
    if known is None or not known.is_publishers_own:
        return Promptable(sam, row.prompting)
    return Promptable(sam, row.prompting, row.pixel_mean, row.pixel_std, row.heeds_points)


def write_checkpoint(folder: Path, model: PeftModel, info: CheckpointInfo, half: bool = False) -> None:
    """Write a checkpoint; an existing one of that name is replaced only when the new one is complete.

    Args:
        folder: the checkpoint's folder.
        model: SAM with LoRA, from `add_lora`.
        info: what to say of it; the package versions are filled in.
        half: store the tensors as float16, which halves the file.

    Raises:
        InputError: the place cannot be written to.
    """
    model.peft_config["default"].base_model_name_or_path = info.base.name

    def fill(partial: Path) -> None:
        model.save_pretrained(str(partial), save_embedding_layers=False)  # "auto" asks the Hub about the base model
        if half:
            _halve(partial / ADAPTER_FILE)
        # In Slicer this package lies beside the module, and pip knows nothing of it.
        versions = {"samedcore": __version__, **{name: version(name) for name in RECORDED_VERSIONS}}
        write_info(partial, replace(info, versions=versions))
        # In place of PEFT's template, which says nothing.
        (partial / CARD_FILE).write_text(model_card(info), encoding="utf-8")

    replace_folder(folder, fill)


def _halve(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {key: t.half() if t.is_floating_point() else t for key, t in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
