"""One step of the optimiser: logits, loss, gradients, new parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from SAMedCore.devices import PRECISIONS, has_bf16
from SAMedCore.train.loss import segmentation_loss
from SAMedCore.train.recipe import Recipe


@dataclass(frozen=True)
class Optimization:
    """AdamW over all trainable parameters as one group, with mixed precision where recipe and device allow it."""

    recipe: Recipe
    device: torch.device
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe, device: torch.device) -> Optimization:
        optimizer = torch.optim.AdamW(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        scaled = precision_on(device, recipe) == torch.float16
        return cls(recipe, device, optimizer, torch.amp.GradScaler(device.type, enabled=scaled))

    def step(self, forward: Callable[[Tensor], Tensor], inputs: Tensor, low_res_labels: Tensor, learning_rate: float) -> float:
        """Returns the loss before the step.

        Args:
            forward: a batch of inputs to low_res_logits (B, classes + 1, L, L).
            low_res_labels: (B, L, L) int64, `IGNORE` where not annotated.
        """
        with in_precision(self.device, self.recipe):
            low_res_logits = forward(inputs.to(self.device, non_blocking=True))
            labels = low_res_labels.to(self.device, non_blocking=True)
            loss = segmentation_loss(
                low_res_logits, labels, self.recipe.ce_weight, self.recipe.dice_weight, self.recipe.dice_of_present
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


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
