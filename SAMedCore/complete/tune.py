"""Fine-tuning SAM's mask decoder on the annotated slices of one scan, its image embeddings being kept.

The image encoder stays as it is and has run before the training, so that a step costs no more than decoding a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from SAMedCore.complete.bend import bent
from SAMedCore.complete.prompts import Prompts, make_prompts
from SAMedCore.complete.shapes import SCORE_LIMIT, Distances, SliceShapes, blend
from SAMedCore.model.pixel_grids import PixelGrids, in_low_res
from SAMedCore.model.sam import Region, Sam

LEARNING_RATE = 2e-4
OWN_SHARE = 0.8
"""A training prompt holds at most this share of the slice's own shape; the rest is interpolated from its neighbours."""


def tunable(sam: Sam) -> tuple[Sam, list[torch.nn.Parameter]]:
    """A network to fine-tune that leaves this one as it is, and what of it learns: the mask decoder and the mask prompt.

    Both have one image encoder, which does not learn.
    """
    copy = Sam(sam.architecture, sam.image_encoder, deepcopy(sam.prompt_encoder), deepcopy(sam.mask_decoder), sam.input_size)
    for module in (copy.prompt_encoder, copy.mask_decoder):
        module.eval().requires_grad_(False)
    parameters = [*copy.mask_decoder.parameters(), *copy.prompt_encoder.mask_downscaling.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return copy, parameters


@dataclass(frozen=True, eq=False)
class Version:
    """A slice as the image encoder saw it once.

    Attributes:
        embedding: image_embedding (1, 256, E, E).
        bend: which `bend.make_bend` made, or None for the slice in its own shape.
    """

    embedding: Tensor
    bend: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from.

    Attributes:
        shapes: of the annotated slices.
        slices: at least two annotated slices; no other is looked at.
        versions: of each slice one or more, of which each step takes one.
        grids: pixel grids of a slice.
    """

    shapes: SliceShapes
    slices: Sequence[int]
    versions: Mapping[int, Sequence[Version]]
    grids: PixelGrids


def finetune(
    sam: Sam,
    parameters: Sequence[torch.nn.Parameter],
    lesson: Lesson,
    steps: int,
    seed: int,
    on_step: Callable[[int], None],
) -> None:
    """Teach the mask decoder to redraw the interpolated shapes of the slices as they were annotated, in place.

    Each step shows one slice in one version through a mix of its own shape (0 to 0.8) and what its neighbours say of it, the
    box sides moved by up to a pixel; AdamW, the rate falling linearly to 0, binary cross-entropy plus Dice.

    Args:
        sam: from `tunable`.
        parameters: from `tunable`.
        lesson: what is learnt from.
        steps: number of slices shown.
        seed: of the order of the slices, the mixes and the boxes.
        on_step: called after each step with the number of steps done; may raise to stop.
    """
    shapes, slices, grids = lesson.shapes, lesson.slices, lesson.grids
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE)
    order: list[int] = []
    from_neighbours: dict[int, Distances] = {}
    for step in range(steps):
        order = order or [int(k) for k in random.permutation(slices)]
        k = order.pop()
        if k not in from_neighbours:
            expected = shapes.at(k, using=[other for other in slices if other != k])
            # taught that a structure has ended, it forgets small ones on slices that hold them: half of the pancreas' Dice
            from_neighbours[k] = {value: expected[value] for value in expected if value in shapes.own(k)}
        version = lesson.versions[k][int(random.integers(len(lesson.versions[k])))]
        expected, own = _bent(from_neighbours[k], version.bend), _bent(shapes.own(k), version.bend)
        prompts = make_prompts(blend(expected, own, random.uniform(0, OWN_SHARE), blunt=True), grids, jitter=random)
        if prompts is not None:
            targets = _targets(own, prompts, grids)
            logits = region_logits(sam, version.embedding, prompts)
            loss = torch.stack([mask_loss(one, target) for one, target in zip(logits, targets, strict=True)]).mean()
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        on_step(step + 1)


def region_logits(sam: Sam, embedding: Tensor, prompts: Prompts) -> list[Tensor]:
    """SAM's answer to each prompt by its single-mask token, looking at the prompt's region alone.

    Args:
        sam: with SAM's own mask tokens.
        embedding: (1, 256, E, E).
        prompts: N of them.

    Returns:
        N times low_res_logits (h, w) of the region, on the network's device.
    """
    device, embedding = sam.device, embedding.to(sam.device, torch.float32)
    answers = []
    for box, mask, region in zip(prompts.boxes, prompts.masks, prompts.regions, strict=True):
        shape = mask[(slice(None), *in_low_res(region))]
        logits, _quality = sam.decode_prompts(embedding, box[None].to(device), shape[None].to(device), region)
        answers.append(logits[0])
    return answers


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice loss of one mask; both (h, w), the target 0 or 1."""
    target = target.to(logits.device)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, target)
    probabilities = logits.sigmoid()
    dice = (2 * (probabilities * target).sum() + 1) / (probabilities.sum() + target.sum() + 1)
    return cross_entropy + 1 - dice


@dataclass(frozen=True)
class Answer:
    """What the network says of one slice.

    Attributes:
        values: label values, N of them.
        regions: N times the rows and columns of image tokens that were looked at.
        logits: N times low_res_logits (h, w) of the region, on the CPU.
    """

    values: tuple[int, ...]
    regions: tuple[Region, ...]
    logits: tuple[Tensor, ...]

    def scores(self, grids: PixelGrids) -> Distances:
        """label value -> (j, i) float32, `4 tanh(logit / 4)`, above 0 inside; labels without a shape here have none."""
        if not self.values:
            return {}
        bounded = torch.full((len(self.values), grids.low_res_size, grids.low_res_size), -SCORE_LIMIT)
        for n, (region, logits) in enumerate(zip(self.regions, self.logits, strict=True)):
            bounded[(n, *in_low_res(region))] = SCORE_LIMIT * torch.tanh(logits / SCORE_LIMIT)
        return dict(zip(self.values, grids.to_slice(bounded).numpy(), strict=True))


def answer(sam: Sam, embedding: Tensor, distances: Distances, grids: PixelGrids) -> Answer:
    """What the network makes of one slice's interpolated distances, as a box and a mask prompt of each shape."""
    prompts = make_prompts(distances, grids)
    if prompts is None:
        return Answer((), (), ())
    with torch.inference_mode():
        logits = tuple(one.cpu() for one in region_logits(sam, embedding, prompts))
    return Answer(prompts.values, prompts.regions, logits)


def _bent(distances: Distances, bend: Tensor | None) -> Distances:
    if bend is None or not distances:
        return distances
    moved = bent(torch.from_numpy(np.stack(list(distances.values()))), bend)
    return dict(zip(distances, moved.numpy(), strict=True))


def _targets(own: Distances, prompts: Prompts, grids: PixelGrids) -> list[Tensor]:
    """N times (h, w) float32 of a region: 1 inside the annotated shape."""
    targets = []
    for value, region in zip(prompts.values, prompts.regions, strict=True):
        inside = grids.to_low_res(torch.from_numpy(own[value])[None])[0] > 0
        targets.append(inside[in_low_res(region)].float())
    return targets
