"""What a person has given on one slice so far, step by step, and what the model made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from SAMedCore.image.prompts import Point, SlicePrompt


@dataclass(eq=False)
class Step:
    """What a person had given after one more box or point.

    Attributes:
        prompt: all of it.
        before: the mask that it refines, (k, j, i) bool of one slice, or None.
        mask: the model's answer, as `before`; None until it is there.
        quality: 0 to 1, as the model says it.
    """

    prompt: SlicePrompt
    before: np.ndarray | None
    mask: np.ndarray | None = None
    quality: float = 0.0


class SlicePrompts:
    """Boxes and points on one slice, of which the last can be taken back.

    Args:
        start: what the segment holds on the slice, (k, j, i) bool of one slice: clicks go on from it; None where it is empty.
    """

    def __init__(self, start: np.ndarray | None) -> None:
        self._start = start
        self._steps: list[Step] = []

    @property
    def last(self) -> Step | None:
        """All that was given; None where nothing is."""
        return self._steps[-1] if self._steps else None

    @property
    def prompt(self) -> SlicePrompt | None:
        return self._steps[-1].prompt if self._steps else None

    @property
    def mask(self) -> np.ndarray | None:
        """The newest answer; None where there is none yet."""
        return next((step.mask for step in reversed(self._steps) if step.mask is not None), None)

    def withBox(self, first: Point, opposite: Point) -> Step:
        """The step of this box, not taken yet: it stands in for an earlier one and begins anew, the points stay."""
        if self.prompt is None:
            return Step(SlicePrompt(box=(first, opposite)), None)
        return Step(replace(self.prompt, box=(first, opposite)), None)

    def withPoint(self, point: Point, belongs: bool) -> Step:
        """The step of one point more, not taken yet; it refines the mask so far, or what the segment holds."""
        soFar = self.prompt
        points_in = (soFar.points_in if soFar else ()) + ((point,) if belongs else ())
        points_out = (soFar.points_out if soFar else ()) + (() if belongs else (point,))
        before = self.mask if self._steps else self._start
        return Step(SlicePrompt(soFar.box if soFar else None, points_in, points_out), before)

    def take(self, step: Step) -> None:
        self._steps.append(step)

    def takeBack(self) -> None:
        """Undo the last step, if there is one."""
        if self._steps:
            self._steps.pop()
