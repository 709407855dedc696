"""What is checked before a training starts, while torch and the scans are still to be loaded: the one preflight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.folder import Base, check_checkpoint, check_output, find_folder
from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.errors import InputError
from SAMedCore.files.atomic import claimed
from SAMedCore.image.orientation import axes_of
from SAMedCore.model.architectures import architecture_of
from SAMedCore.options import FinetuneOptions
from SAMedCore.runtime import is_one_of_several
from SAMedCore.train.recipe import Recipe, recipe_of

CHECKPOINTS = ("best", "last")
RECORDS = ("state.pt", "history.json", "loss.png")
"""What lies in a run's folder."""


@dataclass(frozen=True)
class Start:
    """What a training starts from, found to be there and to fit together.

    Attributes:
        base: the base model.
        weights: its weights file; None for the one in the cache folder.
        checkpoint: the folder of the one to go on from, or None.
        resume: whether a run to the same place is gone on with.
    """

    recipe: Recipe
    base: Base
    weights: Path | None
    checkpoint: Path | None
    resume: bool


def check_start(options: FinetuneOptions, recipe: Recipe | None = None) -> Start:
    """Call it before long work, such as reading the scans.

    Args:
        recipe: in place of the options' own.

    Raises:
        InputError: another run writes to `out`, it is taken or cannot be written to, there is nothing to resume, base model or
            checkpoint is unknown, damaged or not here, the recipe is not for it, or the orientation is none.
    """
    out, recipe = Path(options.out), recipe or recipe_of(options)
    if not is_one_of_several():
        # Of several the first may have claimed it already; what it finds there is said when it begins.
        with claimed(out):
            sweep_run(out)
    check_output(out)
    axes_of(options.orientation)
    resume = can_be_resumed(out) if options.resume is None else options.resume
    check_run(out, resume)
    if options.checkpoint is None:
        base, weights = find_base_model(str(options.base))
        if recipe.sizes and not architecture_of(base.architecture).suits(recipe.sizes):
            raise InputError(
                f'the preset "{recipe.name}" is for {recipe.sizes[-1]} pixels, which the base "{base.name}" does not take: '
                'choose the preset "few-shot", or another base model.'
            )
        return Start(recipe, base, weights, None, resume)
    # A checkpoint knows its base model by name: only a file says more.
    known = any(options.base == base.name for base in catalogue.BASE_MODELS)
    file = None if options.base is None or known else Path(options.base)
    info = check_checkpoint(options.checkpoint, file)
    if info.preprocessing.orientation == "auto":
        raise InputError(
            f'{options.checkpoint}: its orientation is "auto", but training has to know it: import it again with a fixed one.'
        )
    return Start(recipe, info.base, file, find_folder(options.checkpoint), resume)


def check_run(out: Path, resume: bool) -> None:
    """Raises InputError where a run to `out` could not be started, or resumed."""
    folder = run_folder(out)
    if resume and not folder.exists():
        raise InputError(f"{folder} is not there, so nothing can be resumed: start a new training.")
    for path in (out, folder / "state.pt"):
        if path.exists() and not resume:
            raise InputError(f"{path} is there already: choose another place, remove it, or resume that training.")


def sweep_run(out: Path) -> None:
    """Remove what a killed run left half-written, and bring back what it was about to replace; for who has claimed `out`."""
    with claimed(*(run_folder(out) / name for name in (*CHECKPOINTS, *RECORDS))):
        pass


def can_be_resumed(out: Path) -> bool:
    """Whether a run to `out` was killed after an epoch."""
    return not out.exists() and (run_folder(out) / "state.pt").exists()


def run_folder(out: Path) -> Path:
    """Where a run to `out` keeps what it needs."""
    return out.with_name(out.name + ".training")
