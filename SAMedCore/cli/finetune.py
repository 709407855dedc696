"""Fine-tune a base model, or a checkpoint further, on annotated scans.

Several GPUs share the work with `accelerate launch -m SAMedCore finetune ...`; see Docs/fine-tuning.md.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from SAMedCore.address import is_elsewhere
from SAMedCore.cli.console import (
    Console,
    add_device,
    add_intensities,
    add_json,
    names,
    number,
    positive_int,
    positive_number,
    slice_range,
)
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.options import DEFAULT_PRESET, DEFAULT_VALIDATION, PRESETS, FinetuneOptions
from SAMedCore.runtime import is_one_of_several

if TYPE_CHECKING:
    from SAMedCore.evaluate.before_after import BeforeAfter
    from SAMedCore.files.cases import ListedCase
    from SAMedCore.train.processes import Processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("annotated scans: datasets, or two folders with files of the same names, or a table")
    data.add_argument(
        "--dataset",
        dest="datasets",
        metavar="DIR",
        type=Path,
        nargs="+",
        help="the training cases of nnU-Net's raw data, of the Medical Segmentation Decathlon, BTCV, or SAMed's authors; in "
        "several of them structures of the same name are the same",
    )
    data.add_argument("--images", metavar="DIR", type=Path)
    data.add_argument("--labels", metavar="DIR", type=Path)
    data.add_argument("--pairs", metavar="CSV", type=Path, help="a table with the columns image,labels")
    parser.add_argument("--base", metavar="BASE", help="lite, vit_b, vit_l, vit_h, or a weights file; with --from only a file")
    parser.add_argument("--from", dest="checkpoint", metavar="CHECKPOINT", help="go on from this checkpoint")
    parser.add_argument("--out", metavar="CHECKPOINT", required=True, help="the checkpoint to write")
    presets = "; ".join(f"{name}: {what}" for name, what in PRESETS.items())
    parser.add_argument("--preset", default=DEFAULT_PRESET, choices=PRESETS, help=f"{presets}. Default: {DEFAULT_PRESET}")
    parser.add_argument("--classes", metavar="a,b", type=names, help="learn these structures only")
    parser.add_argument("--epochs", metavar="N", type=positive_int, help="train each stage for so many epochs")
    parser.add_argument("--batch-size", metavar="N", type=positive_int, help="slices a step")
    parser.add_argument(
        "--minutes",
        metavar="M",
        type=positive_number,
        help="stop each stage after the epoch in which so many minutes have passed; at most half of them for encoding",
    )
    parser.add_argument(
        "--validation",
        metavar="F",
        type=number,
        default=DEFAULT_VALIDATION,
        help=f"fraction held out; default {DEFAULT_VALIDATION}",
    )
    parser.add_argument(
        "--slices",
        metavar="annotated|all|FROM:TO[:STEP]",
        type=_slices,
        help="learn from the slices that hold a label; from all, those without one being background; or from these axial "
        "slices of every scan, counted from the feet. Default: annotated for few-shot, all for the paper's presets",
    )
    parser.add_argument(
        "--keep-others",
        action="store_true",
        help="the slices that are not chosen stay in the data, marked as not annotated: they fill batches and count in "
        "--validation but carry no loss; by default they are left out",
    )
    parser.add_argument(
        "--orientation", default=FinetuneOptions.orientation, metavar="LPS", help="in which the slices are shown to the network"
    )
    parser.add_argument("--half", action="store_true", help="store the checkpoint in float16: half the size")
    parser.add_argument("--resume", action="store_true", help="go on where a killed or cancelled run stopped")
    add_intensities(parser)
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    if is_elsewhere(options.device):
        if is_one_of_several():
            raise InputError("several processes cannot train on another computer: start them there, or leave the launcher out.")
        _run_elsewhere(options, console)
        return
    if not is_one_of_several():
        _run(options, console)
        return
    from SAMedCore.train.processes import Together

    processes = Together(options.device)
    console.quiet = not processes.is_first
    try:
        _run(options, console, processes)
    except BaseException as error:
        console.quiet = not processes.speaks(error)
        raise


def _run(options: argparse.Namespace, console: Console, processes: Processes | None = None) -> None:
    from SAMedCore.train.start import check_start

    asked, listed = _asked(options), _listed(options)
    check_start(asked)

    from SAMedCore.train.cases import load_cases
    from SAMedCore.train.finetune import finetune
    from SAMedCore.train.processes import ALONE

    processes = processes or ALONE
    processes.device(asked.device)
    try:
        cases = load_cases(listed, processes.heard(console.work), asked.classes)
        finetuned = finetune(cases, asked, console.work, processes=processes)
    except Cancelled as error:
        if not Path(asked.out).exists():
            raise
        raise Cancelled(f"{error} Add --resume to go on.") from error
    best = max((row["validation_dice"] for row in finetuned.history if row["validation_dice"] is not None), default=None)
    _tell(asked.out, best, finetuned.comparison, console)


def _run_elsewhere(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.evaluate.before_after import BeforeAfter
    from SAMedCore.remote.client import Elsewhere
    from SAMedCore.train.cases import load_cases

    asked = _asked(options)
    with Elsewhere(asked.device) as elsewhere:
        cases = load_cases(_listed(options), console.work, asked.classes)
        values = elsewhere.finetune([(case.volume, case.labelmap, case.slices) for case in cases], asked, console.work)
    if values["cancelled"]:
        raise Cancelled(f"Cancelled; the best checkpoint so far is {asked.out}. Add --resume to go on.")
    comparison = None if values["comparison"] is None else BeforeAfter.from_json(values["comparison"])
    _tell(asked.out, values["validation_dice"], comparison, console)


def _asked(options: argparse.Namespace) -> FinetuneOptions:
    if options.base is None and options.checkpoint is None:
        raise InputError("there is nothing to start from: give --base BASE or --from CHECKPOINT.")
    return FinetuneOptions(**{field.name: getattr(options, field.name) for field in fields(FinetuneOptions)})


def _tell(out: str, validation_dice: float | None, comparison: BeforeAfter | None, console: Console) -> None:
    from SAMedCore.evaluate.before_after import PICTURE_FILE

    lines = [f"Checkpoint: {out}"]
    if comparison is not None:
        lines = [comparison.table(), "", comparison.summary(), f"Picture: {Path(out) / PICTURE_FILE}", *lines]
    compared = None if comparison is None else comparison.to_json()
    console.result("\n".join(lines), checkpoint=out, validation_dice=validation_dice, comparison=compared)


def _slices(text: str) -> str | range:
    """ "annotated", "all", or a range."""
    return text if text in ("annotated", "all") else slice_range(text)


def _listed(options: argparse.Namespace) -> list[ListedCase]:
    from SAMedCore.files.cases import label_maps_in, paired, pairs_from_csv, scans_in, to_learn_from, with_labels

    folders = options.images is not None or options.labels is not None
    if (options.datasets is not None) + (options.pairs is not None) + folders > 1:
        raise InputError("the annotated scans are given in several ways: choose --dataset, --images with --labels, or --pairs.")
    if options.datasets is not None:
        return [case for dataset in options.datasets for case in to_learn_from(dataset)]
    if options.pairs is not None:
        return with_labels(pairs_from_csv(options.pairs))
    if options.images is None or options.labels is None:
        raise InputError("no annotated scans: give --dataset DIR, --images DIR and --labels DIR, or --pairs CSV.")
    return with_labels(paired(scans_in(options.images), label_maps_in(options.labels)))
