"""What a run leaves in its folder at each epoch's end beside the checkpoints.

For itself state.pt, one file that is replaced whole, to go on from after it was killed; for people history.json, loss.png and
TensorBoard's scalars.
"""

from __future__ import annotations

import contextlib
import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from SAMedCore.errors import InputError
from SAMedCore.files.atomic import replacing
from SAMedCore.train.optimization import Average, Optimization

FORMAT = 2


@dataclass
class TrainingState:
    """Where a run stands.

    Attributes:
        stage, epoch, step: the stage under way and the epochs and steps of it that are done.
        minutes: that the stage has taken so far.
        versions: in which the stage's slices are learnt from, 0 before that is known; see `Stage`.
        planned_epochs: for which the time suffices, 0 where the recipe's are the plan.
        history: a row an epoch: stage, epoch (counted through all stages), step of the stage, loss, learning_rate,
            validation_dice (None without validation).
        best_dice: the highest validation Dice so far.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    minutes: float = 0.0
    versions: int = 0
    planned_epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_dice: float | None = None

    def begin(self, stage: int) -> None:
        """Nothing of this stage is done."""
        self.stage, self.epoch, self.step, self.minutes, self.versions, self.planned_epochs = stage, 0, 0, 0.0, 0, 0


def write_state(
    path: Path,
    state: TrainingState,
    recipe: dict[str, Any],
    model: nn.Module,
    optimization: Optimization,
    average: Average,
) -> None:
    """Atomic: a kill leaves the file of the epoch before or this one."""
    contents = {
        "format": FORMAT,
        "state": vars(state),
        "recipe": recipe,
        "parameters": {name: p.detach() for name, p in model.named_parameters() if p.requires_grad},
        "average": average.values,
        "optimizer": optimization.optimizer.state_dict(),
        "scaler": optimization.scaler.state_dict(),
        "cpu_rng": torch.get_rng_state(),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(contents, file)


def read_state(path: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """The contents that `write_state` wrote, loaded without running any pickled code.

    Raises:
        InputError: it is not a training state, or it belongs to another recipe.
    """
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is damaged and cannot be resumed: remove its folder and start again.") from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise InputError(f"{path} is not a training state of this version: remove its folder and start again.")
    if contents["recipe"] != recipe:
        changed = sorted(key for key in recipe if recipe[key] != contents["recipe"].get(key))
        raise InputError(
            f"{path} was begun with other options ({', '.join(changed)}): take the same, or remove its folder to start again."
        )
    return contents


def restore_model(contents: dict[str, Any], model: nn.Module, path: Path) -> None:
    """Raises InputError where the parameters are not this model's."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    saved = contents["parameters"]
    if trained.keys() != saved.keys() or any(trained[name].shape != saved[name].shape for name in saved):
        raise InputError(f"{path} is of another model: resume with the same base, labels and LoRA options.")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(saved[name])


def restore_optimizer(contents: dict[str, Any], optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
    """The optimiser's moments, the loss scale and the host's random generator, as they were at the epoch's end.

    Nothing draws random numbers on a GPU, so that a run goes on where there are more, fewer or other ones. A run in another
    precision left no loss scale: it begins anew.
    """
    optimizer.load_state_dict(contents["optimizer"])
    if contents["scaler"]:
        scaler.load_state_dict(contents["scaler"])
    torch.set_rng_state(contents["cpu_rng"])


def restore_average(contents: dict[str, Any], average: Average) -> Average:
    """The average as it was at the epoch's end."""
    average.restore(contents["average"], contents["state"]["step"])
    return average


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """history.json, a list with a row an epoch; and the last row for TensorBoard, where that is installed."""
    with replacing(folder / "history.json") as temporary:
        temporary.write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return
    # history.json has it all: a disk that has become full meanwhile ends no training for the sake of a second curve.
    with contextlib.suppress(OSError), SummaryWriter(str(folder / "tensorboard")) as writer:
        for name in ("loss", "learning_rate", "validation_dice"):
            if history[-1][name] is not None:
                writer.add_scalar(name, history[-1][name], len(history))


def draw_curve(folder: Path, history: list[dict[str, Any]]) -> None:
    """loss.png."""
    from SAMedCore.draw.losscurve import loss_curve

    loss_curve(history, folder / "loss.png")
