"""A base model's pretrained weights in our SAM: other input sizes, other classes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import torch

from SAMedCore.errors import InputError
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.model.transformers_names import original_names

ENCODER = "image_encoder."
SINGLE_MASK_TOKEN = 0
"""SAM's first mask token answers an unambiguous prompt with one mask (arXiv 2304.02643, appendix A)."""


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file, .safetensors or .pth, by segment_anything's names; no pickle is ever executed.

    Raises:
        InputError: the file holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return original_names(load_file(path))
        # mapped, a file of 375 MB is there at once instead of after two seconds
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch and safetensors raise many kinds for a damaged or foreign file
        raise InputError(f"{path}: not a weights file that can be read safely ({type(error).__name__}).") from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: not a weights file: a dictionary of tensors is expected.")
    return original_names(state)


def detect_architecture(state: dict[str, torch.Tensor]) -> str | None:
    """Which architecture a base model's weights belong to, or None."""
    for architecture in ARCHITECTURES.values():
        key, last_axis = architecture.mark or ("", 0)
        if key in state and state[key].shape[-1] == last_axis:
            return architecture.name
    return None


def build_pretrained(
    architecture: str, classes: int, input_size: int | None, state: dict[str, torch.Tensor], source: str
) -> Sam:
    """SAM with SAM's, MedSAM's or LiteMedSAM's published weights, without the time that `build_sam`'s random ones take.

    Position embeddings are interpolated to the input size where there are any. Where the number of classes differs from
    SAM's own, the mask tokens and their hypernetworks all start from the pretrained single-mask token.

    Args:
        architecture, classes, input_size: as of `build_sam`.
        state: the weights, by their published names.
        source: what an error calls them.

    Raises:
        InputError: the architecture is unknown, the size does not suit it, or the weights do not fit it.
    """
    with torch.device("meta"):
        sam = build_sam(architecture, classes, input_size)
    sam.to_empty(device="cpu")
    encoder = {key.removeprefix(ENCODER): value for key, value in state.items() if key.startswith(ENCODER)}
    encoder = sam.architecture.encoder_module.encoder_state(encoder, sam.embedding_size)
    rest = {key: value for key, value in state.items() if not key.startswith((ENCODER, "pixel_"))}
    if rest.get("mask_decoder.mask_tokens.weight", torch.empty(0)).shape[0] != sam.mask_decoder.num_mask_tokens:
        rest = _class_tokens(rest, sam.mask_decoder.num_mask_tokens)
    try:
        sam.load_state_dict({**{ENCODER + key: value for key, value in encoder.items()}, **rest})
    except RuntimeError as error:
        raise InputError(f"{source}: these weights do not fit the base model: {_first_problem(error)}") from error
    return sam


def _class_tokens(state: dict[str, torch.Tensor], tokens: int) -> dict[str, torch.Tensor]:
    """The mask decoder's state with `tokens` copies of the single-mask token, its hypernetwork and its IoU output."""
    resized = {}
    for key, value in state.items():
        found = re.match(r"mask_decoder\.output_hypernetworks_mlps\.(\d+)\.(.*)", key)
        if found is None:
            resized[key] = value
        elif int(found[1]) == SINGLE_MASK_TOKEN:
            copies = {f"mask_decoder.output_hypernetworks_mlps.{token}.{found[2]}": value for token in range(tokens)}
            resized.update(copies)
    per_token = [key for key in resized if re.search(r"(mask_tokens|iou_prediction_head\.layers\.2)\.", key)]
    for key in per_token:
        one = resized[key][SINGLE_MASK_TOKEN : SINGLE_MASK_TOKEN + 1]
        resized[key] = one.expand(tokens, *one.shape[1:]).clone()
    return resized


def _first_problem(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines()[1:]]
    return lines[0] if lines else str(error)
