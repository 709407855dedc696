"""Which slice to annotate next: the middle of the widest gap, the one that a model doubts most, or any; a table, and JSON.

On slices 52 to 111 of the sample CT. Three annotated ones, evenly spaced, are given; one at a time is added, its labels being
the reference's (TotalSegmentator's, not a person's). What the slices are worth is the mean Dice of eight organs on all slices
that were not annotated. First what needs no training: doubt is the shipped checkpoint's, which knows this scan better than any
model that one would have by then, and the slices are completed by shape interpolation. Then, with "train" as an argument, doubt
is that of a model trained anew after each slice (the few-shot recipe's first stage, short, on embeddings that are computed
once), and what counts is also that model, and the completing network after a short training.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
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
from SAMedCore.options import CompleteOptions, SegmentOptions
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Case
from SAMedCore.train.embeddings import EmbeddingDataset, encode_slices
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import FEW_SHOT, learning_rate
from SAMedCore.train.slices import slice_dataset
from SAMedCore.work import SILENT

OUT = Path("build/next-slice.json")
STARTS = ((58, 78, 98), (62, 82, 102), (66, 86, 106))
"""The slices that are given, one row for each seed."""
SCORED_AT = (5, 7, 9, 13)
TRAINED_AT = (5, 9)
VERSIONS, STEPS, BATCH = 4, 120, 2
NETWORK_STEPS = 80
CPU = torch.device("cpu")

Choose = Callable[[list[int]], int]
"""The annotated slices to the next one."""


class Sample:
    """The scan and its labels."""

    def __init__(self) -> None:
        volume, labels = fetch_sample()
        self.volume: Volume = reorient(volume, "LPS")
        self.labels: LabelMap = reorient(labels, "LPS")

    def score(self, drawn: dict[int, np.ndarray]) -> float:
        """Mean over the organs of the Dice on these slices."""
        slices = sorted(drawn)
        found, truth = np.stack([drawn[k] for k in slices]), self.labels.voxels[slices]
        return float(np.mean([dice(found == value, truth == value) for value in np.unique(truth)[1:]]))

    def shapes(self, annotated: Sequence[int]) -> SliceShapes:
        i_mm, j_mm, _ = self.volume.grid.spacing_mm
        return SliceShapes(self.labels.voxels, sorted(annotated), (j_mm, i_mm))

    def interpolated(self, annotated: Sequence[int]) -> float:
        """The score of what shape interpolation makes of the annotated slices."""
        shapes = self.shapes(annotated)
        return self.score({k: interpolated(shapes, k, shapes.annotated) for k in rest(annotated)})


@dataclass(frozen=True)
class Remembering(Promptable):
    """A base model that encodes no image twice."""

    seen: dict[bytes, torch.Tensor] = field(default_factory=dict)

    def encode(self, images: np.ndarray) -> torch.Tensor:
        key = images.tobytes()
        if key not in self.seen:
            self.seen[key] = super().encode(images)
        return self.seen[key]


class Learner:
    """Networks that learn from annotated slices, encoded once."""

    def __init__(self, sample: Sample) -> None:
        self.sample, self.promptable = sample, Remembering(**vars(load_promptable("lite", "cpu")))
        base, path = find_base_model("lite")
        self.preprocessing = architecture_of(base.architecture).tuning_at(FEW_SHOT.sizes)
        torch.manual_seed(0)
        given = base.architecture, len(sample.labels.labels), self.preprocessing.input_size, read_base(base, path), str(path)
        self.sam = build_pretrained(*given).requires_grad_(False).eval()
        given = sample.labels.labels, self.preprocessing, self.sam.low_res_size, ORGAN_SLICES
        dataset = slice_dataset([Case(sample.volume, sample.labels)], *given)
        self.versions = encode_slices(self.sam.encode, dataset.augmented(FEW_SHOT.augmentation, FEW_SHOT.seed), VERSIONS, CPU)
        self.plain = encode_slices(self.sam.encode, dataset, 1, CPU)

    @cache  # noqa: B019 - it lives as long as the script
    def few_shot(self, annotated: tuple[int, ...], seed: int) -> tuple[dict[int, np.ndarray], dict[int, float]]:
        """A few-shot model's labels of each other slice, and its doubt."""
        sam, drawn, doubt = self._trained([k - ORGAN_SLICES.start for k in annotated], seed), {}, {}
        values = np.array([0, *self.sample.labels.labels.values], np.uint8)
        with torch.inference_mode():
            for k in rest(annotated):
                logits = sam.decode(self.plain.embeddings[0, [k - ORGAN_SLICES.start]].float())
                classes = winners(logits, sam.input_size).numpy()
                drawn[k] = values[self.preprocessing.restore_labels(classes, self.sample.labels.voxels.shape[1:])][0]
                doubt[k] = float(slice_doubt(logits))
        return drawn, doubt

    def _trained(self, indices: list[int], seed: int) -> Sam:
        items = EmbeddingDataset(self.versions.embeddings[:, indices], self.versions.low_res_labels[:, indices])
        sam = deepcopy(self.sam)
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

    def completed(self, annotated: Sequence[int], seed: int) -> dict[int, np.ndarray]:
        """The other slices by the completing network."""
        options = CompleteOptions(tuple(sorted(annotated)), device="cpu", steps=NETWORK_STEPS, seed=seed)
        scan = PartialScan(self.sample.volume, self.sample.shapes(annotated), options, SILENT, self.promptable)
        return Network(scan).fill(rest(annotated))


def rest(annotated: Sequence[int]) -> list[int]:
    return [k for k in ORGAN_SLICES if k not in annotated]


def by_spacing(annotated: list[int]) -> int:
    return widest_gaps_first(annotated, ORGAN_SLICES)[0]


def by_chance(seed: int) -> Choose:
    draw = np.random.default_rng(seed)
    return lambda annotated: int(draw.choice(rest(annotated)))


def by_doubt(doubt: Callable[[list[int]], dict[int, float]]) -> Choose:
    """The most doubtful; `doubt` gives each slice's."""
    return lambda annotated: max(rest(annotated), key=doubt(annotated).__getitem__)


def measured(way: str, seed: int, choose: Choose, worth: dict[str, Callable[[list[int]], float]], at: Sequence[int]) -> list:
    """(what, number of annotated slices, way, Dice) for each of `worth` at each of these numbers."""
    annotated, rows = list(STARTS[seed]), []
    while len(annotated) < max(at):
        annotated.append(choose(annotated))
        if len(annotated) in at:
            rows += [(what, len(annotated), way, score(annotated)) for what, score in worth.items()]
            print(f"{way}, seed {seed}, {sorted(annotated)}: {rows[-len(worth) :]}", flush=True)
    return rows


def untrained(sample: Sample) -> list:
    found = load_model("abdomen-demo", "cpu").segment_with_probabilities(
        sample.volume, SegmentOptions(slices=ORGAN_SLICES, uncertainty=True)
    )
    doubt = dict(enumerate(found.slice_doubt))
    rows = []
    for seed in range(len(STARTS)):
        ways = {"spacing": by_spacing, "shipped doubt": by_doubt(lambda _: doubt), "chance": by_chance(seed)}
        for way, choose in ways.items():
            rows += measured(way, seed, choose, {"interpolation": sample.interpolated}, SCORED_AT)
    return rows


def with_training(sample: Sample) -> list:
    learner, rows = Learner(sample), []
    for seed in range(len(STARTS)):
        worth = {
            "interpolation, trained": sample.interpolated,
            "few-shot": lambda annotated, seed=seed: sample.score(learner.few_shot(tuple(annotated), seed)[0]),
            "network": lambda annotated, seed=seed: sample.score(learner.completed(annotated, seed)),
        }
        doubt = by_doubt(lambda annotated, seed=seed: learner.few_shot(tuple(annotated), seed)[1])
        for way, choose in {"spacing": by_spacing, "own doubt": doubt, "chance": by_chance(seed)}.items():
            rows += measured(way, seed, choose, worth, TRAINED_AT)
    return rows


def main() -> None:
    sample = Sample()
    rows = untrained(sample) + (with_training(sample) if "train" in sys.argv[1:] else [])
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table: dict[tuple, list[float]] = defaultdict(list)
    for what, count, way, score in rows:
        table[what, count, way].append(score)
    print("mean Dice on the slices that were not annotated (lowest to highest of the seeds)")
    for (what, count, way), dices in table.items():
        print(f"  {what:22s} {count:2d} slices, {way:14s} {np.mean(dices):.3f} ({min(dices):.3f} to {max(dices):.3f})")


if __name__ == "__main__":
    main()
