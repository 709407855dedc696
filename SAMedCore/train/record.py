"""What a person can look at during and after a run: history.json, the loss curve, TensorBoard scalars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from SAMedCore.files.atomic import replacing


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """history.json: a list with a row an epoch."""
    with replacing(folder / "history.json") as temporary:
        temporary.write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")


def write_scalars(folder: Path, row: dict[str, Any], total_steps: int) -> None:
    """The epoch's loss, learning rate and validation Dice for TensorBoard, where that is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for name in ("loss", "learning_rate", "validation_dice"):
            if row[name] is not None:
                writer.add_scalar(name, row[name], total_steps)


def draw_curve(folder: Path, history: list[dict[str, Any]]) -> None:
    """loss.png."""
    from SAMedCore.draw.losscurve import loss_curve

    loss_curve(history, folder / "loss.png")
