"""Whether a training made it better: Dice by structure before and after, on what it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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
        """Mean over the structures that have a value; None where none has."""
        return _mean(self.before)

    @property
    def mean_after(self) -> float | None:
        """Likewise."""
        return _mean(self.after)

    @property
    def worse(self) -> tuple[str, ...]:
        """Structures that came out worse by more than a hundredth, the worst first."""
        lost = {
            name: before - after
            for name, before, after in zip(self.names, self.before, self.after, strict=True)
            if before is not None and after is not None and before - after > WORSE_BY
        }
        return tuple(sorted(lost, key=lambda name: -lost[name]))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, for samed.json and messages."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> BeforeAfter:
        """From what `to_json` gave."""
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        return cls(**fields)


WORSE_BY = 0.01
"""A smaller loss of Dice is no more than another order of the slices makes."""


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
