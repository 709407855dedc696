"""What a run leaves on the disk: a folder beside its checkpoint while it is under way, and at its end the checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from SAMedCore.files.atomic import claimed, make_folder, replace_folder
from SAMedCore.train.optimization import Average, Optimization
from SAMedCore.train.resume import TrainingState, draw_curve, write_history, write_state
from SAMedCore.train.start import check_run, run_folder, sweep_run

REDRAW_S = 10
"""Between two drawings of the loss curve while a run is under way: cancelling does not wait for one."""


class SaveCheckpoint(Protocol):
    """Writes the model as a checkpoint folder, atomically and replacing what is there."""

    def __call__(self, path: Path, model: nn.Module, metrics: dict[str, Any]) -> None: ...


class RunFolder:
    """``OUT.training`` beside OUT: ``best`` and ``last`` (checkpoints), and what `resume` writes.

    Args:
        out: where the best checkpoint goes at the end, whole.
        save: writes ``best`` and ``last``.
        is_ours: whether this process writes; the others of a training read only, and each method leaves the disk as it is.
    """

    def __init__(self, out: Path, save: SaveCheckpoint, is_ours: bool) -> None:
        self.out, self.path = out, run_folder(out)
        self.state_path = self.path / "state.pt"
        self._save, self._is_ours, self._drawn_s = save, is_ours, time.monotonic()

    @contextmanager
    def open(self, resume: bool) -> Iterator[None]:
        """No other run writes to `out` inside the block; at its end what nothing can be resumed from is removed.

        Raises:
            InputError: another run does, something is there already, or nothing that could be resumed, or it cannot be made.
        """
        with claimed(self.out if self._is_ours else None):
            check_run(self.out, resume)
            if self._is_ours:
                make_folder(self.path)
                sweep_run(self.out)
            try:
                yield
            finally:
                if self._is_ours and not self.state_path.exists():
                    shutil.rmtree(self.path)

    def save(self, model: nn.Module, metrics: dict[str, Any], is_best: bool) -> None:
        """``last``, and ``best`` where it is that."""
        for name in ("best", "last") if is_best else ("last",):
            if self._is_ours:
                self._save(self.path / name, model, metrics)

    def keep(
        self, state: TrainingState, recipe: dict[str, Any], model: nn.Module, optimization: Optimization, average: Average
    ) -> None:
        """What the run goes on from; the checkpoints, of which it says that they are there, were saved before."""
        if not self._is_ours:
            return
        write_state(self.state_path, state, recipe, model, optimization, average)
        write_history(self.path, state.history)
        if time.monotonic() - self._drawn_s > REDRAW_S:
            self.draw(state)
            self._drawn_s = time.monotonic()

    def draw(self, state: TrainingState) -> None:
        """The loss curve, as far as it goes."""
        if self._is_ours and state.history:
            draw_curve(self.path, state.history)

    def publish(self, state: TrainingState) -> bool:
        """The best checkpoint so far to `out`, whole or not at all. Returns whether there was one."""
        best = self.path / "best"
        if not (self._is_ours and state.history and best.exists()):
            return False
        replace_folder(self.out, partial(shutil.copytree, best, dirs_exist_ok=True))
        return True
