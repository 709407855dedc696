"""How well doubt tells where a segmentation is wrong without a reference; printed.

The shipped checkpoint on the slices of the sample CT that it was not trained on. The labels are TotalSegmentator's
predictions, not a person's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from prompt_scans import Scan, ct_scan
from scipy.ndimage import binary_dilation
from scipy.stats import rankdata, spearmanr

from SAMedCore.demo.show import SCORED
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.options import SegmentOptions
from SAMedCore.segment import Segmenter, load_model

AROUND = 2
"""Voxels around what is drawn or true that a person would look at."""
BINS = 15


def area_under_roc(values: np.ndarray, is_wrong: np.ndarray) -> float:
    """The chance that a wrong voxel is more doubtful than a right one."""
    ranks = rankdata(values)
    wrong = np.count_nonzero(is_wrong)
    return float((ranks[is_wrong].sum() - wrong * (wrong + 1) / 2) / (wrong * (is_wrong.size - wrong)))


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean distance of confidence and accuracy over bins of confidence."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    gap = np.abs(np.bincount(bins, confidence, BINS) - np.bincount(bins, is_right, BINS))
    return float(gap.sum() / count.sum())


def report(model: Segmenter, scan: Scan, slices: Sequence[int]) -> None:
    """Print what doubt says of these slices' errors."""
    volume, chosen = reorient(scan.volume, "LPS"), list(slices)
    options = SegmentOptions(slices=slices, probabilities=True, uncertainty=True)
    found = model.segment_with_probabilities(volume, options)
    truth = np.zeros(volume.voxels.shape, np.uint8)
    known = {name: model.labels.subset([name]).values[0] for name in scan.structures if name in model.labels.names}
    for name, value in known.items():
        truth[scan.structures[name]] = value
    drawn, truth = (
        np.where(np.isin(found.labelmap.voxels, list(known.values())), found.labelmap.voxels, 0)[chosen],
        truth[chosen],
    )
    doubt = found.uncertainty[chosen].astype(np.float32)
    wrong = drawn != truth
    near = binary_dilation((drawn > 0) | (truth > 0), iterations=AROUND)

    by_slice = [found.slice_doubt[k] for k in chosen]
    pairs = list(zip(drawn, truth, strict=True))
    dices = np.array([np.mean([dice(d == v, t == v) for v in np.union1d(d, t) if v] or [1.0]) for d, t in pairs])
    parts = [(d != t).sum() / max(1, ((d > 0) | (t > 0)).sum()) for d, t in pairs]
    organs = {name: dice(drawn == value, truth == value) for name, value in known.items()}
    print(f"{len(chosen)} slices, {len(organs)} structures, mean Dice {np.mean(list(organs.values())):.3f}")
    print(f"  slices: Spearman of doubt and 1 - mean Dice {spearmanr(by_slice, 1 - dices).statistic:.2f}, ", end="")
    print(f"and the wrong part of its structures {spearmanr(by_slice, parts).statistic:.2f}")
    for name in sorted(organs, key=lambda name: -found.label_doubt[name]):
        print(f"  {name:16s} doubt {found.label_doubt[name]:.3f}, Dice {organs[name]:.3f}")
    statistic = spearmanr([found.label_doubt[name] for name in organs], [1 - value for value in organs.values()]).statistic
    print(f"  structures: Spearman of doubt and 1 - Dice {statistic:.2f}; median doubt of a slice {np.median(by_slice):.3f}")
    for where, inside in (("all voxels", np.ones_like(wrong)), (f"within {AROUND} voxels of a structure", near)):
        confidence = found.probabilities.max(0)[chosen][inside].astype(np.float64)
        print(
            f"  {where}: wrong {wrong[inside].mean():.4f}, AUROC {area_under_roc(doubt[inside], wrong[inside]):.3f}, ", end=""
        )
        print(f"calibration error {calibration_error(confidence, ~wrong[inside]):.4f}")
    for least in (0.1, 0.3, 0.5):
        marked = doubt > least
        print(f"  above {least}: {marked.mean():.4f} of the voxels, {wrong[marked].mean():.2f} of them wrong, ", end="")
        print(f"{(marked & wrong).sum() / wrong.sum():.2f} of what is wrong")


if __name__ == "__main__":
    report(load_model("abdomen-demo", "cpu"), ct_scan(), SCORED)
