"""The .pth files that SAMed's authors published, in and out.

LoRA of the encoder's block i is `w_a_{2i}` and `w_b_{2i}` for q, `w_a_{2i+1}` and `w_b_{2i+1}` for v, with alpha = r. SAMed_s
adds `sa_*`, `cti_*` and `cit_*` for the self-, token-to-image and image-to-token attentions of the mask decoder's layers, q
before v, and `fati_*` for the final attention. Everything else is SAM's `prompt_encoder.*` and `mask_decoder.*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftModel
from torch import nn

from SAMedCore.checkpoint import fetch
from SAMedCore.checkpoint.adapter import MOST_RANK
from SAMedCore.checkpoint.catalogue import PUBLISHED_ORIENTATION, check_weights_file
from SAMedCore.checkpoint.folder import MOST_CLASSES, Base, CheckpointInfo, read_info
from SAMedCore.checkpoint.load import load_peft, read_base, write_checkpoint
from SAMedCore.errors import BaseNeeded, InputError
from SAMedCore.files.atomic import replacing
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.fitting import no_weights, wrong_kind
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import Sam
from SAMedCore.model.weights import build_pretrained, read_state
from SAMedCore.work import SILENT, Work

DECODER_ATTENTIONS = {"sa": "self_attn", "cti": "cross_attn_token_to_image", "cit": "cross_attn_image_to_token"}


@dataclass(frozen=True)
class OriginalFacts:
    """What an authors' file says of itself: its number of classes without the background, and its LoRA."""

    classes: int
    lora: LoraSettings


def describe_original(file: Path) -> OriginalFacts:
    """Raises InputError where the file is no such checkpoint."""
    check_weights_file(file)
    state = read_state(file, check_sums=True)
    settings = _settings(state, file)
    return OriginalFacts(_class_count(state), settings)


def import_original(
    file: Path,
    base: Base,
    weights: Path | None,
    folder: Path,
    orientation: str = PUBLISHED_ORIENTATION,
    input_size: int = 512,
    work: Work = SILENT,
) -> CheckpointInfo:
    """Write the authors' `file` as a checkpoint folder.

    Args:
        file: the published .pth.
        base: the SAM that it was trained on.
        weights: that SAM's weights file, or None for the one in the cache folder.
        folder: the checkpoint to write.
        orientation: letters towards which i, j and k of its training slices increase, or "auto".
        input_size: pixels; the file does not say it, and 512 is the published one.
        work: asked between the steps whether to stop.

    Raises:
        Cancelled: the user stopped it; nothing is left.
        InputError: the file is no such checkpoint, or the base does not fit it.
    """
    preprocessing = Preprocessing(sizes=(224, input_size), orientation=orientation)
    row = architecture_of(base.architecture)
    row.check_original()
    row.check_input_size(input_size)
    check_weights_file(file)
    state = read_state(file, check_sums=True)
    settings = _settings(state, file)
    classes = _class_count(state)
    base_state = read_base(base, weights)
    work.stop_if_cancelled()
    sam = build_pretrained(base.architecture, classes, input_size, base_state, base.name)
    model = add_lora(sam, settings)
    _load(model, state, file)
    work.stop_if_cancelled()
    labels = SYNAPSE_ORGANS if classes == len(SYNAPSE_ORGANS) else LabelTable.generic(range(1, classes + 1))
    info = CheckpointInfo(
        base=base,
        labels=labels,
        preprocessing=preprocessing,
        description=f"{'SAMed_s' if settings.in_decoder else 'SAMed'} by its authors, imported",
        recipe={"preset": "samed_s" if settings.in_decoder else "samed"},
        trained_on={"original_sha256": fetch.sha256_of(file)},
    )
    write_checkpoint(folder, model, info)
    return info


def export_original(folder: Path, file: Path, weights: Path | None = None) -> None:
    """Write a checkpoint as the authors' .pth, for their code to load.

    Raises:
        InputError: the checkpoint's base has no counterpart in the authors' code, or it cannot be read or written.
    """
    architecture_of(read_info(folder).base.architecture).check_original()
    model, _ = load_peft(folder, weights)
    adapter = _adapter_tensors(model)
    state = {original: adapter[ours].detach().clone() for original, ours in _names(_sam_of(model), _in_decoder(model))}
    try:
        with replacing(file) as partial:
            torch.save(state, partial)
    except RuntimeError as error:  # torch's own writer, on a full disk
        raise InputError(f"{file}: cannot be written ({error}): choose another place.") from error


def _class_count(state: dict[str, torch.Tensor]) -> int:
    return state["mask_decoder.mask_tokens.weight"].shape[0] - 1


def _settings(state: dict[str, torch.Tensor], file: Path) -> LoraSettings:
    if "w_a_000" not in state or "mask_decoder.mask_tokens.weight" not in state:
        raise InputError(f"{file}: not a checkpoint of SAMed's authors: it has no w_a_000 or no mask decoder.")
    rank, tokens = ((*state[key].shape, 0)[0] for key in ("w_a_000", "mask_decoder.mask_tokens.weight"))
    if not 1 <= rank <= MOST_RANK or not 2 <= tokens <= MOST_CLASSES + 1:
        raise InputError(
            f"{file}: not a checkpoint of SAMed's authors: LoRA of rank {rank} and {tokens} mask tokens, where {MOST_RANK} and "
            f"{MOST_CLASSES + 1} are the most; get it again."
        )
    return LoraSettings(rank=rank, alpha=rank, in_decoder="sa_a_000" in state)


def _load(model: PeftModel, state: dict[str, torch.Tensor], file: Path) -> None:
    adapter = _adapter_tensors(model)
    names = dict(_names(_sam_of(model), _in_decoder(model)))
    missing, unknown = names.keys() - state.keys(), state.keys() - names.keys()
    if missing or unknown:
        what = f"lacks {min(missing)}" if missing else f"has the unknown {min(unknown)}"
        raise BaseNeeded(f"{file}: does not fit this base model: it {what}; name the base that it was trained on.")
    for original, ours in names.items():
        if adapter[ours].shape != state[original].shape:
            shapes = f"{tuple(state[original].shape)} instead of {tuple(adapter[ours].shape)}"
            raise InputError(f"{file}: does not fit this base model: {original} is {shapes}; check base and input size.")
    given = {ours: state[original] for original, ours in names.items()}
    problem = wrong_kind(given, adapter) or no_weights(given)
    if problem is not None:
        raise InputError(f"{file}: not a checkpoint of SAMed's authors: it {problem}; get it again.")
    for ours, tensor in given.items():
        adapter[ours].data.copy_(tensor)


def _names(sam: Sam, in_decoder: bool) -> Iterator[tuple[str, str]]:
    """Pairs (name in the authors' file, name among `_adapter_tensors`)."""
    for block in range(len(cast(nn.ModuleList, sam.image_encoder.blocks))):
        yield from _pair("w", 2 * block, f"image_encoder.blocks.{block}.attn.qkv")
    if in_decoder:
        for layer in range(2):
            for short, attention in DECODER_ATTENTIONS.items():
                yield from _pair(short, 2 * layer, f"mask_decoder.transformer.layers.{layer}.{attention}")
        for part in "qv":
            for matrix in "AB":
                module = f"mask_decoder.transformer.final_attn_token_to_image.{part}_proj"
                yield f"fati_{part}{matrix.lower()}", f"{module}.lora_{matrix}.weight"
    for key in _saved_keys(sam, in_decoder):
        yield key, key


def _pair(short: str, first: int, module: str) -> Iterator[tuple[str, str]]:
    for offset, part in enumerate("qv"):
        for matrix in "AB":
            yield f"{short}_{matrix.lower()}_{first + offset:03d}", f"{module}.{part}_proj.lora_{matrix}.weight"


def _saved_keys(sam: Sam, in_decoder: bool) -> list[str]:
    keys = {_plain(key) for key in sam.state_dict()}
    kept = [key for key in keys if key.startswith(("prompt_encoder.", "mask_decoder.")) and "lora_" not in key]
    return sorted(key for key in kept if not (in_decoder and ".transformer." in key))


def _adapter_tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    """The tensors that the adapter owns, by SAM's plain names."""
    owned = {}
    for key, tensor in model.get_base_model().state_dict(keep_vars=True).items():
        if ".default." in key or key.endswith(".default"):
            owned[_plain(key)] = tensor
    return owned


def _plain(key: str) -> str:
    """PEFT's name of a tensor without its wrappers."""
    return re.sub(r"\.(modules_to_save\.default|original_module|base_layer)\b|(?<=lora_[AB])\.default", "", key)


def _sam_of(model: PeftModel) -> Sam:
    return cast(Sam, model.get_base_model())


def _in_decoder(model: PeftModel) -> bool:
    settings = cast(LoraConfig, model.peft_config["default"])
    return "mask_decoder" not in (settings.modules_to_save or [])
