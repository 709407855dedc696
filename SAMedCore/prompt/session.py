"""A volume whose slices a base model has encoded, and what it draws there from boxes and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.devices import exact_products
from SAMedCore.errors import InputError
from SAMedCore.image.intensities import intensities_of
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.prompts import Point, SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.model.embeddings import Embeddings
from SAMedCore.model.pixel_grids import PixelGrids, in_low_res
from SAMedCore.model.preprocessing import window
from SAMedCore.model.promptable import Promptable
from SAMedCore.model.stopping import stopping
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.clicks import Clicks, correct
from SAMedCore.prompt.pixels import SlicePixels
from SAMedCore.prompt.placing import ORIENTATION
from SAMedCore.prompt.points import from_points
from SAMedCore.prompt.shapes import LOGIT_LIMIT, SHAPE_WEIGHT, box_of, distances, overlap, wider
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True, eq=False)
class SliceMask:
    """A structure on one slice.

    Attributes:
        slice: k, from the feet.
        mask: (j, i) bool in the orientation LPS.
        quality: 0 to 1, the overlap (intersection over union) with the true mask, as the model itself estimates it.
        scores: float32 of the mask's pixels alone, `scores[n]` of the n-th of `mask.nonzero()`; the highest of several
            structures has a pixel.
    """

    slice: int
    mask: np.ndarray
    quality: float
    scores: np.ndarray


def open_session(
    volume: Volume,
    options: PromptOptions | None = None,
    model: Promptable | None = None,
    embeddings: Embeddings | None = None,
    work: Work = SILENT,
) -> PromptSession:
    """A session as the options have it.

    Args:
        volume: in any orientation.
        options: None for the defaults.
        model: a loaded base model in place of the options' `base` and `device`.
        embeddings: where encoded slices are kept; None for a dictionary of its own.
        work: told where the intensities that were asked for do not fit.

    Raises:
        InputError: no such base model or device, or the volume's intensities cannot be scaled.
    """
    options = options or PromptOptions()
    model = model or load_promptable(options.base, options.device)
    preprocessing = model.preprocessing.suited(intensities_of(volume, options.intensities, work))
    return PromptSession(volume, replace(model, preprocessing=preprocessing), embeddings)


class PromptSession:
    """A volume whose slices are encoded as they are needed and kept, so that a prompt takes the decoder alone.

    Args:
        volume: in any orientation; below, k counts its axial slices from the feet.
        model: its preprocessing is fitted to the volume here, once.
        embeddings: where encoded slices are kept, as float16; None for a dictionary of its own.

    Attributes:
        volume: turned to the orientation LPS.
        model: with its preprocessing fitted.
        pixels: a slice's own pixels, of all masks that come and go, and those for drawing, of all in between.
        grids: a slice's pixels for drawing and the network's.

    Raises:
        InputError: the volume's intensities cannot be scaled.
    """

    def __init__(self, volume: Volume, model: Promptable, embeddings: Embeddings | None = None) -> None:
        self.volume = turned_view(volume, ORIENTATION)
        self.model = replace(model, preprocessing=model.preprocessing.fit(volume))
        column_mm, row_mm, _ = self.volume.grid.spacing_mm
        _, rows, columns = self.volume.grid.shape
        self.pixels = SlicePixels((rows, columns), (row_mm, column_mm))
        self.grids = PixelGrids(
            self.pixels.drawing_shape, self.pixels.drawing_spacing_mm, model.sam.input_size, model.sam.low_res_size
        )
        self._embeddings: Embeddings = {} if embeddings is None else embeddings

    @property
    def count(self) -> int:
        """How many axial slices there are."""
        return self.volume.grid.shape[0]

    def slice_of(self, prompt: SlicePrompt) -> int:
        """The slice, from the feet, on which the prompt lies.

        Raises:
            InputError: its points are not on one slice of the volume.
        """
        depths = self.to_ijk(prompt.points)[:, 2]
        k = round(float(np.median(depths)))
        if np.abs(depths - k).max() > 0.5 + 1e-6:
            raise InputError("the prompt's points are not on one axial slice: give those of each slice as a prompt of its own.")
        if not 0 <= k < self.count:
            raise InputError(f"the prompt is outside the volume's axial slices 0 to {self.count - 1}: place it on one of them.")
        return k

    def to_ijk(self, points: Sequence[Point]) -> np.ndarray:
        """LPS points in mm as (N, 3) i j k of the volume in the orientation LPS, not rounded."""
        return self.volume.grid.indices_of(np.reshape(points, (-1, 3)))

    def is_encoded(self, k: int) -> bool:
        """Whether prompts on this slice are answered at once."""
        return self._embeddings.get((ORIENTATION, k)) is not None

    def encode(self, k: int, work: Work = SILENT) -> None:
        """Encode the slice unless it is. Raises Cancelled where the user stopped the work."""
        self._embedding(k, work)

    def image(self, k: int) -> np.ndarray:
        """(j, i) float32 in [0, 1] on the pixels for drawing: the slice's intensities as the model sees them."""
        return self.pixels.to_drawing(window(self.volume.voxels[k], self.model.preprocessing.window_hu))

    def mask(self, prompt: SlicePrompt, before: np.ndarray | None = None, work: Work = SILENT) -> SliceMask:
        """The structure that the prompt shows.

        A box is drawn anew, with the mask so far as an expectation; without one the mask so far is corrected at the points,
        and without either the points alone say where to look. Points that belong end up inside, the others outside.

        Args:
            prompt: any mix of a box, points that belong and points that do not.
            before: (j, i) bool, the mask so far in the orientation LPS; None or empty where there is none.
            work: asked between the network's layers.

        Raises:
            InputError: the prompt is not on one slice of the volume, or its box or a point that belongs is beside it; or it has
                neither box, point that belongs nor mask.
            Cancelled: the user stopped the work.
        """
        k = self.slice_of(prompt)
        clicks = self._clicks(prompt)
        had = self.pixels.to_drawing(before) if before is not None and before.any() else None
        if prompt.box is not None:
            box = self._box(prompt.box)
            answers, qualities = self.ask(k, box[None], clicks, work)
            scores, quality = answers[0], float(qualities[0])
            if had is not None:
                scores = scores + SHAPE_WEIGHT * distances(had, self.grids)
        elif had is not None:
            answers, qualities = self.ask(k, wider(box_of(had), 1, self.grids)[None], clicks, work)
            quality = float(qualities[0]) * overlap(answers[0] > 0, had)
            scores = np.where(had, LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
        elif clicks.belongs.any():
            scores, quality = self._from_points(k, clicks, work)
        else:
            raise InputError("there are only points that do not belong: give a box or a point that does.")
        corrected = correct(scores, clicks, self.image(k), self.grids, lambda one: self._from_points(k, one, work)[0])
        drawn = self.pixels.to_own(corrected)
        return SliceMask(k, drawn > 0, quality, drawn[drawn > 0])

    def ask(
        self, k: int, boxes: np.ndarray, clicks: Clicks | None = None, work: Work = SILENT
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the model draws in each box.

        Args:
            boxes: (N, 4) x0 y0 x1 y1, the edges in the slice's pixels for drawing, whose centres are whole numbers.
            clicks: shown to a model that was trained on points too.

        Returns:
            scores (N, j, i) float32 on these, above 0 inside, between plus and minus `LOGIT_LIMIT`; and quality (N,), 0 to 1.
        """
        embedding = self._embedding(k, work)
        grids, device = self.grids, self.model.sam.device
        corners = np.clip(boxes * grids.scale + np.array([0.5, 0.5, -0.5, -0.5]), 0, grids.input_size - 1)
        corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])
        region = grids.region_around(np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)]))
        points = None
        if clicks is not None and len(clicks.points) and self.model.heeds_points:
            places = torch.from_numpy(clicks.points * grids.scale).float().expand(len(boxes), -1, -1)
            points = places.to(device), torch.from_numpy(clicks.belongs).int().expand(len(boxes), -1).to(device)
        with stopping(self.model.sam, work), exact_products(), torch.inference_mode():
            logits, quality = self.model.sam.decode_prompts(
                embedding.float(), torch.from_numpy(corners).float().to(device), None, region, points
            )
        low_res = torch.full((len(boxes), grids.low_res_size, grids.low_res_size), -LOGIT_LIMIT)
        low_res[(slice(None), *in_low_res(region))] = LOGIT_LIMIT * torch.tanh(logits.float().cpu() / LOGIT_LIMIT)
        return grids.to_slice(low_res).numpy(), quality.float().clamp(0, 1).cpu().numpy()

    def _embedding(self, k: int, work: Work) -> Tensor:
        kept = self._embeddings.get((ORIENTATION, k))
        if kept is not None:
            return kept
        with stopping(self.model.sam, work), exact_products():
            embedding = self.model.encode(self.model.preprocessing.pad(self.image(k)[None])).half()
        self._embeddings[(ORIENTATION, k)] = embedding
        return embedding

    def _from_points(self, k: int, clicks: Clicks, work: Work) -> tuple[np.ndarray, float]:
        return from_points(lambda boxes: self.ask(k, boxes, clicks, work), self.image(k), clicks, self.grids)

    def _box(self, corners: tuple[Point, Point]) -> np.ndarray:
        places = self.to_ijk(corners)[:, :2]
        low, high = places.min(axis=0), places.max(axis=0)
        size = np.array(self.pixels.shape[::-1])
        if (high < -0.5).any() or (low > size - 0.5).any():
            raise InputError("the prompt's box lies beside the volume: draw it on the slice.")
        return self.pixels.to_drawing_places(np.stack([np.maximum(low, -0.5), np.minimum(high, size - 0.5)])).ravel()

    def _clicks(self, prompt: SlicePrompt) -> Clicks:
        places = self.to_ijk((*prompt.points_in, *prompt.points_out))[:, :2]
        pixels = np.rint(places).astype(int)
        inside = ((pixels >= 0) & (pixels < self.pixels.shape[::-1])).all(axis=1)
        belongs = np.arange(len(places)) < len(prompt.points_in)
        if (belongs & ~inside).any():
            raise InputError("a point of the prompt lies beside the volume: place it on the slice.")
        # by way of its own pixel, so that this is on the click's side afterwards
        return Clicks(np.rint(self.pixels.to_drawing_places(pixels[inside])).astype(int), belongs[inside])
