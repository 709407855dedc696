"""Score segmentations against references: Dice, HD95, mean surface distance and surface Dice.

HD95 by --protocol standard: greater of the two directed 95th percentiles of the surface distance, weighted by area, in mm.
HD95 by --protocol paper: 95th percentile of the surface distances of both directions taken together, in voxels (medpy's hd95).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from SAMedCore.cli.console import Console, add_json, positive_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", metavar="DIR", type=Path, required=True)
    parser.add_argument(
        "--references",
        metavar="DIR",
        type=Path,
        required=True,
        help="the same cases, matched as finetune matches scans and labels; or a dataset, as finetune takes it",
    )
    parser.add_argument(
        "--protocol", default="standard", choices=["standard", "paper"], help="paper: SAMed's own, in voxel units"
    )
    parser.add_argument(
        "--tolerance", metavar="MM", type=positive_number, default=2.0, help="of the surface Dice; default 2 mm"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write a row per case and structure")
    parser.add_argument("--plot", metavar="PNG", type=Path, help="also draw a box plot")
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.draw.saving import check_picture_output
    from SAMedCore.evaluate.compare import evaluate_folder, files_of
    from SAMedCore.files.atomic import check_writable
    from SAMedCore.files.outputs import check_outputs

    if options.csv is not None:
        check_writable(options.csv)
    if options.plot is not None:
        check_picture_output(options.plot)
    check_outputs([options.csv, options.plot], files_of(options.predictions, options.references))
    scores = evaluate_folder(
        options.predictions,
        options.references,
        protocol=options.protocol,
        tolerance_mm=options.tolerance,
        work=console.work,
    )
    if options.csv is not None:
        scores.write_csv(options.csv)
    if options.plot is not None:
        from SAMedCore.draw.boxplot import box_plot

        box_plot(scores, options.plot)
    summaries = [asdict(summary) for summary in (*scores.summaries(), scores.mean())]
    console.result(scores.table(), summaries=summaries, hd95_definition=scores.hd95)
