"""A recipe fitted to the machine that it runs on, and what was chosen in words.

micro-sam (computational-cell-analytics, `training.CONFIGURATIONS`) goes by the card: above 80 GB vit_h, above 30 or 14 GB
vit_b, with fewer objects at a time on the smaller one, below that the CPU's. Here it goes by sizes.

No GPU was at hand. What a training step keeps until its backward pass was counted on torch's fake CUDA tensors: with vit_b at
512 pixels 545 MB a slice in float32, 335 in half precision and 68 with gradient checkpointing. The rest (copies in half
precision, CUDA's own, what comes and goes) is estimated, on the careful side.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from SAMedCore.devices import has_bf16
from SAMedCore.model.architectures import Architecture
from SAMedCore.train.processes import Processes
from SAMedCore.train.recipe import FEW_SHOT, Recipe, Stage

GB, MB = 10**9, 10**6
CUDA_ITSELF = 1.0 * GB
SLACK = 1.2
"""What comes and goes within a step, and gaps between tensors."""

NUMBERS_A_TOKEN = 14
"""That a block of SAM's encoder keeps for each token and channel."""

HALF_SHARE = 0.7
"""Of the bytes that are kept in half precision: norms, softmaxes and the loss stay in float32."""

DECODER_BYTES = 30 * MB
"""That the mask decoder keeps of a slice."""

TINY_BYTES_A_PIXEL = 10_500
"""That TinyViT with the mask decoder keeps of each pixel of its input."""

ON_CPU = 1.5
"""There the softmaxes are kept too, 260 MB a slice of 512 pixels with vit_b."""

EMBEDDINGS_SHARE = 0.25
"""The most of the memory that encoded slices take."""


@dataclass(frozen=True)
class Machine:
    """What a training runs on.

    Attributes:
        device: "cuda", "mps" or "cpu".
        cores: threads that torch computes with on the CPU.
        memory: bytes, of the whole machine; None where the system does not say.
        gpu_memory: bytes free on the CUDA GPU; 0 where there is none.
        bf16: whether that GPU multiplies bf16 in hardware.
        processes: that share each batch, on this machine and others.
    """

    device: str
    cores: int
    memory: int | None = None
    gpu_memory: int = 0
    bf16: bool = False
    processes: int = 1

    @classmethod
    def of(cls, device: torch.device, processes: Processes) -> Machine:
        """The machine that this process runs on, with this device; of several processes what each has at least."""
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        memory = _memory()
        share = (memory or sys.maxsize) // processes.on_this_machine
        cores, share, free, bf16 = processes.least([torch.get_num_threads(), share, free, int(has_bf16(device))])
        return cls(device.type, cores, None if memory is None else share, free, bool(bf16), processes.count)

    def share(self, batch_size: int) -> int:
        """The most slices of a batch that one process has."""
        return math.ceil(batch_size / self.processes)


@dataclass(frozen=True)
class Network:
    """What is to be trained: the kind of base model and the pixels along each side of its input."""

    row: Architecture
    input_size: int

    @property
    def weights(self) -> int:
        """Bytes of the encoder in float32; nearly all there is."""
        size = self.row.size
        return 50 * MB if size is None else 4 * 12 * size.depth * size.embed_dim**2

    @property
    def embedding(self) -> int:
        """Bytes of an encoded slice in float16."""
        return 2 * 256 * (self.input_size // self.row.stride) ** 2

    def kept(self, recipe: Recipe) -> float:
        """Bytes that a step on a GPU keeps of each slice until its backward pass, LoRA being trained."""
        size, share = self.row.size, 1.0 if recipe.precision == "fp32" else HALF_SHARE
        if size is None:
            return share * TINY_BYTES_A_PIXEL * self.input_size**2
        inputs = 4 * size.depth * size.embed_dim * (self.input_size // self.row.stride) ** 2
        blocks = share * NUMBERS_A_TOKEN * inputs
        if recipe.gradient_checkpointing:  # of each block its input, and of one at a time all
            blocks = inputs + blocks / size.depth
        return blocks + DECODER_BYTES


def fitted(recipe: Recipe, machine: Machine, network: Network, slices: int, keep_batch: bool = False) -> tuple[Recipe, str]:
    """The recipe as this machine can run it, and a sentence or two that say what was chosen and why.

    The paper's recipes keep their mathematics: gradient checkpointing and the precision are all that is changed in them, and
    where that is not enough it is said.

    Args:
        slices: that are learnt from.
        keep_batch: the person chose the number of slices a step.
    """
    if machine.device != "cuda":
        everywhere = tuple(stage for stage in recipe.stages if not stage.only_on_gpu)
        fit = _with_versions(replace(recipe, stages=everywhere), machine, network, slices)
        return fit, _without_gpu(recipe, fit, machine, network)
    if recipe.precision == "bf16" and not machine.bf16:
        recipe = replace(recipe, precision="fp32")  # as it would be computed
    whole = next((stage for stage in recipe.stages if stage.trains == "all"), None)
    if whole is None:
        return _with_versions(
            recipe, machine, network, slices
        ), f"GPU with {_gb(machine.gpu_memory)} free: {_decoder_alone(recipe, network)}."
    may_shrink = recipe.name == FEW_SHOT.name and not keep_batch
    for chosen, stage in _choices(recipe, whole, machine, network, may_shrink):
        needed = _needed(chosen, machine.share(stage.batch_size), network)
        if needed <= machine.gpu_memory:
            stages = tuple(stage if each is whole else each for each in recipe.stages)
            fit = _with_versions(replace(chosen, stages=stages), machine, network, slices)
            return fit, _on_gpu(fit, stage, whole, machine, needed)
    if whole.only_on_gpu and may_shrink:
        others = tuple(stage for stage in recipe.stages if stage is not whole)
        fit = _with_versions(replace(recipe, stages=others), machine, network, slices)
        least = _gb(_needed(chosen, machine.share(stage.batch_size), network))
        return (
            fit,
            f"GPU with {_gb(machine.gpu_memory)} free, LoRA in the encoder would take {least}: {_decoder_alone(fit, network)}.",
        )
    return _with_versions(chosen, machine, network, slices), _too_large(chosen, whole.batch_size, machine, network)


def as_begun(recipe: Recipe, begun: dict[str, Any]) -> Recipe:
    """The recipe with what was chosen for it where the run began, so that it goes on the same on another machine.

    Args:
        begun: as `Recipe.to_json` gave it.
    """
    stages, candidates = [], iter(recipe.stages)
    try:
        for row in begun["stages"]:
            stage = next(each for each in candidates if each.trains == row["trains"])
            stages.append(replace(stage, batch_size=row["batch_size"], versions=row["versions"]))
        facts = {name: begun[name] for name in ("precision", "gradient_checkpointing")}
    except (KeyError, TypeError, StopIteration):  # another recipe, which resuming will say
        return recipe
    return replace(recipe, stages=tuple(stages), **facts)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _choices(
    recipe: Recipe, stage: Stage, machine: Machine, network: Network, may_shrink: bool
) -> Iterator[tuple[Recipe, Stage]]:
    """From the recipe as it is to what takes the least memory."""
    yield recipe, stage
    if network.row.size is not None:
        recipe = replace(recipe, gradient_checkpointing=True)
        yield recipe, stage
    if recipe.precision == "fp32":
        recipe = replace(recipe, precision="bf16" if machine.bf16 else "fp16")
        yield recipe, stage
    while may_shrink and stage.batch_size > 1:
        stage = replace(stage, batch_size=stage.batch_size // 2)
        yield recipe, stage


def _needed(recipe: Recipe, batch_size: int, network: Network) -> float:
    """Bytes of GPU memory for a step of the end-to-end stage."""
    copies = 1.0 if recipe.precision == "fp32" else 1.5
    return CUDA_ITSELF + SLACK * (copies * network.weights + batch_size * network.kept(recipe))


def _with_versions(recipe: Recipe, machine: Machine, network: Network, slices: int) -> Recipe:
    """With as many versions of each slice as fit the memory when encoded, at least one."""
    if machine.memory is None:
        return recipe
    most = max(1, int(EMBEDDINGS_SHARE * machine.memory / (slices * network.embedding)))
    stages = (replace(s, versions=min(s.versions, most)) if s.trains == "decoder" else s for s in recipe.stages)
    return replace(recipe, stages=tuple(stages))


def _without_gpu(recipe: Recipe, fit: Recipe, machine: Machine, network: Network) -> str:
    if all(stage.trains == "decoder" for stage in fit.stages):
        where = "on the Apple GPU" if machine.device == "mps" else f"on {_count(machine.cores, 'core')}"
        if machine.processes > 1:
            where += f" in each of {machine.processes} processes"
        more = "; with one LoRA in the encoder would be trained too" if len(fit.stages) < len(recipe.stages) else ""
        return f"Without a CUDA GPU {_decoder_alone(fit, network, where)}{more}."
    batch = max(stage.batch_size for stage in fit.stages)
    kept = machine.share(batch) * ON_CPU * network.kept(replace(fit, precision="fp32"))
    needed = SLACK * (network.weights + kept)
    short = (
        "" if machine.memory is None or needed <= machine.memory else f" and {_gb(needed)} of memory, of {_gb(machine.memory)}"
    )
    return (
        f'Without a CUDA GPU "{fit.name}", which trains the encoder too, {_count(batch, "slice")} a step, takes days{short}: '
        f'"{FEW_SHOT.name}" is made for it.'
    )


def _on_gpu(fit: Recipe, stage: Stage, asked: Stage, machine: Machine, needed: float) -> str:
    instead = f" in place of {asked.batch_size}" if stage.batch_size < asked.batch_size else ""
    shared = f" shared by {machine.processes} processes" if machine.processes > 1 else ""
    minutes = [each.minutes for each in fit.stages if each.minutes is not None]
    first = "the mask decoder, then " if len(fit.stages) > 1 else ""
    parts = [
        f"GPU with {_gb(machine.gpu_memory)} free: trains {first}all, with LoRA in the encoder",
        f"for at most {sum(minutes):g} minutes" if len(minutes) == len(fit.stages) else "",
        f"{_count(stage.batch_size, 'slice')} a step{instead}{shared}",
        f"in {fit.precision}",
        "activations computed twice, so that they fit" if fit.gradient_checkpointing else "",
    ]
    return f"{', '.join(part for part in parts if part)}; takes about {_gb(needed)}."


def _too_large(recipe: Recipe, batch_size: int, machine: Machine, network: Network) -> str:
    needed = _gb(_needed(recipe, machine.share(batch_size), network))
    smaller = range(batch_size - 1, 0, -1)
    fits = next((n for n in smaller if _needed(recipe, machine.share(n), network) <= machine.gpu_memory), 0)
    remedy = f"{_count(fits, 'slice')} would fit, but train otherwise" if fits else f'no batch does; "{FEW_SHOT.name}" might'
    return (
        f"{_count(batch_size, 'slice')} a step take about {needed} of GPU memory, of which {_gb(machine.gpu_memory)} are free: "
        f"it will probably run out of it. {remedy[0].upper()}{remedy[1:]}."
    )


def _decoder_alone(recipe: Recipe, network: Network, where: str = "") -> str:
    minutes = sum(stage.minutes for stage in recipe.stages if stage.minutes is not None)
    whole = recipe.last_stage_rate > 0 and bool(network.row.last_stage)
    trained = "the mask decoder and the encoder's last stage are trained" if whole else "the mask decoder alone is trained"
    time = f"for at most {minutes:g} minute{'' if minutes == 1 else 's'}" if minutes else ""
    parts = [trained, where, time]
    return ", ".join(part for part in parts if part)


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB" if size < 10 * GB else f"{size / GB:.0f} GB"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
