"""What a running command shows: how far it is and its result, for people or as one JSON object a line for programs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from SAMedCore.address import check_device
from SAMedCore.errors import InputError
from SAMedCore.image.texts import harmless, in_one_line
from SAMedCore.options import INTENSITIES
from SAMedCore.values import MOST, MOST_TIMES, NUMBER, WHOLE
from SAMedCore.work import Event, FinishedScan, FinishedSlices, Notice, Progress, Work

MOST_PIXELS = 2048
"""Of a side; its square is what attention remembers."""


class ReaderGone(Exception):
    """Nobody reads the output any more (`samed ... | head -1`): the command ends without another word."""


@contextmanager
def listened_to() -> Iterator[None]:
    """Raises ReaderGone where what is written inside the block reaches nobody. A library's own broken pipe stays what it is."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


class Console:
    """Progress and results of one command.

    Args:
        as_json: events as JSON lines on stdout, and nothing else there; otherwise text on stdout, and on stderr a bar, or a
            few lines where that is no terminal.
        quiet: nothing is shown, for another process speaks.

    All methods raise ReaderGone where nobody reads the output any more.
    """

    def __init__(self, as_json: bool, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self._shown: _Bar | _Lines | None = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def work(self) -> Work:
        """What the library takes to tell here how far it is; Ctrl-C stops it without being asked."""
        return Work(self._show)

    def _show(self, event: Event) -> None:
        if self.quiet or isinstance(event, FinishedSlices):
            return
        if isinstance(event, Notice):
            self.note(event.message)
            return
        if isinstance(event, FinishedScan):
            self._scan(event)
            return
        phase = event.phase if isinstance(event, Progress) else "training"
        with listened_to():
            if self.as_json:
                print(json.dumps({"event": "progress", "phase": phase, **asdict(event)}), flush=True)
                return
            if self._shown is None:
                self._shown = _Bar() if sys.stderr.isatty() else _Lines()
            if isinstance(event, Progress):
                self._shown.show(phase, event.done, event.total, {})
            else:
                measured = {"loss": event.loss, "validation_dice": event.validation_dice}
                facts = {name: f"{value:.3f}" for name, value in measured.items() if value is not None}
                self._shown.show(phase, event.step, event.steps, facts)

    def note(self, sentence: str) -> None:
        """What a person should know although the work goes on: on stderr, and for programs an event."""
        if self.quiet:
            return
        self.close()
        sentence = in_one_line(sentence)
        with listened_to():
            if self.as_json:
                print(json.dumps({"event": "notice", "message": sentence}), flush=True)
            else:
                print(f"samed: {sentence}", file=sys.stderr, flush=True)

    def _scan(self, event: FinishedScan) -> None:
        """For programs each scan of a cohort, for people those that failed."""
        if self.as_json:
            with listened_to():
                print(json.dumps({"event": "scan", **asdict(event)}), flush=True)
        elif event.error is not None:
            self.note(f"{event.name}: {event.error}")

    def result(self, text: str, **facts: Any) -> None:
        """The outcome: `text` for people, `facts` for programs."""
        if self.quiet:
            return
        self.close()
        with listened_to():
            print(json.dumps({"event": "result", **facts}) if self.as_json else harmless(text, kept="\n\t"), flush=True)

    def error(self, sentence: str, kind: str) -> None:
        """What went wrong: the sentence on stderr, and for programs an event with its kind, as `protocol.Error` has it."""
        if self.quiet:
            return
        self.close()
        sentence = in_one_line(sentence)
        with listened_to():
            if self.as_json:
                print(json.dumps({"event": "error", "kind": kind, "message": sentence}), flush=True)
            print(f"samed: {sentence}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._shown is not None:
            with listened_to():
                self._shown.close()
            self._shown = None


class _Bar:
    """A bar for each phase, for a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, phase: str, done: int, total: int, facts: dict[str, str]) -> None:
        from tqdm import tqdm

        if self._bar is None or (self._bar.desc, self._bar.total) != (phase, total):
            self.close()
            self._bar = tqdm(total=total, desc=phase, file=sys.stderr, dynamic_ncols=True)
        self._bar.set_postfix(facts, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines:
    """A line where a phase begins and at each further tenth of it, for a log."""

    def __init__(self) -> None:
        self._phase = ("", 0)
        self._tenths = -1

    def show(self, phase: str, done: int, total: int, facts: dict[str, str]) -> None:
        tenths = 10 * done // max(total, 1)
        if (phase, total) == self._phase and tenths <= self._tenths:
            return
        self._phase, self._tenths = (phase, total), tenths
        said = [f"{done} of {total}", *(f"{name} {value}" for name, value in facts.items())]
        print(f"{phase}: {', '.join(said)}" if phase else ", ".join(said), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is left open."""


def add_debug(parser: argparse.ArgumentParser) -> None:
    # suppressed, or the parser of a command would put its own default over what stood before the command
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print events as JSON lines on stdout")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda[:N]|mps|ssh://HOST", type=_device, help="default: auto"
    )


def add_intensities(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--intensities",
        choices=tuple(INTENSITIES),
        default=next(iter(INTENSITIES)),
        help="; ".join(f"{name}: {meaning}" for name, meaning in INTENSITIES.items()),
    )


def slice_range(text: str) -> range:
    """ "FROM:TO" or "FROM:TO:STEP" as a range; TO is not in it."""
    parts = text.split(":")
    if len(parts) in (2, 3) and all(WHOLE.fullmatch(part) for part in parts) and int(parts[-1]) != 0:
        slices = range(*map(int, parts))
        if len(slices) > 0 and not -MOST <= min(slices[0], slices[-1]) <= max(slices[0], slices[-1]) < MOST:
            raise argparse.ArgumentTypeError(f"{shortly(text)} reaches beyond any scan: write FROM:TO, for example 52:112")
        if len(slices) > 0:
            return slices
    raise argparse.ArgumentTypeError(f"{shortly(text)} is no slice range: write FROM:TO, for example 52:112, or FROM:TO:STEP")


def slice_limits(text: str) -> tuple[int, int]:
    """ "FROM:TO" as the first slice and the last; TO is not in it."""
    slices = slice_range(text)
    if slices.step != 1 or slices[0] < 0:
        raise argparse.ArgumentTypeError(f"{shortly(text)} has gaps or begins below 0: write FROM:TO, for example 52:112")
    return slices[0], slices[-1]


def positive_int(text: str) -> int:
    """A whole number from 1 on."""
    return _whole(text, 1)


def non_negative_int(text: str) -> int:
    """A whole number from 0 on."""
    return _whole(text, 0)


def pixels(text: str) -> int:
    """The side of a picture that a network sees."""
    return _whole(text, 1, MOST_PIXELS)


def _whole(text: str, least: int, most: int = MOST_TIMES) -> int:
    if WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{shortly(text)} is no whole number from {least} to {most}")
    return int(text)


def positive_number(text: str) -> float:
    """A finite number above 0."""
    found = number(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{shortly(text)} is no number above 0")
    return found


def number(text: str) -> float:
    """A number as people write it."""
    if NUMBER.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{shortly(text)} is no number: write one such as 0.2")
    return float(text)


def names(text: str) -> list[str]:
    """ "a,b" as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _device(text: str) -> str:
    """A device's name; whether it is there, torch says later."""
    try:
        check_device(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error
    return text


def shortly(text: str) -> str:
    """In quotes, no longer than a sentence can bear."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
