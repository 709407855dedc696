"""What each request does. Errors are the library's own."""

from __future__ import annotations

from typing import Any

from SAMedCore.protocol import Segment
from SAMedCore.volume import axial_count, from_the_feet
from SAMedCore.worker.job import Job
from SAMedCore.worker.models import Models
from SAMedCore.worker.voxels import OutputMap, volume_of


def do(job: Job, models: Models) -> dict[str, Any]:
    """Do what the job's request says and return the values of its `Result`; raises what the library does."""
    return _WORK[type(job.request)](job.request, job, models)


def _segment(request: Segment, job: Job, models: Models) -> dict[str, Any]:
    volume = volume_of(request.volume)
    model = models.segmenter(job, request.model, request.base, request.device, request.precision)
    slices = request.slices
    if slices is not None:
        slices = tuple(from_the_feet(slices, axial_count(volume), model.info.preprocessing.orientation))
    output = OutputMap(job, volume.voxels.shape, model.label_dtype)
    labelmap = model.segment(
        volume,
        labels=request.labels,
        slices=slices,
        out=output.voxels,
        finished=output.finished,
        progress=lambda event: job.progress("segmenting", event["done"], event["total"]),
        cancelled=job.cancelled,
    )
    output.tell()
    return {"labelmap": output.message(volume.ijk_to_lps, labelmap.labels)}


_WORK: dict[type, Any] = {Segment: _segment}
