"""The LoRA in a checkpoint's folder, `adapter_config.json` and `adapter_model.safetensors`, which anybody may have written.

PEFT is given nothing of what the files say. The configuration has to be one that this project writes, and is built anew from
it; the tensors go into the network once their names, shapes, dtypes and values are such as it can have. So no base model is
looked up anywhere, no code that a configuration names is imported, and no pickle beside the safetensors is opened.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAMedCore.checkpoint.folder import ADAPTER_FILE, CONFIG_FILE
from SAMedCore.errors import InputError
from SAMedCore.files.json_values import read_json, shown

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

    from SAMedCore.model.lora import LoraSettings
    from SAMedCore.model.sam import Sam

MOST_RANK = 256
"""With a higher one LoRA would have more parameters than the projections that it changes."""

MOST_SCALE = 100
"""Alpha over rank; the published ones are 1, and other people's 2 to 16."""

READ = ("peft_type", "r", "lora_alpha", "target_modules", "modules_to_save", "exclude_modules")
WITHOUT_EFFECT = ("auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "init_lora_weights", "task_type")
"""On the weights once they are there, and of no use here: they say where and how PEFT would look for what is at hand."""


def read_settings(folder: Path, sam: Sam) -> LoraSettings:
    """What is trained in the checkpoint's network, by its `adapter_config.json`.

    Args:
        sam: the base model in that network.

    Raises:
        InputError: it is missing or damaged, or of something else than SAMed's LoRA on this base model.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise InputError(f"{folder}: not a SAMed checkpoint: it has no {CONFIG_FILE}; fetch or train it again.")
    try:
        return _settings(read_json(file), sam)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def load_adapter(model: PeftModel, folder: Path) -> None:
    """Put the tensors of `adapter_model.safetensors` into the network, float32 from whichever precision they have; all or none.

    Raises:
        InputError: it is damaged, or its tensors are not the network's, or no numbers.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    from SAMedCore.model.fitting import no_weights, wrong_kind
    from SAMedCore.model.weights import read_safetensors

    file = folder / ADAPTER_FILE
    wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = read_safetensors(file, wanted)
    problem = wrong_kind(tensors, wanted) or no_weights(tensors)
    if problem is not None:
        raise InputError(f"{file}: it {problem}: fetch or train it again.")
    set_peft_model_state_dict(model, tensors)


def _settings(row: dict[str, Any], sam: Sam) -> LoraSettings:
    if row.get("peft_type") != "LORA":
        raise InputError(f"it is of the type {shown(row.get('peft_type'))}: only LoRA is read.")
    rank, alpha = row.get("r"), row.get("lora_alpha")
    if type(rank) is not int or not 1 <= rank <= MOST_RANK:
        raise InputError(f"the rank r is {shown(rank)}: it has to be a whole number from 1 to {MOST_RANK}.")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= MOST_SCALE * rank:
        raise InputError(f"lora_alpha is {shown(alpha)}: it has to be above 0, and {MOST_SCALE} times the rank at most.")
    _check_plain(row)
    return _what_is_trained(row, rank, alpha, sam)


def _what_is_trained(row: dict[str, Any], rank: int, alpha: float, sam: Sam) -> LoraSettings:
    """The settings for which this version would write the same, so that no pattern of the file's is ever matched."""
    from SAMedCore.model.lora import LoraSettings

    for in_decoder, last_stage in itertools.product((False, True), repeat=2):
        settings = LoraSettings(rank, alpha, in_decoder, last_stage)
        if _as_trained(settings.to_peft(sam)) == _parts(row):
            return settings
    classes = sam.mask_decoder.num_mask_tokens - 1
    raise InputError(
        "target_modules, modules_to_save and exclude_modules are not those of a SAMed on "
        f"{sam.architecture.name} with {classes} labels: fetch or train the checkpoint again."
    )


def _as_trained(config: LoraConfig) -> tuple[Any, ...]:
    return config.target_modules, sorted(config.modules_to_save or []), config.exclude_modules


def _parts(row: dict[str, Any]) -> tuple[Any, ...] | None:
    saved = row.get("modules_to_save")
    if not isinstance(saved, list) or not all(isinstance(name, str) for name in saved):
        return None
    return row.get("target_modules"), sorted(saved), row.get("exclude_modules")


def _check_plain(row: dict[str, Any]) -> None:
    """Raises InputError where something is on that makes another computation of LoRA, in this PEFT or a newer one."""
    for key, value in row.items():
        is_on = value is True or (isinstance(value, list | dict) and len(value) > 0)
        if (is_on and key not in READ and key not in WITHOUT_EFFECT) or (key == "bias" and value != "none"):
            raise InputError(f"{shown(key)} is {shown(value)}: only plain LoRA is read.")
    if type(row.get("init_lora_weights", True)) is not bool:
        raise InputError(f"init_lora_weights is {shown(row['init_lora_weights'])}: only plain LoRA is read.")
