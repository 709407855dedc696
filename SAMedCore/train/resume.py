"""What a run leaves in its folder at each epoch's end beside the checkpoints.

For itself state.pt, one file that is replaced whole, to go on from after it was killed; for people history.json, loss.png and
TensorBoard's scalars.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from SAMedCore.errors import InputError
from SAMedCore.files.atomic import replacing
from SAMedCore.model.fitting import misfit, no_weights, not_finite, wrong_kind
from SAMedCore.model.torch_files import read_torch_file
from SAMedCore.train.optimization import Average, Optimization

FORMAT = 2
AFRESH = "remove its folder and start again."
LARGEST_NUMBER = 1e12
EPOCH = {"stage", "epoch", "step", "learning_rate", "loss", "validation_dice"}
SCALE = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
"""What GradScaler keeps."""


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
    """The contents that `write_state` wrote, loaded without running any pickled code; see `restore_model` for the tensors.

    Raises:
        InputError: it is not a training state, or it belongs to another recipe.
    """
    try:
        contents = read_torch_file(path, check_sums=True)
    except InputError as error:
        raise InputError(f"{path} cannot be resumed: {error}: {AFRESH}") from error
    if not isinstance(contents, dict) or type(contents.get("format")) is not int or contents["format"] != FORMAT:
        raise InputError(f"{path} is not a training state of this version: {AFRESH}")
    if not _is_whole(contents):
        raise InputError(f"{path} is damaged and cannot be resumed: {AFRESH}")
    if contents["recipe"] != recipe:
        changed = sorted(key for key in recipe if recipe[key] != contents["recipe"].get(key))
        raise InputError(
            f"{path} was begun with other options ({', '.join(changed)}): take the same, or remove its folder to start again."
        )
    return contents


def restore_model(contents: dict[str, Any], model: nn.Module, path: Path) -> None:
    """Put the parameters into the model.

    Raises:
        InputError: they are not this model's; or they, their average or the optimiser's moments are no numbers.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    saved = contents["parameters"]
    shapes = {name: tensor.shape for name, tensor in saved.items()}
    if misfit(shapes, trained) is not None:
        raise InputError(f"{path} is of another model: resume with the same base, labels and LoRA options.")
    moments = {f"{n} {key}": tensor for n, kept in contents["optimizer"]["state"].items() for key, tensor in kept.items()}
    problem = wrong_kind(saved, trained) or no_weights({**saved, **contents["average"]}) or not_finite(moments)
    if problem is not None:
        raise InputError(f"{path} is damaged and cannot be resumed: it {problem}: {AFRESH}")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(saved[name])


def _is_whole(contents: dict[str, Any]) -> bool:
    """Whether all is there that `write_state` writes, each of its kind; of which size tensors are `restore_model` knows."""
    state, optimizer, scaler = (contents.get(key) for key in ("state", "optimizer", "scaler"))
    return (
        isinstance(contents.get("recipe"), dict)
        and _are_tensors(contents.get("parameters"))
        and _are_tensors(contents.get("average"))
        and isinstance(scaler, dict)
        and scaler.keys() in (set(), SCALE)
        and all(map(_is_number, scaler.values()))
        and isinstance(optimizer, dict)
        and isinstance(optimizer.get("state"), dict)
        and all(_are_tensors(kept) for kept in optimizer["state"].values())
        and _is_state(state)
        and _is_random_state(contents.get("cpu_rng"))
    )


def _are_of(kept: dict[str, torch.Tensor], parameter: nn.Parameter) -> bool:
    """Whether the moments are those of AdamW for this parameter."""
    shapes = {name: tensor.shape for name, tensor in kept.items()}
    return shapes == {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}


def _is_state(row: Any) -> bool:
    if not isinstance(row, dict) or row.keys() != vars(TrainingState()).keys() or not isinstance(row["history"], list):
        return False
    counts = ("stage", "epoch", "step", "versions", "planned_epochs")
    numbers = [row["minutes"], 0.0 if row["best_dice"] is None else row["best_dice"]]
    return (
        all(type(row[key]) is int and 0 <= row[key] < 2**31 for key in counts)
        and all(map(_is_number, numbers))
        and all(_is_epoch(epoch) for epoch in row["history"])
    )


def _is_epoch(row: Any) -> bool:
    """Whether it is a row of the history."""
    if not isinstance(row, dict) or row.keys() != EPOCH:
        return False
    numbers = [row[key] for key in ("epoch", "step", "loss", "learning_rate")]
    return (
        isinstance(row["stage"], str)
        and all(map(_is_number, numbers))
        and (row["validation_dice"] is None or _is_number(row["validation_dice"]))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST_NUMBER


def _are_tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(tensor, torch.Tensor) for tensor in value.values())


def _is_random_state(value: Any) -> bool:
    """Whether torch's generator takes it."""
    try:
        torch.Generator().set_state(value)
    except (RuntimeError, TypeError):
        return False
    return True


def restore_optimizer(contents: dict[str, Any], optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
    """The optimiser's moments, the loss scale and the host's random generator, as they were at the epoch's end.

    Nothing draws random numbers on a GPU, so that a run goes on where there are more, fewer or other ones. A run in another
    precision left no loss scale: it begins anew.

    Raises:
        InputError: the moments are not of this optimiser's parameters.
    """
    own, moments = optimizer.state_dict()["param_groups"], contents["optimizer"]["state"]
    trained = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    if not all(number in trained and _are_of(kept, trained[number]) for number, kept in moments.items()):
        raise InputError(f"the training state is of another model: {AFRESH}")
    # every step sets its rate anew, and the rest is the recipe's
    optimizer.load_state_dict({"state": moments, "param_groups": own})
    if contents["scaler"]:
        scaler.load_state_dict(contents["scaler"])
    torch.set_rng_state(contents["cpu_rng"])


def restore_average(contents: dict[str, Any], average: Average) -> Average:
    """The average as it was at the epoch's end. Raises InputError where it is not of the same parameters."""
    shapes = {name: tensor.shape for name, tensor in contents["average"].items()}
    if misfit(shapes, average.values) is not None:
        raise InputError(f"the training state is of another model: {AFRESH}")
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
