"""Fill in the rest of a partly annotated scan.

LABELS holds the annotated slices; they come back as they were. No checkpoint is needed, only a base model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from SAMedCore.address import is_elsewhere
from SAMedCore.cli.console import Console, add_device, add_intensities, add_json, positive_int, slice_range
from SAMedCore.options import DEFAULT_BASE, DEFAULT_COMPLETE_STEPS, CompleteOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", metavar="CT", type=Path, help="a file that SimpleITK reads, or a DICOM series folder")
    parser.add_argument("labels", metavar="LABELS", type=Path, help="its label map, annotated on some slices")
    parser.add_argument("out", metavar="OUT", type=Path, help="the completed segmentation")
    parser.add_argument("--base", default=DEFAULT_BASE, metavar="BASE", help="lite, vit_b, vit_l, vit_h, or a weights file")
    parser.add_argument(
        "--annotated-slices",
        metavar="FROM:TO:STEP",
        type=slice_range,
        help="axial slices counted from the feet; default: those with any label",
    )
    parser.add_argument(
        "--steps",
        metavar="N",
        type=positive_int,
        default=DEFAULT_COMPLETE_STEPS,
        help="of training; default %(default)s, with which 60 slices of eight organs take three minutes on two CPU cores",
    )
    add_intensities(parser)
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.files.atomic import claimed

    with claimed(options.out):
        _run(options, console)


def _run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.files.outputs import check_outputs
    from SAMedCore.files.read import read_labelmap, read_volume
    from SAMedCore.files.write import check_labelmap_output, write_or_keep

    check_labelmap_output(options.out, source=options.ct)
    check_outputs([options.out], [options.ct, options.labels])
    volume = read_volume(options.ct)
    labelmap = read_labelmap(options.labels)
    asked = CompleteOptions(
        options.annotated_slices, options.base, options.device, options.steps, intensities=options.intensities
    )
    if is_elsewhere(asked.device):
        from SAMedCore.remote.client import Elsewhere

        with Elsewhere(asked.device) as elsewhere:
            completed, values = elsewhere.complete(volume, labelmap, asked, console.work)
        summary, method, estimates = values["summary"], values["method"], values["estimates"]
    else:
        from SAMedCore.complete.scan import complete

        completion = complete(volume, labelmap, asked, console.work)
        completed, summary, method = completion.labelmap, completion.summary(), completion.method
        estimates = {method: estimate.mean_dice for method, estimate in completion.estimates.items()}
    write_or_keep(completed, options.out, source=options.ct)
    facts = {"segmentation": str(options.out), "method": method, "estimated_dice": estimates}
    console.result(f"{summary}\nSegmentation: {options.out}", **facts)
