"""What is checked before a training run starts, while torch and the scans are still to be loaded."""

from __future__ import annotations

from pathlib import Path

from SAMedCore.checkpoint.folder import Base
from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.errors import InputError
from SAMedCore.model.architectures import architecture_of
from SAMedCore.train.recipe import Recipe


def check_start(base: str | Path | None, recipe: Recipe) -> tuple[Base, Path]:
    """Call it before long work, such as reading the scans: the base model to start from, and its weights file.

    Raises:
        InputError: there is none, it is unknown or not fetched, or the recipe is not for it.
    """
    if base is None:
        raise InputError("there is nothing to start from: give --base BASE or --from CHECKPOINT.")
    described, weights = find_base_model(base)
    row = architecture_of(described.architecture)
    if recipe.sizes is not None and not row.suits(recipe.sizes):
        raise InputError(
            f'the preset "{recipe.name}" is for {recipe.sizes[-1]} pixels, which the base model "{described.name}" does not '
            f'take: choose the preset "few-shot", or another base model.'
        )
    return described, weights


def check_run(out: Path, resume: bool) -> None:
    """Call it before long work: raises InputError where a run to `out` could not be started, or resumed."""
    folder = run_folder(out)
    if resume and not folder.exists():
        raise InputError(f"{folder} is not there, so nothing can be resumed: start without --resume.")
    for path in (out, folder / "state.pt"):
        if path.exists() and not resume:
            raise InputError(f"{path} is there already: choose another --out, remove it, or go on with --resume.")


def can_be_resumed(out: Path) -> bool:
    """Whether a run to `out` was killed after an epoch."""
    return not out.exists() and (run_folder(out) / "state.pt").exists()


def run_folder(out: Path) -> Path:
    """Where a run to `out` keeps what it needs."""
    return out.with_name(out.name + ".training")
