"""One step of the optimiser: logits, loss, gradients, new parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from SAMedCore.devices import PRECISIONS, has_bf16
from SAMedCore.train.loss import segmentation_loss
from SAMedCore.train.processes import ALONE, Processes
from SAMedCore.train.recipe import Recipe


@dataclass(frozen=True)
class Optimization:
    """AdamW over all trainable parameters, with mixed precision where recipe and device allow it."""

    model: nn.Module
    recipe: Recipe
    device: torch.device
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    processes: Processes

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe, device: torch.device, processes: Processes = ALONE) -> Optimization:
        optimizer = torch.optim.AdamW(
            _groups(model, recipe.last_stage_rate),
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        scaled = precision_on(device, recipe) == torch.float16
        return cls(model, recipe, device, optimizer, torch.amp.GradScaler(device.type, enabled=scaled), processes)

    def step(self, forward: Callable[[Tensor], Tensor], inputs: Tensor, low_res_labels: Tensor, learning_rate: float) -> float:
        """Returns the loss before the step, over the whole batch.

        Args:
            forward: this process's share of a batch, of inputs, to low_res_logits (B, classes + 1, L, L).
            low_res_labels: (B, L, L) int64, `IGNORE` where not annotated.
        """
        with in_precision(self.device, self.recipe):
            low_res_logits = forward(inputs.to(self.device, non_blocking=True))
            labels = low_res_labels.to(self.device, non_blocking=True)
            weights = self.recipe.ce_weight, self.recipe.dice_weight
            loss = segmentation_loss(
                low_res_logits, labels, *weights, self.recipe.dice_of_present, pooled=self.processes.pooled
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.processes.add_gradients(self.model)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


def _groups(model: nn.Module, last_stage_rate: float) -> list[dict[str, Any]]:
    """All trainable parameters, those of the encoder's last stage apart; each with its "share" of the rate."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    marks = [f"image_encoder.{name}." for name in model.architecture.last_stage] if last_stage_rate else []  # type: ignore
    last = [p for name, p in trained if any(mark in name for mark in marks)]
    rest = [p for name, p in trained if not any(mark in name for mark in marks)]
    groups = [{"params": rest, "share": 1.0}]
    return [*groups, {"params": last, "share": last_stage_rate}] if last else groups


class Average:
    """The running average of a model's trainable parameters (Polyak and Juditsky 1992), for which no step is too large.

    Over its first steps it is the plain mean of the parameters so far, so that the initial ones are soon forgotten.

    Args:
        decay: of a step; 0 makes the average the parameters themselves, at no cost.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad} if decay else {}
        self.values = {name: p.detach().clone() for name, p in self._trained.items()}

    @torch.no_grad()
    def update(self) -> None:
        """After a step of the optimiser."""
        decay = min(self.decay, self.steps / (self.steps + 1))
        self.steps += 1
        for name, value in self.values.items():
            value.lerp_(self._trained[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the model has the average for its parameters."""
        own = {name: p.detach().clone() for name, p in self._trained.items()}
        self.take()
        try:
            yield
        finally:
            self._set(own)

    def take(self) -> None:
        """The model's parameters become the average."""
        self._set(self.values)

    def restore(self, values: dict[str, Tensor], steps: int) -> None:
        """As it was after so many steps."""
        self.steps = steps
        for name, value in values.items():
            self.values[name].copy_(value)

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self._trained[name].copy_(value)


def precision_on(device: torch.device, recipe: Recipe) -> torch.dtype:
    """What the recipe asks for: fp16 on CUDA, bf16 where a GPU or CPU multiplies it in hardware; float32 elsewhere."""
    wanted = PRECISIONS[recipe.precision]
    if wanted == torch.bfloat16:
        is_faster = has_bf16(device) or (device.type == "cpu" and has_bf16_hardware())
    else:
        is_faster = device.type == "cuda"
    return wanted if is_faster else torch.float32


def has_bf16_hardware() -> bool:
    """Whether this CPU has bf16 products (AVX-512 BF16 or AMX), twice as fast as float32; without them bf16 is slower."""
    known = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(is_supported() for is_supported in known if is_supported is not None)


def in_precision(device: torch.device, recipe: Recipe) -> torch.autocast:
    precision = precision_on(device, recipe)
    if precision == torch.float32:
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=precision)


@contextmanager
def recomputed_blocks(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174) of the encoder's blocks while the block lasts."""
    blocks = list(getattr(model.image_encoder, "blocks", ())) if wanted else []
    for block in blocks:
        block.forward = partial(recompute, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward
