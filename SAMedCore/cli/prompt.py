"""Draw structures from boxes and points on a few slices.

PROMPTS are markups that 3D Slicer saved (.mrk.json: points, planes, ROIs), JSON files as Docs/prompts.md has them, or
folders of both. No checkpoint is needed, only a base model; with the answer of one (--answer), the prompts correct it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAMedCore.address import is_elsewhere
from SAMedCore.cli.console import Console, add_device, add_intensities, add_json, slice_limits
from SAMedCore.options import DEFAULT_BASE, PromptOptions

if TYPE_CHECKING:
    from SAMedCore.image.segmentation import Prompted

LOOK_AT = 3
"""How many of the slices that the model is least sure of are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", metavar="CT", type=Path, help="a file that SimpleITK reads, or a DICOM series folder")
    parser.add_argument("prompts", metavar="PROMPTS", type=Path, nargs="+", help="files or folders with boxes and points")
    parser.add_argument("out", metavar="OUT", type=Path, help="the segmentation to write")
    parser.add_argument("--base", default=DEFAULT_BASE, metavar="BASE", help="lite, vit_b, vit_l, vit_h, or a weights file")
    parser.add_argument(
        "--answer",
        metavar="SEGMENTATION",
        type=Path,
        help="what a checkpoint drew of CT: the prompts correct it, its other structures stay as they are",
    )
    add_intensities(parser)
    parser.add_argument(
        "--slices", metavar="FROM:TO", type=slice_limits, help="draw on these axial slices only, counted from the feet"
    )
    parser.add_argument("--overview", metavar="PNG", type=Path, help="also draw an overview picture")
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.files.atomic import claimed

    with claimed(options.out, options.overview):
        _run(options, console)


def _run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.catalogue import check_base
    from SAMedCore.draw.saving import check_picture_output
    from SAMedCore.files.outputs import check_named_once, check_outputs
    from SAMedCore.files.prompts import read_prompts
    from SAMedCore.files.read import read_labelmap, read_volume
    from SAMedCore.files.write import check_labelmap_output, write_or_keep
    from SAMedCore.image.slices import axial_count, check_slices

    check_labelmap_output(options.out, source=options.ct)
    if options.overview is not None:
        check_picture_output(options.overview)
    inputs = [options.ct, *options.prompts, options.answer]
    check_named_once(inputs)
    check_outputs([options.out, options.overview], inputs)
    asked = PromptOptions(options.base, options.device, options.intensities)
    if not is_elsewhere(asked.device):
        check_base(asked.base)
    volume = read_volume(options.ct)
    answer = None if options.answer is None else read_labelmap(options.answer)
    structures = read_prompts(options.prompts, volume.grid)
    if options.slices is not None:
        first, last = options.slices
        check_slices(range(first, last + 1), axial_count(volume.grid))
        structures = tuple(replace(each, limits=each.limits.within(first, last)) for each in structures)

    if is_elsewhere(asked.device):
        from SAMedCore.remote.client import Elsewhere

        with Elsewhere(asked.device) as elsewhere:
            prompted = elsewhere.prompt(volume, structures, asked, console.work, answer)
    else:
        from SAMedCore.prompt.structures import prompt_volume

        prompted = prompt_volume(volume, structures, asked, console.work, answer=answer)
    write_or_keep(prompted.labelmap, options.out, source=options.ct)
    if options.overview is not None:
        from SAMedCore.draw.overview import overview

        overview(volume, prompted.labelmap, options.overview)
    found = [_found(prompted, name) for name in prompted.kept]
    lines = [_in_a_line(**each) for each in found]
    console.result("\n".join([*lines, f"Segmentation: {options.out}"]), segmentation=str(options.out), structures=found)


def _found(prompted: Prompted, name: str) -> dict[str, Any]:
    """What became of a structure, for programs; slices from the feet."""
    from SAMedCore.image.orientation import turned_view

    value = next(label.value for label in prompted.labelmap.labels if label.name == name)
    held = (turned_view(prompted.labelmap, "LPS").voxels == value).any(axis=(1, 2))
    confidence = {k: round(sure, 3) for k, sure in sorted(prompted.confidence[name].items()) if held[k]}
    look_at = sorted(confidence, key=confidence.__getitem__)[:LOOK_AT]
    return {"name": name, "drawn": list(confidence), "confidence": list(confidence.values()), "look_at": look_at}


def _in_a_line(name: str, drawn: list[int], confidence: list[float], look_at: list[int]) -> str:
    if not drawn:
        return f"{name}: nothing found"
    sure = dict(zip(drawn, confidence, strict=True))
    where = f"{len(drawn)} slices from {drawn[0]} to {drawn[-1]}" if len(drawn) > 1 else f"slice {drawn[0]}"
    return f"{name}: {where}; look at {', '.join(f'{k} ({sure[k]:.2f})' for k in look_at)}"
