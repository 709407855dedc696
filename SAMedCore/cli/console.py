"""What a running command shows: a progress bar for people, or one JSON object a line for programs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any


class Console:
    """Progress and results of one command.

    Args:
        as_json: events as JSON lines on stdout, and nothing else there; otherwise a bar on stderr and text on stdout.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._bar: Any = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def progress(self, event: dict[str, Any]) -> None:
        """Show {"done": n, "total": n, ...}; what else the event says stands behind the bar."""
        if self.as_json:
            print(json.dumps({"event": "progress", **event}), flush=True)
            return
        from tqdm import tqdm

        done, total = event.get("done", event.get("step", 0)), event.get("total", event.get("steps", 0))
        name = str(event.get("phase", ""))
        if self._bar is None or (self._bar.desc, self._bar.total) != (name, total):
            self.close()
            self._bar = tqdm(total=total, desc=name, file=sys.stderr, dynamic_ncols=True)
        shown = {key: f"{event[key]:.3f}" for key in ("loss", "validation_dice") if event.get(key) is not None}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(done - self._bar.n)

    def result(self, text: str, **facts: Any) -> None:
        """The outcome: `text` for people, `facts` for programs."""
        self.close()
        print(json.dumps({"event": "result", **facts}) if self.as_json else text, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print events as JSON lines on stdout")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]|mps", help="default: auto")


def slice_range(text: str) -> range:
    """ "FROM:TO" or "FROM:TO:STEP" as a range; TO is not in it."""
    try:
        numbers = [int(part) for part in text.split(":")]
        if len(numbers) in (2, 3) and len(range(*numbers)) > 0:
            return range(*numbers)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no slice range: write FROM:TO, for example 52:112, or FROM:TO:STEP")


def positive_int(text: str) -> int:
    """A whole number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def positive_number(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def names(text: str) -> list[str]:
    """ "a,b" as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]
