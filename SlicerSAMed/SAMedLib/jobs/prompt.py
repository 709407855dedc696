"""A box or clicks on a slice: the mask of the structure there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.slices import axial_axis
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import PromptOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile, readLabelFile


@dataclass(frozen=True)
class PromptedSlice:
    """The structure on one slice.

    Attributes:
        labelmap: one slice thick, on the volume's own voxels; one label, that of the mask so far where there was one, else 1.
        slice: axial, from the feet.
        quality: 0 to 1, as the model says it.
    """

    labelmap: LabelMap
    slice: int
    quality: float


class PromptJob(Job):
    """Asks for the mask of one structure on one slice; the outcome is a `PromptedSlice`.

    Args:
        prompt: in the LPS of the volume's own grid, its parent transform left aside.
        before: the mask so far, of one label, on the volume's grid or a part of it; only the prompt's slice is looked at. None
            where there is none.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        prompt: SlicePrompt,
        options: PromptOptions,
        before: LabelMap | None = None,
    ) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self._prompt = prompt
        self._options = options
        self._before = None if before is None else _sliceWith(before, prompt)

    def volumes(self):
        return [(readVolume(self.volumeNode), stateOf(self.volumeNode))]

    def arrays(self):
        return [] if self._before is None else [self._before.voxels]

    def message(self, handles, paths):
        before = None if self._before is None else labelFile(paths[0], self._before)
        return messages.Prompt(handles[0], self._prompt, self._options, before)

    def conclude(self, values):
        return PromptedSlice(readLabelFile(values["labelmap"]), values["slice"], values["quality"])


def _sliceWith(labelmap: LabelMap, prompt: SlicePrompt) -> LabelMap | None:
    """The axial slice on which the prompt lies; None where the label map does not reach there."""
    axis, _upwards = axial_axis(labelmap.grid)
    index = round(float((np.linalg.inv(labelmap.ijk_to_lps) @ [*prompt.points[0], 1.0])[axis]))
    if not 0 <= index < labelmap.grid.shape[2 - axis]:
        return None
    part, start = [slice(None)] * 3, np.zeros(3)
    part[2 - axis], start[axis] = slice(index, index + 1), index
    matrix = labelmap.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    return replace(labelmap, voxels=labelmap.voxels[tuple(part)], ijk_to_lps=matrix)
