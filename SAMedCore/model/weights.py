"""A base model's pretrained weights in our SAM: other input sizes, other classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from SAMedCore.errors import InputError, is_out_of_memory
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.fitting import misfit, wrong_kind
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.model.torch_files import LONGEST_LIST, TOO_LONG, read_torch_file
from SAMedCore.model.transformers_names import original_names

ENCODER = "image_encoder."
SINGLE_MASK_TOKEN = 0
"""SAM's first mask token answers an unambiguous prompt with one mask (arXiv 2304.02643, appendix A)."""


def read_state(path: Path, check_sums: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a weights file, .safetensors or .pth, by segment_anything's names; no pickle is ever executed.

    They stay on the disk until they are used.

    Args:
        check_sums: as in `torch_files.read_torch_file`.

    Raises:
        InputError: the file holds anything but tensors, or is damaged.
    """
    if path.suffix == ".safetensors":
        return original_names(read_safetensors(path))
    try:
        state = read_torch_file(path, check_sums)
    except InputError as error:
        raise InputError(f"{path}: not a weights file that can be read safely: {error}: get it again.") from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: not a weights file: a dictionary of tensors is expected.")
    if not all(isinstance(key, str) for key in state):
        raise InputError(f"{path}: not a weights file: its tensors have no names.")
    return original_names(state)


def read_safetensors(path: Path, wanted: Mapping[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file.

    Args:
        wanted: their names and shapes, which are compared before any of them is read; None for whatever is there.

    Raises:
        InputError: it is damaged, or holds others than are wanted.
    """
    from safetensors import safe_open

    try:
        with path.open("rb") as file:
            header_length = int.from_bytes(file.read(8), "little")
        if header_length > path.stat().st_size - 8:
            raise ValueError("it is cut off, or of another kind")
        if header_length > LONGEST_LIST:
            raise ValueError(TOO_LONG)
        with safe_open(path, "pt") as file:
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
            problem = None if wanted is None else misfit(shapes, wanted)
            if problem is None:
                return {key: file.get_tensor(key) for key in shapes}
    except Exception as error:  # safetensors raises many kinds for a damaged or foreign file
        if is_out_of_memory(error):
            raise
        reason = " ".join(ascii(str(error))[1:-1][:100].split())
        raise InputError(f"{path}: not a weights file that can be read safely: {reason}: get it again.") from error
    raise InputError(f"{path}: it {problem}: fetch or train it again.")


def detect_architecture(state: dict[str, torch.Tensor]) -> str | None:
    """Which architecture a base model's weights belong to, or None."""
    for architecture in ARCHITECTURES.values():
        key, last_axis = architecture.mark or ("", 0)
        if key in state and state[key].shape[-1:] == (last_axis,):
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
    wanted = sam.state_dict()
    try:
        fitted = _fitted(state, sam)
    except (RuntimeError, IndexError, ValueError) as error:  # of tensors that have not as many axes, or none
        reason = f"{source}: these weights do not fit the base model: their shapes are others: choose another file."
        raise InputError(reason) from error
    shapes = {key: value.shape for key, value in fitted.items()}
    problem = misfit(shapes, wanted) or wrong_kind(fitted, wanted)
    if problem is not None:
        raise InputError(f"{source}: these weights do not fit the base model: the file {problem}: choose another one.")
    sam.to_empty(device="cpu")
    sam.load_state_dict(fitted)
    return sam


def _fitted(state: dict[str, torch.Tensor], sam: Sam) -> dict[str, torch.Tensor]:
    """The published weights, as this network's input size and classes want them."""
    encoder = {key.removeprefix(ENCODER): value for key, value in state.items() if key.startswith(ENCODER)}
    encoder = sam.architecture.encoder_module.encoder_state(encoder, sam.embedding_size)
    rest = {key: value for key, value in state.items() if not key.startswith((ENCODER, "pixel_"))}
    if rest.get("mask_decoder.mask_tokens.weight", torch.empty(0)).shape[0] != sam.mask_decoder.num_mask_tokens:
        rest = _class_tokens(rest, sam.mask_decoder.num_mask_tokens)
    return {**{ENCODER + key: value for key, value in encoder.items()}, **rest}


def _class_tokens(state: dict[str, torch.Tensor], tokens: int) -> dict[str, torch.Tensor]:
    """The mask decoder's state with `tokens` copies of the single-mask token, its hypernetwork and its IoU output."""
    resized = {}
    for key, value in state.items():
        found = re.match(r"mask_decoder\.output_hypernetworks_mlps\.(\d+)\.(.*)", key)
        if found is None:
            resized[key] = value
        elif found[1] == str(SINGLE_MASK_TOKEN):
            copies = {f"mask_decoder.output_hypernetworks_mlps.{token}.{found[2]}": value for token in range(tokens)}
            resized.update(copies)
    per_token = [key for key in resized if re.search(r"(mask_tokens|iou_prediction_head\.layers\.2)\.", key)]
    for key in per_token:
        one = resized[key][SINGLE_MASK_TOKEN : SINGLE_MASK_TOKEN + 1]
        resized[key] = one.expand(tokens, *one.shape[1:]).clone()
    return resized
