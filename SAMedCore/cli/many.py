"""`samed segment` where the source holds many scans and OUT is a folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from SAMedCore.address import is_elsewhere
from SAMedCore.cli.console import Console, non_negative_int, positive_int
from SAMedCore.errors import InputError
from SAMedCore.options import CohortOptions, ModelOptions, SegmentOptions

if TYPE_CHECKING:
    from SAMedCore.cohort.scanner import Load

FOR_ONE = ("slices", "probabilities", "uncertainty", "overview")
"""Options that make sense for one scan only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    many = parser.add_argument_group(
        "many scans", "where CT is a folder of scans, a dataset or a CSV file with the column image, and OUT is a folder"
    )
    many.add_argument("--workers", metavar="N", type=positive_int, help="models at a time, through Ray; default: one a GPU")
    many.add_argument("--address", metavar="HOST:PORT", help="work on this running Ray cluster")
    many.add_argument(
        "--retries",
        metavar="N",
        type=non_negative_int,
        default=CohortOptions.retries,
        help="of a scan that failed for want of memory, storage or a computer that is gone; default: %(default)s",
    )
    many.add_argument(
        "--ending", default=CohortOptions.ending, help="of the segmentations: %(default)s, .nii.gz, .nrrd, .mha or .dcm"
    )


def is_many(source: Path, out: Path) -> bool:
    """Whether the source holds many scans; a DICOM series folder is one.

    Raises:
        InputError: OUT is a file where the source holds many scans, or no file where it is one series.
    """
    if source.suffix.lower() != ".csv" and not source.is_dir():
        return False
    from SAMedCore.files.dicom_series import is_other_image, is_series
    from SAMedCore.files.write import LABELMAP_ENDINGS

    to_file = out.name.lower().endswith(LABELMAP_ENDINGS) and not out.is_dir()
    if source.is_dir() and is_series(source):
        if not to_file:
            raise InputError(f'"{source}" is one DICOM series: give "{out}" an ending, such as .seg.nrrd.')
        return False
    holds_files = not source.is_dir() or any(map(is_other_image, source.iterdir()))
    if to_file and holds_files:
        raise InputError(f'"{source}" may hold many scans, and "{out}" is one file: give the name of a folder.')
    return not to_file


def refuse_for_one(options: argparse.Namespace) -> None:
    """Raises InputError where an option for many scans comes with one."""
    for each in fields(CohortOptions):
        if getattr(options, each.name) != each.default:
            raise InputError(f'--{each.name} is for many scans, and "{options.ct}" is one: leave it out.')


def run(options: argparse.Namespace, console: Console) -> None:
    """Segment them all, and say where the report is. Raises SAMedError at the end where scans have failed."""
    for name in FOR_ONE:
        if getattr(options, name) is not None:
            raise InputError(f'--{name} is for one scan, and "{options.ct}" may hold many: leave it out.')
    from SAMedCore.cohort.run import segment_cohort

    with _elsewhere(options) as load:
        result = segment_cohort(
            options.ct,
            options.out,
            ModelOptions(options.model, options.base, options.device, options.precision),
            SegmentOptions(options.labels, None, options.batch_size, options.largest_component),
            CohortOptions(options.workers, options.address, options.retries, options.ending),
            console.work,
            load,
        )
    segmented, failed = len(result.written), len(result.failed)
    console.result(
        f"Segmentations: {segmented} of {segmented + failed} in {options.out}\nReport: {result.html}",
        segmented=segmented,
        failed=failed,
        csv=str(result.csv),
        html=str(result.html),
    )
    result.raise_failures()


@contextmanager
def _elsewhere(options: argparse.Namespace) -> Iterator[Load | None]:
    """What loads the model where that is another computer; a connection that breaks is made anew for the next scan."""
    if not is_elsewhere(options.device):
        yield None
        return
    for name in ("workers", "address"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is for this computer or its cluster, and --device names another one: leave one out.")
    from SAMedCore.remote.client import Elsewhere

    with Elsewhere(options.device) as elsewhere:
        # it has all of a Segmenter that is asked of one
        yield cast("Load", elsewhere.segmenter)
