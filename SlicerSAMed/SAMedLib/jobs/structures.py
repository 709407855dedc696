"""Structures from boxes and points on some slices, without a person who looks on: what the console and scripts ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.errors import InputError
from SAMedCore.image.labels import Label, LabelTable, generic_rgb
from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.image.slices import part_of_slices
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import PromptOptions
from SAMedCore.service.messages import KeptStructure
from SAMedLib.jobs.job import Job
from SAMedLib.jobs.prompt import PromptJob
from SAMedLib.jobs.propagate import PropagateJob
from SAMedLib.scene.volumes import readVolume
from SAMedLib.worker.client import Worker


def promptedStructures(
    worker: Worker,
    volumeNode: vtkMRMLScalarVolumeNode,
    structures: Sequence[StructurePrompts],
    options: PromptOptions,
    wait: Callable[[Job], object],
) -> LabelMap:
    """Each structure on the slices where it is prompted, carried on through the volume; values from 1, on the volume's grid.

    Args:
        wait: starts a job and gives its outcome.

    Raises:
        InputError: there is no structure, or two of one name; as `readVolume`.
        SAMedError: what `wait` raises.
    """
    if not structures:
        raise InputError("there is no structure: give one with a box or a point.")
    volume = readVolume(volumeNode)
    labels = LabelTable(tuple(Label(v, each.name, generic_rgb(v)) for v, each in enumerate(structures, start=1)))
    kept, rows = _empty(volume, labels), []
    for label, structure in zip(labels, structures, strict=True):
        own, slices = _empty(volume, LabelTable((label,))), set()
        for prompt in structure.prompts:
            answer = wait(PromptJob(worker, volumeNode, prompt, options, own))
            own.voxels[part_of_slices(volume.grid, "LPS", answer.slice, answer.slice)] = answer.labelmap.voxels
            slices.add(answer.slice)
        np.copyto(kept.voxels, own.voxels, where=own.voxels > 0)
        rows.append(KeptStructure(label.value, tuple(sorted(slices)), limits=structure.limits))
    drawn = wait(PropagateJob(worker, volumeNode, kept, rows, options)).labelmap
    return replace(drawn, voxels=np.where(kept.voxels > 0, kept.voxels, drawn.voxels))


def _empty(volume: Volume, labels: LabelTable) -> LabelMap:
    return LabelMap(np.zeros(volume.voxels.shape, np.min_scalar_type(max(labels.values))), volume.ijk_to_lps, labels)
