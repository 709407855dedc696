"""How long a stage of the training has been running, and how long it will be."""

from __future__ import annotations

import time

ENCODING_SHARE = 0.5
"""The most of a stage's minutes that goes into encoding its slices: the rest is for learning from them."""


class StageClock:
    """The time of one stage: encoding, training, validation and saving.

    Args:
        limit_minutes: after which the stage is to end; None for no limit.
        minutes_before: what the runs that this one resumes have spent on the stage.
    """

    def __init__(self, limit_minutes: float | None, minutes_before: float) -> None:
        self._limit_s = None if limit_minutes is None else 60 * limit_minutes
        self._began_s = time.monotonic() - 60 * minutes_before
        self._training_began_s = self._began_s
        self._first_step = self._first_epoch = 0

    @property
    def minutes(self) -> float:
        """Since the stage began, earlier runs included."""
        return self._passed_s() / 60

    def encoding_s_left(self) -> float | None:
        """How long encoding may still take, below 0 where it has taken too long; None for any time."""
        return None if self._limit_s is None else ENCODING_SHARE * self._limit_s - self._passed_s()

    def begin_training(self, step: int, epoch: int) -> None:
        """Encoding is done, `step` is the next one of the stage, and `epoch` epochs are done."""
        self._training_began_s, self._first_step, self._first_epoch = time.monotonic(), step, epoch

    def training_s_left(self, step: int, steps: int) -> float:
        """Until all `steps` are done or the limit is reached, at the pace of the steps up to `step`, at least one."""
        pace_s = (time.monotonic() - self._training_began_s) / (step - self._first_step)
        left_s = pace_s * (steps - step)
        return left_s if self._limit_s is None else max(0.0, min(left_s, self._limit_s - self._passed_s()))

    def epochs_that_fit(self, epochs: int, most: int) -> int:
        """How many epochs end within the limit, after so many and at their pace; at least these and at most `most`."""
        if self._limit_s is None:
            return most
        pace_s = (time.monotonic() - self._training_began_s) / (epochs - self._first_epoch)
        return min(most, epochs + max(0, round((self._limit_s - self._passed_s()) / pace_s)))

    def _passed_s(self) -> float:
        return time.monotonic() - self._began_s
