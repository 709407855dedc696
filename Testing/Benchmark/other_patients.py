"""What a few annotated scans are worth on another patient: `make other-patients`, a table, and JSON in build/.

Three CTs of the archive that the sample is from: the sample (8 organs; slices 52 to 111), "upper abdomen" (20 slices of 2 mm
with 5 of these organs, of the pancreas hardly more than its tip), and "chest" (1.5 mm, with contrast; of the organs the aorta
alone is labelled; scored on every 4th slice). The archive's ``example_ct_sm`` is slices 82 to 111 of the sample, and no other
patient. The mask decoder is trained on every slice of the scans named first and scored on one that it never saw. The labels
are TotalSegmentator's predictions, not a person's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from dicom_ct import dicom_ct
from prompt_scans import second_ct_scan

from SAMedCore.demo.sample import ORGAN_OF_CLASS, ORGAN_SLICES, fetch_sample
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import Image, LabelMap
from SAMedCore.options import FinetuneOptions
from SAMedCore.segment import Segmenter, load_model
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.recipe import PRESETS, Recipe

OUT = Path("build/other-patients.json")
STEPS = 250
"""Of two slices each; a few minutes a training."""
ENCODED = 120
"""Slices, all versions together."""

TRAININGS = (
    ("sample",),
    ("upper abdomen",),
    ("sample", "upper abdomen"),
)
CHANGES = ("few-shot", "same-scan")
"""Names of `augment.AUGMENTATIONS`."""

SEEDS = (1234, 1)


def scans() -> dict[str, Case]:
    """The three CTs, each with its labels as `SYNAPSE_ORGANS` numbers them."""
    sample = Case(*fetch_sample(), slices=tuple(ORGAN_SLICES))
    volume, every_class = dicom_ct()
    organs = np.zeros_like(every_class.voxels, dtype=np.uint8)
    for source, organ in ORGAN_OF_CLASS.items():
        organs[every_class.voxels == source] = organ
    upper = Case(volume, LabelMap(organs, every_class.ijk_to_lps, SYNAPSE_ORGANS))
    chest = second_ct_scan()
    aorta = np.zeros(chest.volume.voxels.shape, dtype=np.uint8)
    aorta_view = turned_view(Image(aorta, chest.volume.ijk_to_lps), "LPS").voxels
    aorta_view[chest.structures["aorta"]] = SYNAPSE_ORGANS.values[6]
    return {
        "sample": sample,
        "upper abdomen": upper,
        "chest": Case(
            chest.volume, LabelMap(aorta, chest.volume.ijk_to_lps, SYNAPSE_ORGANS), tuple(range(0, len(aorta_view), 4))
        ),
    }


def recipe_for(cases: Sequence[Case], augmentation: str, seed: int) -> Recipe:
    """The first stage of `few-shot` for `STEPS` steps, whatever the number of slices."""
    count = sum(len(case.slices or range(case.volume.voxels.shape[0])) for case in cases)
    versions = max(1, ENCODED // count)
    stage = PRESETS["few-shot"].stages[0]
    epochs = max(1, round(STEPS * stage.batch_size / (count * versions)))
    stage = replace(stage, versions=versions, epochs=epochs, planned_epochs=epochs, minutes=None)
    return replace(PRESETS["few-shot"], stages=(stage,), augmentation=augmentation, seed=seed)


def trained_and_scored(cases: dict[str, Case], names: Sequence[str], augmentation: str, seed: int) -> dict:
    """Dice by scan that was not learnt from, and by organ that is labelled there."""
    learnt = [cases[name] for name in names]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "checkpoint"
        options = FinetuneOptions(str(out), base="lite", validation=0, device="cpu")
        finetune(learnt, options, recipe=recipe_for(learnt, augmentation, seed))
        model = load_model(out, "cpu")
    return {name: scores(model, case) for name, case in cases.items() if name not in names}


def scores(model: Segmenter, case: Case) -> dict[str, float]:
    """By organ, over the case's slices."""
    found = turned_view(model.segment(case.volume, slices=case.slices), "LPS").voxels
    truth = turned_view(case.labelmap, "LPS").voxels
    chosen = slice(None) if case.slices is None else list(case.slices)
    return {
        label.name: dice(found[chosen] == label.value, truth[chosen] == label.value)
        for label in case.labelmap.labels
        if (truth == label.value).any()
    }


def main() -> None:
    cases = scans()
    OUT.parent.mkdir(exist_ok=True)
    rows = json.loads(OUT.read_text()) if OUT.exists() else []
    done = {(tuple(row["trained on"]), row["augmentation"], row["seed"]) for row in rows}
    for seed, names, augmentation in product(SEEDS, TRAININGS, CHANGES):
        if (names, augmentation, seed) in done:
            continue
        found = trained_and_scored(cases, names, augmentation, seed)
        rows.append({"trained on": names, "augmentation": augmentation, "seed": seed, "dice": found})
        OUT.write_text(json.dumps(rows, indent=1))
        for name, organs in found.items():
            row = f"{' + '.join(names)} -> {name}, {augmentation}, seed {seed}"
            values = "  ".join(f"{organ} {value:.2f}" for organ, value in organs.items())
            print(f"{row}: mean {np.mean(list(organs.values())):.2f}; {values}", flush=True)


if __name__ == "__main__":
    main()
