"""What boxes and clicks are worth: Dice in 3D against the labels of two CTs and an MR; a table, and JSON in build/.

The boxes are the labels' own on each slice, a voxel wider on every side, as a person would draw them; the prompted slices lie
evenly from a structure's first slice to its last, one box on its largest. The clicks are on the centre of the largest error of
any slice, on the mask so far. No end is told: a structure is carried on until it ends by itself. The labels are
TotalSegmentator's predictions, not a person's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from prompt_scans import Scan, ct_scan, mr_scan, second_ct_scan
from scipy.ndimage import distance_transform_edt, label
from scipy.stats import spearmanr

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.prompts import Point, SlicePrompt
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.prompt.shapes import box_of
from SAMedCore.prompt.through import Carried, carry_on

OUT = Path("build/prompt-dice.json")
MARGIN = 1
"""Voxels by which a box is wider on each side than the structure."""
CLICKS = 5


def at(session: PromptSession, x: float, y: float, k: int) -> Point:
    """A slice's pixel in LPS, mm."""
    x_mm, y_mm, z_mm, _ = session.volume.ijk_to_lps @ (x, y, k, 1)
    return float(x_mm), float(y_mm), float(z_mm)


def box_prompt(session: PromptSession, mask: np.ndarray, k: int) -> SlicePrompt:
    left, top, right, bottom = box_of(mask) + MARGIN * np.array([-1, -1, 1, 1])
    return SlicePrompt((at(session, left, top, k), at(session, right, bottom, k)))


def boxed_slices(truth: np.ndarray, count: int) -> list[int]:
    """One: the largest; several: from the first to the last, evenly."""
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    if count == 1:
        return [int(truth.sum(axis=(1, 2)).argmax())]
    return sorted({int(held[n]) for n in np.linspace(0, len(held) - 1, count).round().astype(int)})


def from_boxes(session: PromptSession, truth: np.ndarray, count: int) -> dict[int, np.ndarray]:
    """The masks of so many boxes of a structure (k, j, i)."""
    return {k: session.mask(box_prompt(session, truth[k], k)).mask for k in boxed_slices(truth, count)}


def in_3d(carried: Carried, kept: Mapping[int, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    voxels = np.zeros(shape, bool)
    for k, mask in {**carried.masks, **kept}.items():
        voxels[k] = mask
    return voxels


def largest_error(drawn: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Slice, row and column of the centre of the largest connected error of any slice."""
    largest, place = 0, (0, 0, 0)
    for k in np.flatnonzero((drawn != truth).any(axis=(1, 2))):
        pieces, _ = label(drawn[k] != truth[k])
        sizes = np.bincount(pieces.ravel())[1:]
        if sizes.max() > largest:
            depth = distance_transform_edt(np.pad(pieces == 1 + sizes.argmax(), 1))[1:-1, 1:-1]
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            largest, place = sizes.max(), (int(k), int(row), int(column))
    return place


def clicked(session: PromptSession, truth: np.ndarray, kept: dict[int, np.ndarray], clicks: int) -> list[float]:
    """Dice before and after each click."""
    drawn = in_3d(carry_on(session, kept), kept, truth.shape)
    scores = [dice(drawn, truth)]
    for _ in range(clicks):
        k, row, column = largest_error(drawn, truth)
        point = (at(session, column, row, k),)
        prompt = SlicePrompt(points_in=point) if truth[k, row, column] else SlicePrompt(points_out=point)
        kept[k] = session.mask(prompt, drawn[k]).mask
        carried = carry_on(session, kept, changed=[k])
        for n in carried.span:
            drawn[n] = carried.masks.get(n, False)
        drawn[k] = kept[k]
        scores.append(dice(drawn, truth))
    return scores


def measured(session: PromptSession, scan: Scan, counts: Sequence[int]) -> dict[str, dict[str, float]]:
    """Boxes -> structure -> Dice; their mean; and Spearman's correlation of confidence and true Dice on carried slices."""
    table: dict[str, dict[str, float]] = {}
    for count in counts:
        row, confidence, true = {}, [], []
        for name, truth in scan.structures.items():
            kept = from_boxes(session, truth, count)
            carried = carry_on(session, kept)
            row[name] = dice(in_3d(carried, kept, truth.shape), truth)
            confidence += [carried.confidence[k] for k in carried.masks]
            true += [dice(mask, truth[k]) for k, mask in carried.masks.items()]
        row["mean"] = float(np.mean(list(row.values())))
        row["confidence"] = float(spearmanr(confidence, true).statistic) if len(true) > 2 else float("nan")
        table[f"{count} boxes"] = row
    return table


def with_clicks(session: PromptSession, scan: Scan, count: int) -> dict[str, dict[str, float]]:
    """Boxes and clicks -> structure -> Dice, "mean" among them."""
    each = {name: clicked(session, truth, from_boxes(session, truth, count), CLICKS) for name, truth in scan.structures.items()}
    rows = {}
    for done in range(1, CLICKS + 1):
        row = {name: scores[done] for name, scores in each.items()}
        rows[f"{count} boxes, {done} clicks"] = {**row, "mean": float(np.mean(list(row.values())))}
    return rows


def main() -> None:
    model = load_promptable("lite", "cpu")
    found: dict[str, dict[str, dict[str, float]]] = {}
    scan = ct_scan()
    session = open_session(scan.volume, model=model)
    found["sample CT"] = measured(session, scan, (1, 3, 5, 9)) | with_clicks(session, scan, 5) | with_clicks(session, scan, 9)
    scan = second_ct_scan()
    found["second CT"] = measured(open_session(scan.volume, model=model), scan, (1, 5, 9))
    scan = mr_scan()
    for intensities, words in (("auto", "percentiles"), ("ct", "the CT window")):
        options = PromptOptions(intensities=intensities)
        found[f"MR, {words}"] = measured(open_session(scan.volume, options, model), scan, (1, 5))
    for title, table in found.items():
        print(f"\n{title}")
        for given, row in table.items():
            print(f"  {given:18s}", "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
