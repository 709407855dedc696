"""Through the volume: from the slices that a person kept, and what a checkpoint drew, to all of a structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.image.volume import LabelMap
from SAMedCore.options import PromptOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile, readLabelFile


@dataclass(frozen=True)
class Propagation:
    """What was drawn.

    Attributes:
        labelmap: on the volume's own grid, 0 on slices that were not drawn again.
        confidence: by label value: how sure, 0 to 1, on each slice (from the feet) that was drawn anew, empty ones among them.
        believed: by label value: those of these slices on which the checkpoint's answer was believed.
    """

    labelmap: LabelMap
    confidence: dict[int, dict[int, float]]
    believed: dict[int, tuple[int, ...]]

    def drawn(self, label: int) -> tuple[int, ...]:
        """The slices on which this structure was drawn anew; where it has no voxel there, it is not there any more."""
        return tuple(sorted(self.confidence[label]))


class PropagateJob(Job):
    """Carries structures on through a volume; the outcome is a `Propagation`.

    Args:
        labels: the kept slices and a checkpoint's, on the volume's grid or a part of it.
        structures: what is kept and what is a checkpoint's of each, and the limits.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        labels: LabelMap,
        structures: Sequence[messages.KeptStructure],
        options: PromptOptions,
    ) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self._labels = labels
        self._structures = tuple(structures)
        self._options = options

    def volumes(self):
        return [(readVolume(self.volumeNode), stateOf(self.volumeNode))]

    def arrays(self):
        return [self._labels.voxels]

    def message(self, handles, paths):
        return messages.Propagate(handles[0], labelFile(paths[0], self._labels), self._structures, self._options)

    def conclude(self, values):
        rows = values["structures"]
        confidence = {row["label"]: dict(zip(row["drawn"], row["confidence"], strict=True)) for row in rows}
        believed = {row["label"]: tuple(row["believed"]) for row in rows}
        return Propagation(readLabelFile(values["labelmap"]), confidence, believed)
