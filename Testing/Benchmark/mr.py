"""What the MR of 20 slices gives: boxes, completing and a checkpoint of its own, in Dice; a table, and JSON in build/.

The labels are TotalSegmentator's predictions (`total_mr`), not a person's. Completing and the checkpoint learn from evenly
spaced slices and are scored on all the others, structure by structure in 3D, with three seeds; what completing does without a
network stands beside it. `make mr` prints it; `Docs/mr.md` has what came out.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from prompt_dice import measured
from prompt_scans import Scan, as_case, mr_scan

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.complete.choose import FILLERS
from SAMedCore.complete.filler import PartialScan
from SAMedCore.complete.scan import complete
from SAMedCore.complete.shapes import SliceShapes, reach, to_labels
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import CompleteOptions, FinetuneOptions, PromptOptions
from SAMedCore.prompt.session import open_session
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.recipe import recipe_of
from SAMedCore.work import SILENT

OUT = Path("build/mr.json")
SEEDS = (0, 1, 2)
COMPLETED_FROM = (6, 4)
TRAINED_FROM = 4
EPOCHS = 12
"""Of 5 slices in 16 versions, two a step: 480 steps, some minutes a checkpoint."""
Row = dict[str, float]


def annotated_slices(count: int, every: int) -> tuple[int, ...]:
    return tuple(range(0, count, every))


def scores(drawn: np.ndarray, case: Case, slices: Sequence[int]) -> Row:
    """Structure -> Dice on these slices together, and their mean; those that are on none of them are left out."""
    truth = case.labelmap.voxels[list(slices)]
    found = drawn[list(slices)]
    each = {
        label.name: float(dice(found == label.value, truth == label.value))
        for label in case.labelmap.labels
        if (truth == label.value).any()
    }
    return {**each, "mean": float(np.mean(list(each.values())))}


def boxed(scan: Scan) -> dict[str, Row]:
    """Five boxes a structure, as the values are and as if they were HU."""
    model, rows = load_promptable("lite", "cpu"), {}
    for intensities, words in (("auto", "percentiles"), ("ct", "the CT window")):
        session = open_session(scan.volume, PromptOptions(intensities=intensities), model)
        row = measured(session, scan, (5,))["5 boxes"]
        rows[f"five boxes, {words}"] = {name: value for name, value in row.items() if name != "confidence"}
    return rows


def completed(case: Case, every: int) -> dict[str, Row]:
    """The slices between the annotated ones, without a network and with all that completing has."""
    annotated = annotated_slices(len(case.volume.voxels), every)
    missing = [k for k in reach(annotated, len(case.volume.voxels)) if k not in annotated]
    i_mm, j_mm, _ = case.volume.grid.spacing_mm
    shapes = SliceShapes(case.labelmap.voxels, annotated, (j_mm, i_mm))
    rows = {}
    for filler in FILLERS:
        if not filler.worth_it_by:
            filled = filler(PartialScan(case.volume, shapes, CompleteOptions(), SILENT)).fill(missing)
            drawn = np.zeros_like(case.labelmap.voxels)
            for k, found in filled:
                drawn[k] = to_labels(found, drawn.shape[1:], drawn.dtype)
            rows[f"every {every}th, {filler.title}"] = scores(drawn, case, missing)
    for seed in SEEDS:
        begun = time.monotonic()
        options = CompleteOptions(annotated, device="cpu", seed=seed)
        completion = complete(case.volume, only_on(case.labelmap, annotated), options)
        row = scores(completion.labelmap.voxels, case, missing)
        rows[f"every {every}th, completed, seed {seed} ({completion.method})"] = row
        print(f"every {every}th, seed {seed}: {time.monotonic() - begun:.0f} s; {completion.summary()}", flush=True)
    return rows


def trained(case: Case, folder: Path) -> dict[str, Row]:
    """Checkpoints by `EPOCHS` of the preset "few-shot" on every 4th slice, scored on the others."""
    annotated = annotated_slices(len(case.volume.voxels), TRAINED_FROM)
    unseen = [k for k in range(len(case.volume.voxels)) if k not in annotated]
    rows = {}
    for seed, intensities in (*((seed, "auto") for seed in SEEDS), (SEEDS[0], "ct")):
        begun, out = time.monotonic(), folder / f"{intensities}-{seed}"
        options = FinetuneOptions(
            str(out), base="lite", validation=0, slices=annotated, epochs=EPOCHS, device="cpu", intensities=intensities
        )
        finetune([case], options, recipe=replace(recipe_of(options), seed=seed))
        row = scores(load_model(out, "cpu").segment(case.volume).voxels, case, unseen)
        words = "percentiles" if intensities == "auto" else "the CT window"
        rows[f"checkpoint, {words}, seed {seed}"] = row
        print(f"checkpoint, {words}, seed {seed}: {time.monotonic() - begun:.0f} s; mean {row['mean']:.3f}", flush=True)
    return rows


def only_on(labelmap: LabelMap, slices: Sequence[int]) -> LabelMap:
    voxels = np.zeros_like(labelmap.voxels)
    voxels[list(slices)] = labelmap.voxels[list(slices)]
    return replace(labelmap, voxels=voxels)


def as_table(rows: Mapping[str, Row]) -> str:
    """Markdown, a structure a column."""
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {title} | {' | '.join(f'{row[name]:.3f}' for name in names)} |" for title, row in rows.items()]
    return "\n".join(lines)


def main() -> None:
    scan = mr_scan()
    case = as_case(scan)
    tables: dict[str, dict[str, Row]] = {}
    OUT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "boxes": lambda: boxed(scan),
            **{f"every {every}th": partial(completed, case, every) for every in COMPLETED_FROM},
            "checkpoints": lambda: trained(case, Path(folder)),
        }
        for title, measure in parts.items():
            tables[title] = measure()
            print(as_table(tables[title]), flush=True)
            OUT.write_text(json.dumps(tables, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
