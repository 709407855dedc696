"""Which slice to annotate next: the middle of the widest gap, the one that a model doubts most, or any; a table, and JSON.

On slices 52 to 111 of the sample CT. Three annotated ones, evenly spaced, are given; one at a time is added, its labels being
the reference's (TotalSegmentator's, not a person's). The model is trained anew after each: the few-shot recipe's first stage,
short, on embeddings that are computed once. What the slices are worth is the mean Dice of eight organs on all slices that were
not annotated: of the free way to complete them (shape interpolation), of the completing network after a short training, and of
that few-shot model.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from SAMedCore.checkpoint.load import find_base_model, load_promptable, read_base
from SAMedCore.complete.filler import PartialScan
from SAMedCore.complete.network import Network
from SAMedCore.complete.shapes import SliceShapes, interpolated
from SAMedCore.demo.sample import ORGAN_SLICES, fetch_sample
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.slices import widest_gaps_first
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.answers import winners
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.promptable import Promptable
from SAMedCore.model.sam import Sam
from SAMedCore.model.uncertainty import slice_doubt
from SAMedCore.model.weights import build_pretrained
from SAMedCore.options import CompleteOptions
from SAMedCore.train.cases import Case
from SAMedCore.train.embeddings import EmbeddingDataset, encode_slices
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import FEW_SHOT, learning_rate
from SAMedCore.train.slices import slice_dataset
from SAMedCore.work import SILENT

OUT = Path("build/next-slice.json")
STARTS = ((58, 78, 98), (62, 82, 102), (66, 86, 106))
"""The slices that are given, one row for each seed."""
SCORED_AT = (5, 7, 9)
NETWORKS_AT = (5, 9)
"""So many annotated slices for what takes longest."""
VERSIONS, STEPS, BATCH = 4, 120, 2
NETWORK_STEPS = 80
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Remembering(Promptable):
    """A base model that encodes no image twice."""

    seen: dict[bytes, torch.Tensor] = field(default_factory=dict)

    def encode(self, images: np.ndarray) -> torch.Tensor:
        key = images.tobytes()
        if key not in self.seen:
            self.seen[key] = super().encode(images)
        return self.seen[key]


class Sample:
    """The scan, its labels, and its slices encoded once."""

    def __init__(self) -> None:
        volume, labels = fetch_sample()
        self.volume: Volume = reorient(volume, "LPS")
        self.labels: LabelMap = reorient(labels, "LPS")
        self.promptable = Remembering(**vars(load_promptable("lite", "cpu")))
        base, path = find_base_model("lite")
        self.preprocessing = architecture_of(base.architecture).tuning_at(FEW_SHOT.sizes)
        torch.manual_seed(0)
        state = read_base(base, path)
        self.sam = build_pretrained(
            base.architecture, len(labels.labels), self.preprocessing.input_size, state, str(path)
        ).requires_grad_(False)
        case = Case(self.volume, self.labels)
        given = self.labels.labels, self.preprocessing, self.sam.low_res_size, ORGAN_SLICES
        dataset = slice_dataset([case], *given).augmented(FEW_SHOT.augmentation, FEW_SHOT.seed)
        encode = self.sam.eval().encode
        self.versions = encode_slices(encode, dataset, VERSIONS, CPU)
        self.plain = encode_slices(encode, dataset.augmented(None, 0), 1, CPU)

    def score(self, drawn: dict[int, np.ndarray]) -> float:
        """Mean over the organs of the Dice on these slices."""
        slices = sorted(drawn)
        found, truth = np.stack([drawn[k] for k in slices]), self.labels.voxels[slices]
        return float(np.mean([dice(found == value, truth == value) for value in np.unique(truth)[1:]]))


def trained(sample: Sample, annotated: Sequence[int], seed: int) -> Sam:
    """The few-shot model of these slices."""
    indices = [k - ORGAN_SLICES.start for k in annotated]
    items = EmbeddingDataset(sample.versions.embeddings[:, indices], sample.versions.low_res_labels[:, indices])
    sam = deepcopy(sample.sam)
    for module in (sam.mask_decoder, sam.prompt_encoder):
        module.train().requires_grad_(True)
    stage, optimization = FEW_SHOT.stages[0], Optimization.of(sam, FEW_SHOT, CPU)
    draw, order = np.random.default_rng(seed), []
    for step in range(STEPS):
        while len(order) < BATCH:
            order += draw.permutation(VERSIONS * len(indices)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        inputs, labels = zip(*(items[divmod(number, len(indices))] for number in chosen), strict=True)
        rate = learning_rate(step, stage.base_rate, stage.warmup_steps, STEPS, stage.power)
        optimization.step(sam.decode, torch.stack(inputs), torch.stack(labels), rate)
    return sam.eval()


@torch.inference_mode()
def answered(sample: Sample, sam: Sam, slices: Sequence[int]) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """The model's labels, and its doubt, of each slice."""
    drawn, doubt = {}, {}
    values = np.array([0, *sample.labels.labels.values], np.uint8)
    for k in slices:
        logits = sam.decode(sample.plain.embeddings[0, [k - ORGAN_SLICES.start]].float())
        classes = winners(logits, sam.input_size).numpy()
        drawn[k] = values[sample.preprocessing.restore_labels(classes, sample.labels.voxels.shape[1:])][0]
        doubt[k] = float(slice_doubt(logits))
    return drawn, doubt


def completed(sample: Sample, annotated: Sequence[int], missing: Sequence[int], seed: int | None) -> dict[int, np.ndarray]:
    """By the network trained with this seed, or where None by shape interpolation."""
    i_mm, j_mm, _ = sample.volume.grid.spacing_mm
    shapes = SliceShapes(sample.labels.voxels, annotated, (j_mm, i_mm))
    if seed is None:
        return {k: interpolated(shapes, k, annotated) for k in missing}
    options = CompleteOptions(tuple(annotated), device="cpu", steps=NETWORK_STEPS, seed=seed)
    return Network(PartialScan(sample.volume, shapes, options, SILENT, sample.promptable)).fill(missing)


def rest(annotated: Sequence[int]) -> list[int]:
    return [k for k in ORGAN_SLICES if k not in annotated]


def by_spacing(sample: Sample, annotated: Sequence[int], model: Callable[[], Sam], draw: np.random.Generator) -> int:
    return widest_gaps_first(annotated, ORGAN_SLICES)[0]


def by_doubt(sample: Sample, annotated: Sequence[int], model: Callable[[], Sam], draw: np.random.Generator) -> int:
    _, doubt = answered(sample, model(), rest(annotated))
    return max(doubt, key=doubt.__getitem__)


def by_chance(sample: Sample, annotated: Sequence[int], model: Callable[[], Sam], draw: np.random.Generator) -> int:
    return int(draw.choice(rest(annotated)))


WAYS = {"spacing": by_spacing, "doubt": by_doubt, "chance": by_chance}


def measured(sample: Sample, way: str, seed: int) -> list[dict]:
    """A row for each number of annotated slices that is scored."""
    annotated, draw, rows = list(STARTS[seed]), np.random.default_rng(seed), []
    model = cache(lambda *slices: trained(sample, slices, seed))
    while len(annotated) < max(SCORED_AT):
        annotated.append(WAYS[way](sample, annotated, partial(model, *annotated), draw))
        if len(annotated) in SCORED_AT:
            missing, ordered = rest(annotated), sorted(annotated)
            row = {"way": way, "seed": seed, "annotated": ordered}
            row["interpolation"] = sample.score(completed(sample, ordered, missing, None))
            if len(annotated) in NETWORKS_AT:
                row["few-shot"] = sample.score(answered(sample, model(*annotated), missing)[0])
                row["network"] = sample.score(completed(sample, ordered, missing, seed))
            rows.append(row)
            print(f"{time.strftime('%H:%M:%S')} {row}", flush=True)
    return rows


def main() -> None:
    sample = Sample()
    rows = [row for seed in range(len(STARTS)) for way in WAYS for row in measured(sample, way, seed)]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table: dict[tuple, list[float]] = defaultdict(list)
    for row in rows:
        for what in ("interpolation", "network", "few-shot"):
            if what in row:
                table[what, len(row["annotated"]), row["way"]].append(row[what])
    print("mean Dice on the slices that were not annotated (lowest to highest of the seeds)")
    for (what, count, way), dices in sorted(table.items()):
        print(f"  {what:14s} {count:2d} slices, {way:8s} {np.mean(dices):.3f} ({min(dices):.3f} to {max(dices):.3f})")


if __name__ == "__main__":
    main()
