"""Fine-tune a base model, or a checkpoint further, on annotated CTs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from SAMedCore.cli.console import Console, add_device, add_json, names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("annotated scans: two folders with files of the same names, or a table")
    data.add_argument("--images", metavar="DIR", type=Path)
    data.add_argument("--labels", metavar="DIR", type=Path)
    data.add_argument("--pairs", metavar="CSV", type=Path, help="rows of image,label")
    parser.add_argument("--base", metavar="BASE", help="lite, vit_b, vit_l, vit_h, or a weights file")
    parser.add_argument("--from", dest="checkpoint", metavar="CHECKPOINT", help="go on from this checkpoint")
    parser.add_argument("--out", metavar="CHECKPOINT", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument("--preset", default="few-shot", choices=["samed", "samed_s", "samed_h", "few-shot"])
    parser.add_argument("--classes", metavar="a,b", type=names, help="learn these structures only")
    parser.add_argument("--epochs", metavar="N", type=int, help="stop each stage after so many epochs")
    parser.add_argument("--batch-size", metavar="N", type=int)
    parser.add_argument("--minutes", metavar="M", type=float, help="stop each stage after so many minutes")
    parser.add_argument("--validation", metavar="F", type=float, default=0.2, help="fraction held out; default 0.2")
    parser.add_argument(
        "--slices", default="annotated", choices=["annotated", "all"], help="all: slices without a label are background"
    )
    parser.add_argument("--orientation", default="LPS", metavar="LPS", help="in which the slices are shown to the network")
    parser.add_argument("--resume", action="store_true", help="go on where a killed or cancelled run stopped")
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from SAMedCore.checkpoint import check_output
    from SAMedCore.training.pairs import load_pairs

    check_output(options.out)
    files = _files(options)
    console = Console(options.json)
    pairs = load_pairs(files, progress=console.progress)

    from SAMedCore.inference import choose_device
    from SAMedCore.training.finetune import TrainingData, finetune

    history = finetune(
        TrainingData(
            pairs,
            labels=options.classes,
            validation=options.validation,
            slices=options.slices,
            orientation=options.orientation,
        ),
        _recipe(options),
        options.out,
        base=options.base,
        checkpoint=options.checkpoint,
        device=choose_device(options.device),
        progress=console.progress,
        resume=options.resume,
    )
    best = max((row["validation_dice"] for row in history if row["validation_dice"] is not None), default=None)
    said = "" if best is None else f" (best validation Dice {best:.3f})"
    console.result(f"Checkpoint: {options.out}{said}", checkpoint=str(options.out), validation_dice=best)


def _files(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    from SAMedCore.errors import InputError
    from SAMedCore.training.pairs import pair_files, pairs_from_csv

    if options.pairs is not None:
        return pairs_from_csv(options.pairs)
    if options.images is None or options.labels is None:
        raise InputError("no annotated scans: give --images DIR and --labels DIR, or --pairs CSV.")
    return pair_files(options.images, options.labels)


def _recipe(options: argparse.Namespace):
    from SAMedCore.training.presets import preset

    recipe = preset(options.preset)
    changed = {"epochs": options.epochs, "batch_size": options.batch_size, "minutes": options.minutes}
    changed = {name: value for name, value in changed.items() if value is not None}
    return replace(recipe, stages=tuple(replace(stage, **changed) for stage in recipe.stages))
