"""Prepare the Synapse multi-organ CT (BTCV) as SAMed's paper does: slices for training, volumes for testing, and their lists.

RAW is the download, with RawData/Training/img and RawData/Training/label. OUT is then a dataset for finetune, segment and
evaluate.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from SAMedCore.cli.console import Console, add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("raw", metavar="RAW", type=Path, help="the folder that holds RawData")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to make")
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.files.cases import listed
    from SAMedCore.train.synapse import prepare

    prepare(options.raw, options.out, console.work)
    cases = listed(options.out)
    training, testing = (sum(case.test == test for case in cases) for test in (False, True))
    text = f"Dataset: {options.out} ({training} cases for training, {testing} for testing)"
    console.result(text, dataset=str(options.out), training=training, testing=testing)
