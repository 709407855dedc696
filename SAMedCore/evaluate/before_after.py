"""Whether a training made it better: Dice by structure before and after, on what it did not learn from.

Imports neither torch nor numpy, since Slicer's panel shows it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from SAMedCore.errors import InputError


@dataclass(frozen=True)
class BeforeAfter:
    """Dice of what a training started from and of what came out, on the same held-out slices.

    Attributes:
        names: of the structures.
        before, after: for each of them Dice 0..1 over all held-out slices together, None where it is on none of them and
            none was drawn.
        start: what it started from, in words: a checkpoint, or a base model, which knows none of the structures.
        slices: how many were held out.
        scans: the number of scans that they are from.
        whole_scans: whether no slice of these scans was learnt from; slices of a scan that was learnt from flatter.
    """

    names: tuple[str, ...]
    before: tuple[float | None, ...]
    after: tuple[float | None, ...]
    start: str
    slices: int
    scans: int
    whole_scans: bool

    @property
    def mean_before(self) -> float | None:
        """Mean over the structures that have both values, so that both means are of the same ones; None where none has."""
        return _mean([before for before, after in self._values() if before is not None and after is not None])

    @property
    def mean_after(self) -> float | None:
        """Likewise."""
        return _mean([after for before, after in self._values() if before is not None and after is not None])

    @property
    def worse(self) -> tuple[str, ...]:
        """Structures that came out worse by more than a hundredth, the worst first.

        To draw none where there is none is as good as a Dice of 1: one that is drawn only since the training is among them.
        """
        lost = {
            name: (1.0 if before is None else before) - (1.0 if after is None else after)
            for name, (before, after) in zip(self.names, self._values(), strict=True)
        }
        return tuple(sorted((name for name in lost if lost[name] > WORSE_BY), key=lambda name: -lost[name]))

    def table(self) -> str:
        """A line for each structure, before, after and difference, those that came out worse marked; the last is the mean.

        "-" stands for no value.
        """
        worse = self.worse
        rows = [("structure", "before", "after", "difference", "")]
        for name, (before, after) in zip(self.names, self._values(), strict=True):
            rows.append((name, *_cells(before, after), "worse" if name in worse else ""))
        rows.append(("mean", *_cells(self.mean_before, self.mean_after), ""))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{row[0]:<{widths[0]}}  " + "  ".join(f"{row[c]:>{widths[c]}}" for c in (1, 2, 3)) for row in rows]
        lines = [f"{line}  {row[4]}".rstrip() for line, row in zip(lines, rows, strict=True)]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def summary(self) -> str:
        """On what it was measured, from what to what, and where it got worse: two or three plain sentences."""
        sentences = [f"Measured on {self.measured_on}: {self._from_what_to_what()}."]
        if self.worse:
            sentences.append(f"Worse than before: {', '.join(map(self._fall, self.worse))}.")
        elif self.mean_after is not None:
            sentences.append("No structure got worse by more than a hundredth.")
        return " ".join(sentences)

    @property
    def measured_on(self) -> str:
        """The held-out slices or scans in words."""
        if self.whole_scans:
            return "a whole scan that was not learnt from" if self.scans == 1 else f"{self.scans} whole scans"
        slices = "one held-out slice" if self.slices == 1 else f"{self.slices} held-out slices"
        scans = "a scan that was" if self.scans == 1 else f"{self.scans} scans that were"
        return f"{slices} of {scans} also learnt from, which flatters"

    def _from_what_to_what(self) -> str:
        if self.mean_before is None or self.mean_after is None:
            return "none of the structures is there, so that nobody knows whether it got better"
        return f"mean Dice from {self.mean_before:.2f} ({self.start}) to {self.mean_after:.2f}"

    def _fall(self, name: str) -> str:
        before, after = dict(zip(self.names, self._values(), strict=True))[name]
        if before is None:
            return f"{name} (drawn where there is none)"
        return f"{name} {before:.2f} -> {_number(after, 2)}"

    def _values(self) -> list[tuple[float | None, float | None]]:
        return list(zip(self.before, self.after, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, for samed.json and messages."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> BeforeAfter:
        """From what `to_json` gave.

        Raises:
            InputError: a value is missing, or none that it can have.
        """
        names, before, after = (row.get(key) for key in ("names", "before", "after"))
        is_whole = (
            _are(names, lambda name: isinstance(name, str))
            and _are(before, _is_dice)
            and _are(after, _is_dice)
            and len(names) == len(before) == len(after)
            and isinstance(row.get("start"), str)
            and type(row.get("slices")) is type(row.get("scans")) is int
            and isinstance(row.get("whole_scans"), bool)
        )
        if not is_whole:
            raise InputError("the comparison of before and after cannot be read: train the checkpoint again.")
        facts = {key: row[key] for key in ("start", "slices", "scans", "whole_scans")}
        return cls(tuple(names), tuple(before), tuple(after), **facts)


PICTURE_FILE = "before-after.png"
"""The comparison drawn, in the folder of the checkpoint that came out."""

WORSE_BY = 0.01
"""A smaller loss of Dice is no more than another order of the slices makes."""


def _are(values: Any, is_one: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and all(map(is_one, values))


def _is_dice(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= 1)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _cells(before: float | None, after: float | None) -> tuple[str, str, str]:
    difference = "-" if before is None or after is None else f"{after - before:+.3f}"
    return _number(before), _number(after), difference


def _number(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
