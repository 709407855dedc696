"""A training run of a second: SAM's interface on 16 x 16 pixels, slices to learn from, and who listens."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.train.loop import Run, train
from SAMedCore.train.recipe import Recipe, Stage
from SAMedCore.train.slices import SliceDataset
from SAMedCore.work import SILENT, Event, TrainingProgress, Work

DECODER = Stage(
    trains="decoder", batch_size=4, base_rate=0.02, warmup_steps=2, planned_epochs=3, epochs=3, versions=2, average=0.8
)
END_TO_END = Stage(batch_size=4, base_rate=0.01, warmup_steps=2, planned_epochs=4, epochs=4)
RECIPE = Recipe("tiny", sizes=(16,), stages=(DECODER, END_TO_END), augmentation="few-shot")


class TinySam(nn.Module):
    """SAM's interface on 16 x 16 pixels: a frozen encoder with BatchNorm and one trained layer, and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image_encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.image_encoder[:2].requires_grad_(False)
        self.mask_decoder = nn.Conv2d(8, 2, 3, padding=1)

    def encode(self, images):
        return self.image_encoder(images.unsqueeze(1))

    def decode(self, image_embedding):
        return self.mask_decoder(image_embedding)

    def forward(self, images):
        return self.decode(self.encode(images))


def save(path: Path, model: nn.Module, metrics: dict) -> None:
    path.mkdir(exist_ok=True)
    torch.save({name: p for name, p in model.named_parameters() if p.requires_grad}, path / "weights.pt")


def bright_squares(count: int, augmentation: str | None) -> SliceDataset:
    """Slices whose bright square is the structure to learn."""
    draw = np.random.default_rng(count)
    classes = np.zeros((count, 16, 16), dtype=np.uint8)
    for picture in classes:
        row, column = draw.integers(1, 9, 2)
        picture[row : row + 6, column : column + 6] = 1
    images = np.where(classes, 0.8, 0.2).astype(np.float32)
    grid = Preprocessing(sizes=(16,))
    return SliceDataset(images, classes, np.zeros(count, int), np.arange(count), grid, 16, augmentation, seed=5)


def train_tiny(out: Path, recipe: Recipe = RECIPE, work: Work = SILENT, resume: bool = False) -> TinySam:
    """A whole run on two threads' worth of data; returns the trained model."""
    model = TinySam()
    train(Run(model, recipe, out, save, work=work, resume=resume), bright_squares(8, "few-shot"), bright_squares(3, None))
    return model


def telling(seen: list[Event], until=lambda event: False) -> Work:
    """What it is told goes to `seen`; cancelled once `until` holds for one of the events."""
    return Work(seen.append, lambda: any(map(until, seen)))


def in_epoch(number: int):
    return lambda event: isinstance(event, TrainingProgress) and event.epoch == number


def steps_of(seen: list[Event]) -> list[TrainingProgress]:
    """The events of training, the ends of epochs too."""
    return [event for event in seen if isinstance(event, TrainingProgress)]


def parameters(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])
