"""What prompts and kept slices give."""

from __future__ import annotations

from typing import Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.prompt.placing import ORIENTATION, one_slice, slice_of_labelmap
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.structures import Painting
from SAMedCore.prompt.structures import prompt_volume as draw
from SAMedCore.prompt.through import Carried, carry_on
from SAMedCore.service.job import Job
from SAMedCore.service.messages import EncodeAhead, KeptStructure, Prompt, PromptVolume, Propagate
from SAMedCore.service.models import Models
from SAMedCore.service.volumes import Volumes
from SAMedCore.service.voxels import labelmap_of, write_labelmap
from SAMedCore.work import Work


def prompt(request: Prompt, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    """Answer a `Prompt`; raises as `PromptSession.mask`."""
    volume, work = volumes.named(request.volume), job.work()
    session = models.session(request.volume, volume, request.options, work)
    _encode(session, session.slice_of(request.prompt), request, job)
    table, before = LabelTable.generic([1]), None
    if request.before is not None:
        labelmap = labelmap_of(request.before)
        table = labelmap.labels
        before = slice_of_labelmap(labelmap, volume.grid, session.slice_of(request.prompt), table.values[0])
    answer = session.mask(request.prompt, before, work)
    drawn = one_slice(volume.grid, answer.slice, answer.mask, next(iter(table)))
    return {"labelmap": write_labelmap(job, drawn), "slice": answer.slice, "quality": answer.quality}


def _encode(session: PromptSession, k: int, request: Prompt, job: Job) -> None:
    """Encode the slice if it is not; also for a person who has cancelled the prompt already, until another thing is asked.

    Whoever corrects a box cancels the last one: what takes seconds with a large base model would begin again and again.
    """
    if session.is_encoded(k):
        return
    job.progress("encoding", 0, 1)
    others = Others(job, request, session, k)
    session.encode(k, Work(is_cancelled=lambda: job.is_cancelled and (bool(job.closes) or others.wait())))


def propagate(request: Propagate, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    """Answer a `Propagate`; raises as `carry_on`."""
    volume, work, labelmap = volumes.named(request.volume), job.work(), labelmap_of(request.labels)
    session = models.session(request.volume, volume, request.options, work)
    kept = {each: _masks(labelmap, volume, each.label, each.slices) for each in request.structures}
    carried = {
        each: carry_on(session, kept[each], each.changed, each.limits, work, _masks(labelmap, volume, each.label, each.rough))
        for each in request.structures
    }
    drawn = LabelMap(np.zeros(volume.voxels.shape, labelmap.voxels.dtype), volume.ijk_to_lps, labelmap.labels)
    slices = turned_view(drawn, ORIENTATION).voxels
    painting = Painting(slices)
    for structure, each in carried.items():
        for k, mask in each.masks.items():
            painting.claim(k, mask, each.scores[k], structure.label)
    # What a person kept of another structure stays.
    for masks in kept.values():
        for k, mask in masks.items():
            slices[k][mask] = 0
    rows = [_row(structure, each) for structure, each in carried.items()]
    return {"labelmap": write_labelmap(job, drawn), "structures": rows}


def prompt_volume(request: PromptVolume, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    """Answer a `PromptVolume`; raises as `SAMedCore.prompt_volume`."""
    options, work = request.options, job.work()
    model = models.promptable(options.base, options.device, work)
    answer = None if request.answer is None else labelmap_of(request.answer)
    prompted = draw(volumes.named(request.volume), request.structures, options, work, model, answer)
    confidence = {name: [[k, float(sure)] for k, sure in slices.items()] for name, slices in prompted.confidence.items()}
    kept = {name: list(slices) for name, slices in prompted.kept.items()}
    return {"labelmap": write_labelmap(job, prompted.labelmap), "confidence": confidence, "kept": kept}


def _masks(labelmap: LabelMap, volume: Volume, label: int, slices: tuple[int, ...]) -> dict[int, np.ndarray]:
    return {k: slice_of_labelmap(labelmap, volume.grid, k, label) for k in slices}


def _row(structure: KeptStructure, carried: Carried) -> dict[str, Any]:
    """What is told of one structure; where it has ended there is nothing to be unsure of."""
    confidence = [round(float(carried.confidence.get(k, 1.0)), 4) for k in carried.span]
    return {"label": structure.label, "drawn": list(carried.span), "confidence": confidence, "believed": list(carried.believed)}


class Others:
    """The requests that wait and do not want the slice that is encoded.

    Args:
        job: what it is encoded for, and its request.
        session, k: where and which slice.
    """

    def __init__(self, job: Job, request: EncodeAhead | Prompt, session: PromptSession, k: int) -> None:
        self._job = job
        self._request = request
        self._session = session
        self._k = k
        self._served: Job | None = None

    def wait(self) -> bool:
        """Whether the next one is such; asked between two layers."""
        waiting = self._job.first_waiting()
        if waiting is None or waiting is self._served:
            return False
        if not self._serves(waiting):
            return True
        self._served = waiting
        return False

    def _serves(self, waiting: Job) -> bool:
        asked = waiting.request
        if not isinstance(asked, Prompt):
            return False
        try:
            k = self._session.slice_of(asked.prompt)
        except InputError:
            return False
        return (asked.volume, asked.options, k) == (self._request.volume, self._request.options, self._k)
