"""Fine-tuning SAM's mask decoder on the annotated slices of one scan, its image embeddings being kept.

The image encoder stays as it is and runs once per slice, so that a training step costs no more than decoding a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from SAMedCore.completion.interpolation import Distances, SliceShapes, blend
from SAMedCore.completion.prompts import Prompts, SliceGrids, make_prompts
from SAMedCore.model.sam import Sam

LEARNING_RATE = 2e-4
OWN_SHARE = 0.8
"""A training prompt holds at most this share of the slice's own shape; the rest is interpolated from its neighbours."""

LOGIT_LIMIT = 4.0


@contextmanager
def tunable(sam: Sam) -> Iterator[list[torch.nn.Parameter]]:
    """The parameters that are fine-tuned: the mask decoder's and the mask prompt's. All are put back at the end."""
    modules = (sam.mask_decoder, sam.prompt_encoder.mask_downscaling)
    before = [{key: value.clone() for key, value in module.state_dict().items()} for module in modules]
    required = [parameter.requires_grad for parameter in sam.parameters()]
    training = sam.training
    sam.eval().requires_grad_(False)
    parameters = [parameter for module in modules for parameter in module.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield parameters
    finally:
        for module, state in zip(modules, before, strict=True):
            module.load_state_dict(state)
        for parameter, needed in zip(sam.parameters(), required, strict=True):
            parameter.requires_grad_(needed)
        sam.train(training)


def finetune(
    sam: Sam,
    parameters: Sequence[torch.nn.Parameter],
    embeddings: Mapping[int, Tensor],
    shapes: SliceShapes,
    slices: Sequence[int],
    grids: SliceGrids,
    steps: int,
    seed: int = 0,
    on_step: Callable[[int], None] | None = None,
) -> None:
    """Teach the mask decoder to redraw the interpolated shapes of `slices` as they were annotated, in place.

    Each step shows one slice through a mix of its own shape (0 to 0.8) and its neighbours' interpolation without it, the box
    sides moved by up to a pixel; AdamW, binary cross-entropy plus Dice.

    Args:
        sam: as `tunable` prepared it.
        parameters: from `tunable`.
        embeddings: slice -> (1, 256, E, E).
        shapes: of the annotated slices.
        slices: at least two annotated slices; no other is looked at.
        grids: pixel grids of a slice.
        steps: number of slices shown.
        seed: of the order of the slices, the mixes and the boxes.
        on_step: called after each step with the number of steps done; may raise to stop.
    """
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE)
    order: list[int] = []
    for step in range(steps):
        order = order or [int(k) for k in random.permutation(slices)]
        k = order.pop()
        from_neighbours = shapes.at(k, using=[other for other in slices if other != k])
        prompts = make_prompts(blend(from_neighbours, shapes.own(k), random.uniform(0, OWN_SHARE)), grids, jitter=random)
        if prompts is not None:
            loss = mask_loss(low_res_logits(sam, embeddings[k], prompts), _targets(shapes.own(k), prompts, grids))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if on_step is not None:
            on_step(step + 1)


def low_res_logits(sam: Sam, embedding: Tensor, prompts: Prompts) -> Tensor:
    """SAM's answer to each prompt: (N, L, L) float32 on the network's device."""
    device = sam.device
    return sam.decode_prompts(
        embedding.to(device, torch.float32), boxes=prompts.boxes.to(device), masks=prompts.masks.to(device)
    )


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice loss of each mask, mean over masks. Both (N, L, L); targets 0 or 1."""
    targets = targets.to(logits.device)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, targets)
    probabilities = logits.sigmoid()
    overlap = 2 * (probabilities * targets).sum(dim=(1, 2))
    dice = (overlap + 1) / (probabilities.sum(dim=(1, 2)) + targets.sum(dim=(1, 2)) + 1)
    return cross_entropy + (1 - dice).mean()


def slice_scores(sam: Sam, embedding: Tensor, distances: Distances, grids: SliceGrids, shape_weight: float = 1.0) -> Distances:
    """Scores of one slice from its interpolated distances; `interpolation.to_labels` turns them into labels.

    `4 tanh(logit / 4)` plus the clipped signed distance in input pixels: where SAM is sure it decides, where it is not the
    shape does.

    Returns:
        label value -> (j, i) float32, above 0 inside; labels without a shape on this slice have none.
    """
    prompts = make_prompts(distances, grids)
    if prompts is None:
        return {}
    with torch.inference_mode():
        logits = grids.to_slice(low_res_logits(sam, embedding, prompts)).cpu()
    bounded = (LOGIT_LIMIT * torch.tanh(logits / LOGIT_LIMIT)).numpy()
    return {
        value: bounded[n] + shape_weight * np.clip(distances[value] / grids.input_pixel_mm, -LOGIT_LIMIT, LOGIT_LIMIT)
        for n, value in enumerate(prompts.values)
    }


def _targets(own: Distances, prompts: Prompts, grids: SliceGrids) -> Tensor:
    """(N, L, L) float32: 1 inside the annotated shape, 0 where the slice holds none of that label."""
    size = grids.low_res_size
    targets = torch.zeros(len(prompts.values), size, size)
    for n, value in enumerate(prompts.values):
        if value in own:
            targets[n] = (grids.to_low_res(torch.from_numpy(own[value])[None])[0] > 0).float()
    return targets
