"""Boxes and points on a slice of a volume to the mask that a base model draws there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.devices import exact_products
from SAMedCore.errors import InputError
from SAMedCore.image.distances import signed_distance_mm
from SAMedCore.image.intensities import is_ct
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.prompts import Point, SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.model.embeddings import Embeddings
from SAMedCore.model.pixel_grids import PixelGrids, in_low_res
from SAMedCore.model.promptable import Promptable
from SAMedCore.model.stopping import stopping
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.placing import ORIENTATION
from SAMedCore.work import SILENT, Work

MR_PERCENTILES = (0.5, 99.5)
"""Of the values above 0: how LiteMedSAM's training scaled everything but CT."""

DISTANCE_LIMIT = 8.0
"""Signed distances in a mask prompt are clamped to plus and minus this many input pixels."""

OUTSIDE = -20.0
"""The logit of pixels that the model did not look at."""

BOX_SIDES = (6, 12, 24, 48, 96)
"""Input pixels: the squares round points that are tried where there is no box."""


@dataclass(frozen=True, eq=False)
class SliceMask:
    """A structure on one slice.

    Attributes:
        slice: k, from the feet.
        mask: (j, i) bool in the orientation LPS.
        quality: 0 to 1, the model's own estimate of the overlap (intersection over union) with the true mask.
    """

    slice: int
    mask: np.ndarray
    quality: float


@dataclass(frozen=True, eq=False)
class Hints:
    """What the model is told of one structure on one slice, in the slice's pixels (x along i, y along j; centres are whole).

    Attributes:
        box: (4,) x0 y0 x1 y1, its edges; or None.
        points: (P, 2) x y.
        belongs: (P,) bool, of each point.
        before: (j, i) bool, the mask so far; or None.
    """

    box: np.ndarray | None = None
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    belongs: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    before: np.ndarray | None = None


def open_session(
    volume: Volume,
    options: PromptOptions | None = None,
    model: Promptable | None = None,
    embeddings: Embeddings | None = None,
) -> PromptSession:
    """A session as the options have it.

    Args:
        volume: in any orientation.
        options: None for the defaults.
        model: a loaded base model in place of the options' `base` and `device`.
        embeddings: where encoded slices are kept; None for a dictionary of its own.

    Raises:
        InputError: no such base model or device, or a volume without a value above 0 whose intensities are not HU.
    """
    options = options or PromptOptions()
    model = model or load_promptable(options.base, options.device)
    if options.intensities == "other" or (options.intensities == "auto" and not is_ct(volume.voxels)):
        model = replace(model, preprocessing=replace(model.preprocessing, percentiles=MR_PERCENTILES))
    return PromptSession(volume, model, embeddings)


class PromptSession:
    """A volume whose slices a base model has encoded, so that each prompt takes the decoder alone.

    Args:
        volume: in any orientation; k below counts its axial slices from the feet.
        model: its preprocessing is fitted to the volume here, once.
        embeddings: where encoded slices are kept, float16; None for a dictionary of its own.

    Raises:
        InputError: the volume does not suit the preprocessing.
    """

    def __init__(self, volume: Volume, model: Promptable, embeddings: Embeddings | None = None) -> None:
        self.volume = turned_view(volume, ORIENTATION)
        self.model = replace(model, preprocessing=model.preprocessing.fit(volume))
        self.embeddings: Embeddings = {} if embeddings is None else embeddings
        column_mm, row_mm, _ = self.volume.grid.spacing_mm
        self.shape = (self.volume.voxels.shape[1], self.volume.voxels.shape[2])
        self.spacing_mm = (row_mm, column_mm)
        self.grids = PixelGrids(self.shape, self.spacing_mm, model.sam.input_size, model.sam.low_res_size)

    @property
    def count(self) -> int:
        """How many axial slices there are."""
        return self.volume.voxels.shape[0]

    def slice_of(self, prompt: SlicePrompt) -> int:
        """The slice, from the feet, on which the prompt lies.

        Raises:
            InputError: its points are not on one slice of the volume.
        """
        depths = self.to_ijk(prompt.points)[:, 2]
        k = round(float(depths.mean()))
        if np.abs(depths - k).max() > 0.5 + 1e-3:
            raise InputError("the prompt's points are not on one axial slice: give those of each slice as a prompt of its own.")
        if not 0 <= k < self.count:
            raise InputError(f"the prompt is outside the volume's axial slices 0 to {self.count - 1}: place it on one of them.")
        return k

    def to_ijk(self, points: tuple[Point, ...]) -> np.ndarray:
        """LPS points in mm as (N, 3) i j k of the volume in the orientation LPS, not rounded."""
        homogeneous = np.column_stack([np.reshape(points, (-1, 3)), np.ones(len(points))])
        return np.linalg.solve(self.volume.ijk_to_lps, homogeneous.T)[:3].T

    def is_encoded(self, k: int) -> bool:
        """Whether prompts on this slice are answered at once."""
        return self.embeddings.get((ORIENTATION, k)) is not None

    def encode(self, k: int, work: Work = SILENT) -> None:
        """Encode the slice unless it is. Raises Cancelled where the user stopped the work."""
        self._embedding(k, work)

    def mask(self, prompt: SlicePrompt, before: np.ndarray | None = None, work: Work = SILENT) -> SliceMask:
        """The structure that the prompt shows.

        Points that belong end up inside the mask, the others outside.

        Args:
            prompt: any mix of a box, points that belong and points that do not.
            before: (j, i) bool, the mask so far in the orientation LPS; None where there is none.
            work: asked between the network's layers.

        Raises:
            InputError: the prompt is not on one slice of the volume; or it has neither box, point that belongs nor mask.
            Cancelled: the user stopped the work.
        """
        k = self.slice_of(prompt)
        hints = self._hints(prompt, before)
        if hints.box is None and hints.before is None and not hints.belongs.any():
            raise InputError("there are only points that do not belong: give a box or a point that does.")
        logits, quality = self._best_of(k, hints, work)
        return SliceMask(k, _obeying(logits > 0, hints), quality)

    def ask(self, k: int, hints: Hints, work: Work = SILENT) -> tuple[np.ndarray, float]:
        """The model's answer as it is: logits (j, i) float32, above 0 inside, and its quality 0 to 1.

        Args:
            hints: with a box, or a mask so far that is not empty.
        """
        embedding = self._embedding(k, work)
        device = self.model.sam.device
        box = self._input_box(hints)
        region = self.grids.region_around(box)
        points = None
        if len(hints.points):
            coordinates = torch.from_numpy(self._to_input(hints.points)[None]).float()
            points = coordinates.to(device), torch.from_numpy(hints.belongs[None].astype(np.int64)).to(device)
        boxes = None if hints.box is None else torch.from_numpy(box[None]).float().to(device)
        masks = None
        if hints.before is not None and hints.before.any():
            masks = self._mask_prompt(hints.before)[(..., *in_low_res(region))].to(device)
        with stopping(self.model.sam, work), exact_products(), torch.inference_mode():
            logits, quality = self.model.sam.decode_prompts(embedding.float(), boxes, masks, region, points)
        low_res = torch.full((1, self.grids.low_res_size, self.grids.low_res_size), OUTSIDE)
        low_res[(0, *in_low_res(region))] = logits[0].float().cpu()
        return self.grids.to_slice(low_res)[0].numpy(), float(quality[0].clamp(0, 1))

    def _embedding(self, k: int, work: Work) -> Tensor:
        kept = self.embeddings.get((ORIENTATION, k))
        if kept is not None:
            return kept
        with stopping(self.model.sam, work), exact_products():
            images = self.model.preprocessing.images_of(np.ascontiguousarray(self.volume.voxels[k : k + 1]))
            embedding = self.model.encode(images).half()
        self.embeddings[(ORIENTATION, k)] = embedding
        return embedding

    def _hints(self, prompt: SlicePrompt, before: np.ndarray | None) -> Hints:
        box = None
        if prompt.box is not None:
            corners = self.to_ijk(prompt.box)[:, :2]
            box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        points = self.to_ijk((*prompt.points_in, *prompt.points_out))[:, :2]
        belongs = np.arange(len(points)) < len(prompt.points_in)
        return Hints(box, points, belongs, before if before is not None and before.any() else None)

    def _best_of(self, k: int, hints: Hints, work: Work) -> tuple[np.ndarray, float]:
        if hints.box is not None or hints.before is not None:
            return self.ask(k, hints, work)
        answers = []
        inside = hints.points[hints.belongs]
        for side in BOX_SIDES:
            half = side / 2 / self._scale
            box = np.concatenate([inside.min(axis=0) - half, inside.max(axis=0) + half])
            logits, quality = self.ask(k, replace(hints, box=box), work)
            mask = logits > 0
            right = np.mean([_at(mask, point) == belongs for point, belongs in zip(hints.points, hints.belongs, strict=True)])
            answers.append((float(right) * quality, logits, quality))
        _, logits, quality = max(answers, key=lambda answer: answer[0])
        return logits, quality

    @property
    def _scale(self) -> float:
        side = max(self.shape)
        return (self.grids.input_size - 1) / (side - 1) if side > 1 else 1.0

    def _to_input(self, xy: np.ndarray) -> np.ndarray:
        return np.clip(xy * self._scale, 0, self.grids.input_size - 1)

    def _input_box(self, hints: Hints) -> np.ndarray:
        box = hints.box
        if box is None:
            assert hints.before is not None
            box = box_of(hints.before)
        x0, y0, x1, y1 = box * self._scale
        return np.clip([x0 + 0.5, y0 + 0.5, max(x0, x1 - 0.5), max(y0, y1 - 0.5)], 0, self.grids.input_size - 1)

    def _mask_prompt(self, mask: np.ndarray) -> Tensor:
        distances = signed_distance_mm(mask, self.spacing_mm) / self.grids.input_pixel_mm
        low_res = self.grids.to_low_res(torch.from_numpy(distances[None]).float())
        return low_res.clamp(-DISTANCE_LIMIT, DISTANCE_LIMIT)[:, None]


def box_of(mask: np.ndarray) -> np.ndarray:
    """(4,) x0 y0 x1 y1: the edges of the pixels of `mask`, (j, i) bool, which holds something; pixel centres are whole."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])


def _at(mask: np.ndarray, point: np.ndarray) -> bool:
    i, j = (int(np.clip(round(float(each)), 0, size - 1)) for each, size in zip(point, mask.shape[::-1], strict=True))
    return bool(mask[j, i])


def _obeying(mask: np.ndarray, hints: Hints) -> np.ndarray:
    """The mask with every point on its own side: a pixel is added or removed where the model would not."""
    obeying = mask.copy()
    for (x, y), belongs in zip(hints.points, hints.belongs, strict=True):
        i, j = (int(np.clip(round(float(each)), 0, size - 1)) for each, size in zip((x, y), mask.shape[::-1], strict=True))
        obeying[j, i] = belongs
    return obeying
