"""Segment a scan with a checkpoint.

OUT by its ending: .seg.nrrd (Slicer segmentation), .nii.gz, .nrrd, .mha (label map), .dcm (DICOM SEG, from a DICOM series).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from SAMedCore.cli.console import Console, add_device, add_json, names, positive_int, slice_range
from SAMedCore.options import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", metavar="CT", type=Path, help="a file that SimpleITK reads, or a DICOM series folder")
    parser.add_argument("out", metavar="OUT", type=Path, help="the segmentation to write")
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
    parser.add_argument("--overview", metavar="PNG", type=Path, help="also draw an overview picture")
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.checkpoint.folder import check_checkpoint
    from SAMedCore.draw.saving import check_picture_output
    from SAMedCore.files.atomic import check_different
    from SAMedCore.files.read import read_volume
    from SAMedCore.files.write import check_labelmap_output, check_volume_output, write_or_keep, write_volume
    from SAMedCore.image.slices import axial_count, check_slices
    from SAMedCore.options import ModelOptions, SegmentOptions

    model = ModelOptions(options.model, options.base, options.device, options.precision)
    wanted = SegmentOptions(
        options.labels, options.slices, options.batch_size, options.largest_component, options.probabilities is not None
    )
    check_labelmap_output(options.out, source=options.ct)
    if options.probabilities is not None:
        check_volume_output(options.probabilities)
    if options.overview is not None:
        check_picture_output(options.overview)
    check_different(options.ct, options.out, options.probabilities, options.overview)
    info = check_checkpoint(model.checkpoint, model.weights)
    if wanted.labels is not None:
        info.labels.subset(wanted.labels)
    volume = read_volume(options.ct)
    if wanted.slices is not None:
        check_slices(wanted.slices, axial_count(volume.grid))

    from SAMedCore.segment import load_segmenter

    segmentation = load_segmenter(model).segment_with_probabilities(volume, wanted, console.work)
    write_or_keep(segmentation.labelmap, options.out, source=options.ct)
    if segmentation.probabilities is not None:
        channels_last = segmentation.probabilities.transpose(1, 2, 3, 0).astype("float32")
        write_volume(channels_last, volume.ijk_to_lps, options.probabilities)
    if options.overview is not None:
        from SAMedCore.draw.overview import overview

        overview(volume, segmentation.labelmap, options.overview)
    console.result(f"Segmentation: {options.out}", segmentation=str(options.out))
