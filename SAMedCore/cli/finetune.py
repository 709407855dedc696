"""Fine-tune a base model, or a checkpoint further, on annotated CTs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

from SAMedCore.cli.console import Console, add_device, add_json, names, positive_int, positive_number, slice_range


def add_arguments(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("annotated scans: two folders with files of the same names, or a table")
    data.add_argument("--images", metavar="DIR", type=Path)
    data.add_argument("--labels", metavar="DIR", type=Path)
    data.add_argument("--pairs", metavar="CSV", type=Path, help="a table with the columns image,labels")
    parser.add_argument("--base", metavar="BASE", help="lite, vit_b, vit_l, vit_h, or a weights file; with --from only a file")
    parser.add_argument("--from", dest="checkpoint", metavar="CHECKPOINT", help="go on from this checkpoint")
    parser.add_argument("--out", metavar="CHECKPOINT", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument(
        "--preset", default="few-shot", choices=["samed", "samed_s", "samed_h", "few-shot"], help="default: few-shot"
    )
    parser.add_argument("--classes", metavar="a,b", type=names, help="learn these structures only")
    parser.add_argument("--epochs", metavar="N", type=positive_int, help="train each stage for so many epochs")
    parser.add_argument("--batch-size", metavar="N", type=positive_int, help="slices a step")
    parser.add_argument(
        "--minutes",
        metavar="M",
        type=positive_number,
        help="stop each stage after the epoch in which so many minutes have passed; at most half of them for encoding",
    )
    parser.add_argument("--validation", metavar="F", type=float, default=0.2, help="fraction held out; default 0.2")
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
    parser.add_argument("--orientation", default="LPS", metavar="LPS", help="in which the slices are shown to the network")
    parser.add_argument("--half", action="store_true", help="store the checkpoint in float16: half the size")
    parser.add_argument("--resume", action="store_true", help="go on where a killed or cancelled run stopped")
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.folder import check_checkpoint, check_output
    from SAMedCore.errors import InputError
    from SAMedCore.image.orientation import axes_of
    from SAMedCore.train.cases import load_pairs
    from SAMedCore.train.recipe import adjusted, preset
    from SAMedCore.train.start import check_run, check_start

    check_output(options.out)
    files = _files(options)
    slices: Literal["all", "annotated"] | range = options.slices or ("annotated" if options.preset == "few-shot" else "all")
    if options.keep_others and slices == "all":
        raise InputError("--keep-others: with all slices chosen there are no others; add --slices annotated or FROM:TO.")
    axes_of(options.orientation)
    recipe = adjusted(preset(options.preset), options.epochs, options.minutes, options.batch_size)
    check_run(options.out, options.resume)
    if options.checkpoint is None:
        check_start(options.base, recipe)
    else:
        check_checkpoint(options.checkpoint, None if options.base is None else Path(options.base))

    from SAMedCore.devices import choose_device
    from SAMedCore.train.finetune import TrainingData, finetune

    device = choose_device(options.device)
    pairs = load_pairs(files, progress=console.progress)
    history = finetune(
        TrainingData(
            pairs,
            labels=options.classes,
            validation=options.validation,
            slices=[slices] * len(pairs) if isinstance(slices, range) else slices,
            others="not annotated" if options.keep_others else "left out",
            orientation=options.orientation,
        ),
        recipe,
        options.out,
        base=options.base,
        checkpoint=options.checkpoint,
        device=device,
        half=options.half,
        progress=console.progress,
        resume=options.resume,
    )
    best = max((row["validation_dice"] for row in history if row["validation_dice"] is not None), default=None)
    said = "" if best is None else f" (best validation Dice {best:.3f})"
    console.result(f"Checkpoint: {options.out}{said}", checkpoint=str(options.out), validation_dice=best)


def _slices(text: str) -> str | range:
    """ "annotated", "all", or a range."""
    return text if text in ("annotated", "all") else slice_range(text)


def _files(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    from SAMedCore.errors import InputError
    from SAMedCore.files.cases import label_maps_in, paired, scans_in
    from SAMedCore.train.cases import pairs_from_csv

    if options.pairs is not None:
        return pairs_from_csv(options.pairs)
    if options.images is None or options.labels is None:
        raise InputError("no annotated scans: give --images DIR and --labels DIR, or --pairs CSV.")
    return paired(scans_in(options.images), label_maps_in(options.labels))
