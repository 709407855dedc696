"""Prompts on made volumes: a bright ball, pixels in LPS, and a model that draws whatever is bright in its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from SAMedCore.image.volume import Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.promptable import Promptable
from SAMedCore.prompt.session import PromptSession

SIZE = 64
BRIGHT_HU, DARK_HU = 150, -50
CENTRE, RADIUS = (10, 20, 24), 8.0
"""Of the ball: k, j, i, and voxels."""
SPACING_MM = (2.0, 1.5, 3.0)
"""Along i, j and k."""


class BrightInBox(torch.nn.Module):
    """Stands in for a network of 64 pixels whose embedding is the image itself; it draws what is bright within each box.

    Attributes:
        asked: how often it was.
    """

    input_size = SIZE
    low_res_size = SIZE
    embedding_size = SIZE // 4

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = torch.nn.Identity()
        self.asked = 0
        self.device = torch.device("cpu")

    def decode_prompts(self, embedding, boxes, masks, region, points=None):
        self.asked += 1
        rows, columns = (slice(4 * each.start, 4 * each.stop) for each in region)
        bright = 20 * (embedding[0, 0, rows, columns] - 0.5)
        y = torch.arange(SIZE)[rows, None]
        x = torch.arange(SIZE)[None, columns]
        answers = []
        for x0, y0, x1, y1 in boxes + torch.tensor([-0.75, -0.75, 0.75, 0.75]):
            within = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
            answers.append(torch.where(within, bright, torch.tensor(-8.0)))
        return torch.stack(answers), torch.full((len(boxes),), 0.9)


def bright_model() -> Promptable:
    """A model with a `BrightInBox`."""
    return Promptable(BrightInBox(), Preprocessing((-100.0, 100.0), (SIZE,), padded=True, clipped=True))


def ball_mask(shape: tuple[int, int, int] = (24, 40, 48)) -> np.ndarray:
    """(k, j, i) bool."""
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return (k - CENTRE[0]) ** 2 + (j - CENTRE[1]) ** 2 + (i - CENTRE[2]) ** 2 <= RADIUS**2


def ball_volume(mask: np.ndarray | None = None, rotation: np.ndarray | None = None) -> Volume:
    """A bright ball, or another mask, in LPS; its axes may be rotated by a (3, 3) matrix."""
    mask = ball_mask() if mask is None else mask
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if rotation is None else rotation) * SPACING_MM
    matrix[:3, 3] = -30, 12, 40
    return Volume(np.where(mask, BRIGHT_HU, DARK_HU).astype(np.int16), matrix)


@dataclass(frozen=True, eq=False)
class Pen:
    """Places pixels of a session's slices in LPS."""

    session: PromptSession

    def at(self, x: float, y: float, k: float) -> tuple[float, float, float]:
        """A place on the slices in the orientation LPS, in mm."""
        x_mm, y_mm, z_mm, _ = self.session.volume.ijk_to_lps @ (x, y, k, 1)
        return float(x_mm), float(y_mm), float(z_mm)

    def box(self, mask: np.ndarray, k: int, margin: float = 1.0) -> tuple[tuple[float, float, float], ...]:
        """The corners of a box round a mask (j, i)."""
        rows, columns = np.nonzero(mask)
        first = self.at(columns.min() - 0.5 - margin, rows.min() - 0.5 - margin, k)
        return first, self.at(columns.max() + 0.5 + margin, rows.max() + 0.5 + margin, k)


def a_session(volume: Volume | None = None) -> PromptSession:
    """On the ball, with the stand-in."""
    return PromptSession(ball_volume() if volume is None else volume, bright_model())
