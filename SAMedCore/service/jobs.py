"""What each request does. Errors are the library's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.catalogue import fetch_base, find_base
from SAMedCore.checkpoint.folder import check_output, find_folder, read_info
from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.checkpoint.original import describe_original, import_original
from SAMedCore.complete.scan import complete
from SAMedCore.demo import sample
from SAMedCore.rank import rank_slices
from SAMedCore.service.finetuning import finetuned
from SAMedCore.service.job import Job
from SAMedCore.service.messages import Complete, Describe, Fetch, Finetune, Import, RankSlices, Segment
from SAMedCore.service.models import Models
from SAMedCore.service.voxels import OutputMap, labelmap_of, volume_of
from SAMedCore.work import Work


def do(job: Job, models: Models) -> dict[str, Any]:
    """Do what the job's request says and return the values of its `Result`; raises what the library does."""
    return _WORK[type(job.request)](job.request, job, models)


def _describe(request: Describe, job: Job, models: Models) -> dict[str, Any]:
    file = Path(request.checkpoint)
    if file.is_file() and file.suffix != ".safetensors":
        facts = describe_original(file)
        lora = {"lora_rank": facts.lora.rank, "lora_in_decoder": facts.lora.in_decoder}
        return {"original": {"classes": facts.classes, **lora}}
    return {"info": read_info(find_folder(request.checkpoint)).to_json()}


def _import(request: Import, job: Job, models: Models) -> dict[str, Any]:
    out = Path(request.out)
    check_output(out)
    job.progress("importing", 0, 1)
    base, weights = find_base_model(request.base)
    import_original(Path(request.file), base, weights, out, request.orientation, work=Work(is_cancelled=job.cancelled))
    return {"checkpoint": str(out)}


def _fetch(request: Fetch, job: Job, models: Models) -> dict[str, Any]:
    job.progress("fetching", 0, 0)
    if request.name == sample.NAME:
        return {"path": str(sample.fetch_sample_files(Work(is_cancelled=job.cancelled))[0])}
    base = find_base(request.name)
    path = fetch_base(base, Work(lambda event: job.progress(event.phase, event.done, event.total), job.cancelled))
    return {"path": str(path)}


def _segment(request: Segment, job: Job, models: Models) -> dict[str, Any]:
    volume = volume_of(request.volume)
    model = models.segmenter(job, request.model, request.base, request.device, request.precision)
    output = OutputMap(job, volume.voxels.shape, model.label_dtype)
    labelmap = model.segment(
        volume,
        labels=request.labels,
        slices=request.slices,
        out=output.voxels,
        finished=output.finished,
        progress=lambda event: job.progress("segmenting", event["done"], event["total"]),
        cancelled=job.cancelled,
    )
    output.tell()
    return {"labelmap": output.message(volume.ijk_to_lps, labelmap.labels)}


def _complete(request: Complete, job: Job, models: Models) -> dict[str, Any]:
    completion = complete(
        volume_of(request.volume),
        labelmap_of(request.labels),
        annotated_slices=request.annotated_slices,
        model=lambda: models.promptable(job, request.base, request.device),
        progress=lambda event: job.progress(event["phase"], event["done"], event["total"]),
        cancelled=job.cancelled,
    )
    labelmap = completion.labelmap
    output = OutputMap(job, labelmap.voxels.shape, labelmap.voxels.dtype)
    output.voxels[:] = labelmap.voxels
    dices = {method: estimate.mean_dice for method, estimate in completion.estimates.items()}
    return {
        "labelmap": output.message(labelmap.ijk_to_lps, labelmap.labels),
        "summary": completion.summary(),
        "method": completion.method,
        "estimates": {method: dice for method, dice in dices.items() if math.isfinite(dice)},
        "annotated": list(completion.annotated),
        "completed": list(completion.completed),
    }


def _finetune(request: Finetune, job: Job, models: Models) -> dict[str, Any]:
    models.release()
    return finetuned(request, job)


def _rank(request: RankSlices, job: Job, models: Models) -> dict[str, Any]:
    volume = volume_of(request.volume)
    ranked = rank_slices(
        models.segmenter(job, request.model, request.base, request.device),
        volume,
        annotated=request.annotated,
        progress=lambda event: job.progress("ranking", event["done"], event["total"]),
        cancelled=job.cancelled,
    )
    return {
        "slices": [
            {"slice": each.number, "uncertainty": each.uncertainty, "centre_lps": list(each.centre_lps)} for each in ranked
        ]
    }


_WORK: dict[type, Any] = {
    Describe: _describe,
    Import: _import,
    Fetch: _fetch,
    Segment: _segment,
    Complete: _complete,
    Finetune: _finetune,
    RankSlices: _rank,
}
