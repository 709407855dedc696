"""What a person's boxes on a checkpoint's answer are worth: Dice in 3D of four ways, a table, and JSON in build/.

The checkpoints are poor in different ways, as a department's first ones are: trained on few slices, on the upper half of the
sample and asked on the lower one, or on another patient. A simulated person boxes the slices with the most wrong pixels, some
apart, by the label's own box with a voxel to spare, and empties those that the structure is not on. All constants were chosen
on the even organs of two of them; the odd organs and the others are what counts. The labels are TotalSegmentator's predictions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from other_ct import other_ct
from prompt_dice import box_prompt
from prompt_scans import ct_scan

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.demo.sample import fetch_sample
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import FinetuneOptions
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.prompt.through import carry_on
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.recipe import FEW_SHOT
from SAMedCore.train.start import run_folder

OUT = Path("build/corrected")
CORRECTED = (0, 1, 3, 5)
APART = 4
"""Slices between two that a person corrects: the worst ones lie side by side."""
FEWEST = 200
"""Voxels of a structure that is scored."""
LOWER_HALF = 82
ODD = ("spleen", "left kidney", "liver", "aorta")
"""On which nothing was chosen."""


@dataclass(frozen=True, eq=False)
class Answered:
    """A checkpoint's answer: the scan, the truth, and what it drew there, name -> (k, j, i) bool in the orientation LPS."""

    session: PromptSession
    truth: Mapping[str, np.ndarray]
    rough: Mapping[str, np.ndarray]


def trained(name: str, case: Case, slices: tuple[int, ...], versions: int, epochs: int, planned: int) -> Path:
    """The checkpoint in build/, trained unless it is there: the first stage of few-shot, stopped before its planned end."""
    folder = OUT / name
    if not folder.exists():
        stage = replace(FEW_SHOT.stages[0], versions=versions, planned_epochs=planned, epochs=epochs, minutes=None)
        options = FinetuneOptions(str(folder), base="lite", validation=0, slices=slices, resume=run_folder(folder).exists())
        finetune([case], options, recipe=replace(FEW_SHOT, stages=(stage,)))
    return folder


def answers() -> Iterator[tuple[str, Answered]]:
    """Of each checkpoint, by its description."""
    sample, truth, model = Case(*fetch_sample()), ct_scan().structures, load_promptable("lite", "cpu")
    session = open_session(sample.volume, model=model)
    yield "shipped", Answered(session, truth, drawn_by("abdomen-demo", sample.volume))
    three = trained("three", sample, (60, 82, 104), 8, 10, 10)
    yield "three slices", Answered(session, truth, drawn_by(three, sample.volume))
    upper = trained("upper", sample, tuple(range(LOWER_HALF, 112, 6)), 12, 20, 20)
    yield (
        "upper half",
        Answered(
            open_session(lowest(session.volume), model=model),
            {name: mask[:LOWER_HALF] for name, mask in truth.items()},
            {name: mask[:LOWER_HALF] for name, mask in drawn_by(upper, sample.volume).items()},
        ),
    )
    other = trained("other", Case(*other_ct()), tuple(range(0, 20, 3)), 12, 3, 20)
    yield "another patient", Answered(session, truth, drawn_by(other, sample.volume))


def lowest(volume: Volume) -> Volume:
    """The slices below `LOWER_HALF` of a volume in the orientation LPS."""
    return Volume(volume.voxels[:LOWER_HALF], volume.ijk_to_lps)


def drawn_by(checkpoint: Path | str, volume: Volume) -> dict[str, np.ndarray]:
    drawn: LabelMap = load_model(checkpoint, "cpu").segment(volume)
    voxels = turned_view(drawn, "LPS").voxels
    return {label.name: voxels == label.value for label in drawn.labels}


def worst(truth: np.ndarray, drawn: np.ndarray, count: int) -> list[int]:
    """The slices with the most wrong pixels, the first of which holds the structure."""
    errors, chosen = (truth != drawn).sum(axis=(1, 2)), list[int]()
    for k in np.argsort(-errors, kind="stable").tolist():
        if len(chosen) == count or not errors[k]:
            break
        if (chosen or truth[k].any()) and all(abs(k - other) >= APART for other in chosen):
            chosen.append(k)
    return chosen


def corrected(answered: Answered, name: str, count: int) -> dict[str, float]:
    """Dice of the checkpoint, of it with so many slices corrected, of the boxes alone, and of the boxes on the answer."""
    session, truth, rough = answered.session, answered.truth[name], answered.rough[name]
    empty = np.zeros_like(truth[0])
    kept = {
        k: session.mask(box_prompt(session, truth[k], k)).mask if truth[k].any() else empty for k in worst(truth, rough, count)
    }
    others = {k: rough[k] for k in range(len(rough)) if k not in kept}
    row = {"checkpoint": dice(rough, truth)}
    if kept:
        row["corrected"] = dice(in_3d(others, kept, truth.shape), truth)
        row["boxes"] = dice(in_3d(carry_on(session, kept).masks, kept, truth.shape), truth)
    both = carry_on(session, kept, rough=others)
    # Where nothing of it is believed the span is empty, and a client leaves what the checkpoint drew.
    row["both"] = dice(in_3d(both.masks, kept, truth.shape), truth) if both.span else row["checkpoint"]
    return row


def in_3d(masks: Mapping[int, np.ndarray], kept: Mapping[int, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    voxels = np.zeros(shape, bool)
    for k, mask in {**masks, **kept}.items():
        voxels[k] = mask
    return voxels


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for title, answered in answers():
        names = [
            name for name, mask in answered.truth.items() if mask.sum() >= FEWEST and answered.rough.get(name, mask[:0]).any()
        ]
        for count in CORRECTED:
            rows = {name: corrected(answered, name, count) for name in names}
            for group, members in (("even", set(names) - set(ODD)), ("odd", set(names) & set(ODD))):
                chosen = [row for name, row in rows.items() if name in members]
                if chosen:
                    rows[f"mean of {group}"] = {way: float(np.mean([row[way] for row in chosen])) for way in chosen[0]}
            found[f"{title}, {count} corrected"] = rows
            for name, row in rows.items():
                print(
                    f"{title}, {count}: {name:14s}", "  ".join(f"{way} {value:.3f}" for way, value in row.items()), flush=True
                )
    (OUT / "dice.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
