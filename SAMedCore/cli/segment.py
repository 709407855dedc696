"""Segment a scan, or every scan of a folder, with a checkpoint.

OUT by its ending: .seg.nrrd (Slicer segmentation), .nii.gz, .nrrd, .mha (label map), .dcm (DICOM SEG, from a DICOM series).
Without an ending it is the folder for many scans; started again, the command goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from SAMedCore.address import is_elsewhere
from SAMedCore.cli import many
from SAMedCore.cli.console import Console, add_device, add_json, names, positive_int, slice_range
from SAMedCore.options import PRECISIONS

LEAST_SURE_SLICES = 3
"""How many are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ct",
        metavar="CT",
        type=Path,
        help="a file that SimpleITK reads, or a DICOM series folder; or a folder, CSV file or dataset with many",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="the segmentation to write, or the folder for many")
    parser.add_argument("--model", metavar="CHECKPOINT", required=True, help="a checkpoint folder or catalogue name")
    parser.add_argument("--base", metavar="FILE", help="the base model's weights, if not in the cache folder")
    add_device(parser)
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--batch-size", metavar="N", type=positive_int, help="slices at a time")
    parser.add_argument("--labels", metavar="a,b", type=names, help="keep these structures only")
    parser.add_argument(
        "--slices", metavar="FROM:TO", type=slice_range, help="segment these axial slices only, counted from the feet"
    )
    parser.add_argument("--largest-component", action="store_true", help="keep each structure's largest component only")
    parser.add_argument(
        "--probabilities", metavar="FILE", type=Path, help="also write the class probabilities (.nrrd, .nii.gz)"
    )
    parser.add_argument(
        "--uncertainty",
        metavar="FILE",
        type=Path,
        help="also write how unsure the model is of each voxel, 0 to 1 (.nrrd, .nii.gz, .mha), and say of which structures and "
        "slices it is least sure",
    )
    parser.add_argument("--overview", metavar="PNG", type=Path, help="also draw an overview picture")
    many.add_arguments(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    if many.is_many(options.ct, options.out):
        many.run(options, console)
    else:
        from SAMedCore.files.atomic import claimed

        many.refuse_for_one(options)
        with claimed(options.out, options.probabilities, options.uncertainty, options.overview):
            _one(options, console)


def _one(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.folder import check_checkpoint, find_folder, read_info
    from SAMedCore.draw.saving import check_picture_output
    from SAMedCore.files.outputs import check_outputs
    from SAMedCore.files.read import read_volume
    from SAMedCore.files.write import check_labelmap_output, check_volume_output, write_or_keep, write_volume
    from SAMedCore.image.slices import axial_count, check_slices
    from SAMedCore.options import ModelOptions, SegmentOptions

    model = ModelOptions(options.model, options.base, options.device, options.precision)
    wanted = SegmentOptions(
        options.labels,
        options.slices,
        options.batch_size,
        options.largest_component,
        probabilities=options.probabilities is not None,
        uncertainty=options.uncertainty is not None,
    )
    check_labelmap_output(options.out, source=options.ct)
    for volume_output in (options.probabilities, options.uncertainty):
        if volume_output is not None:
            check_volume_output(volume_output)
    if options.overview is not None:
        check_picture_output(options.overview)
    check_outputs([options.out, options.probabilities, options.uncertainty, options.overview], [options.ct])
    # Elsewhere the base model's weights may be there and not here.
    info = (
        read_info(find_folder(model.checkpoint))
        if is_elsewhere(model.device)
        else check_checkpoint(model.checkpoint, model.weights)
    )
    if wanted.labels is not None:
        info.labels.subset(wanted.labels)
    volume = read_volume(options.ct)
    if wanted.slices is not None:
        check_slices(wanted.slices, axial_count(volume.grid))

    if is_elsewhere(model.device):
        from SAMedCore.remote.client import Elsewhere

        with Elsewhere(model.device) as elsewhere:
            segmentation = elsewhere.segment(volume, model, wanted, console.work)
    else:
        from SAMedCore.segment import load_segmenter

        segmentation = load_segmenter(model).segment_with_probabilities(volume, wanted, console.work)
    write_or_keep(segmentation.labelmap, options.out, source=options.ct)
    if segmentation.probabilities is not None:
        channels_last = segmentation.probabilities.transpose(1, 2, 3, 0).astype("float32")
        write_volume(channels_last, volume.ijk_to_lps, options.probabilities)
    text = f"Segmentation: {options.out}"
    facts: dict[str, Any] = {"segmentation": str(options.out)}
    if segmentation.uncertainty is not None:
        write_volume(segmentation.uncertainty.astype("float32"), volume.ijk_to_lps, options.uncertainty)
        doubt = segmentation.doubt_row()
        text += f"\nUncertainty: {options.uncertainty}\n{_least_sure(doubt)}"
        facts |= {"uncertainty": str(options.uncertainty), "doubt": doubt}
    if options.overview is not None:
        from SAMedCore.draw.overview import overview

        overview(volume, segmentation.labelmap, options.overview)
    console.result(text, **facts)


def _least_sure(doubt: dict[str, Any]) -> str:
    """For the person: structures and slices, the most doubtful first."""
    labels = sorted(doubt["labels"].items(), key=lambda label: -label[1])
    lines = ["Doubt (0 none, 1 as good as guessed): " + ", ".join(f"{name} {value:.2f}" for name, value in labels)]
    if doubt["slices"] is not None:
        known = {k: value for k, value in enumerate(doubt["slices"]) if value is not None}
        first = sorted(known, key=lambda k: -known[k])[:LEAST_SURE_SLICES]
        lines.append("Least sure of the slices: " + ", ".join(f"{k} ({known[k]:.2f})" for k in first))
    return "\n".join(lines)
