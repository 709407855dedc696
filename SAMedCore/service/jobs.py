"""What each request does. Errors are the library's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.folder import check_output, find_folder, read_info
from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.checkpoint.original import describe_original, import_original
from SAMedCore.cohort.run import segment_cohort
from SAMedCore.complete.scan import complete
from SAMedCore.demo import sample
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.rank import rank_slices
from SAMedCore.service import prompting
from SAMedCore.service.job import Job
from SAMedCore.service.messages import (
    AnnotatedScan,
    Complete,
    Describe,
    Fetch,
    Finetune,
    Import,
    Prompt,
    PromptVolume,
    Propagate,
    RankSlices,
    Segment,
    SegmentCohort,
)
from SAMedCore.service.models import Models
from SAMedCore.service.volumes import Volumes
from SAMedCore.service.voxels import OutputMap, UncertaintyMap, labelmap_of, write_labelmap
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.start import check_start
from SAMedCore.work import SILENT


def do(job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    """Do what the job's request says and return the values of its `Result`; raises what the library does."""
    return _DONE_BY[type(job.request)](job.request, job, models, volumes)


def _describe(request: Describe, *_: object) -> dict[str, Any]:
    file = Path(request.checkpoint)
    if file.is_file() and file.suffix != ".safetensors":
        facts = describe_original(file)
        lora = {"lora_rank": facts.lora.rank, "lora_in_decoder": facts.lora.in_decoder}
        return {"original": {"classes": facts.classes, **lora}}
    return {"info": read_info(find_folder(request.checkpoint)).to_json()}


def _import(request: Import, job: Job, *_: object) -> dict[str, Any]:
    out, work = Path(request.out), job.work()
    check_output(out)
    work.step("importing", 0, 1)
    base, weights = find_base_model(request.base)
    import_original(Path(request.file), base, weights, out, request.orientation, work=work)
    return {"checkpoint": str(out)}


def _fetch(request: Fetch, job: Job, *_: object) -> dict[str, Any]:
    work = job.work()
    work.step("fetching", 0, 0)
    if request.name == sample.NAME:
        return {"path": str(sample.fetch_sample_files(work)[0])}
    return {"path": str(fetch_model(request.name, work))}


def _segment(request: Segment, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    volume = volumes.named(request.volume)
    model = models.segmenter(request.model, job.work())
    output = OutputMap(job, volume.voxels.shape, model.label_dtype)
    unsure = UncertaintyMap(job, volume.voxels.shape) if request.options.uncertainty else None
    found = model.segment_with_probabilities(
        volume,
        request.options,
        job.work(output.finished),
        out=output.voxels,
        uncertainty_out=None if unsure is None else unsure.voxels,
        embeddings=models.embeddings.of(request.volume),
    )
    output.tell()
    return {
        "labelmap": output.message(volume.ijk_to_lps, found.labelmap.labels),
        "uncertainty": None if unsure is None else unsure.message(volume.ijk_to_lps),
        "doubt": None if unsure is None else found.doubt_row(),
    }


def _segment_cohort(request: SegmentCohort, job: Job, models: Models, *_: object) -> dict[str, Any]:
    work = job.work()
    result = segment_cohort(
        Path(request.source),
        Path(request.out),
        request.model,
        request.options,
        request.cohort,
        work,
        load=lambda options: models.segmenter(options, SILENT),
    )
    return {"csv": str(result.csv), "html": str(result.html)}


def _complete(request: Complete, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    volume, options, work = volumes.named(request.volume), request.options, job.work()
    model = partial(models.promptable, options.base, options.device, work)
    completion = complete(volume, labelmap_of(request.labels), options, work, model)
    dices = {method: estimate.mean_dice for method, estimate in completion.estimates.items()}
    return {
        "labelmap": write_labelmap(job, completion.labelmap),
        "summary": completion.summary(),
        "method": completion.method,
        "estimates": {method: dice for method, dice in dices.items() if math.isfinite(dice)},
        "annotated": list(completion.annotated),
        "completed": list(completion.completed),
    }


def _finetune(request: Finetune, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    # Between two epochs the loss is drawn, and matplotlib takes long to load the first time.
    import SAMedCore.draw.losscurve  # noqa: F401

    check_start(request.options)
    if not request.scans:
        raise InputError("there is no scan to learn from: add one with its segmentation.")
    models.release()
    work, out, was_cancelled, comparison = job.work(), Path(request.options.out), False, None
    work.step("loading", 0, 1)
    cases = [_case(number, scan, volumes) for number, scan in enumerate(request.scans, start=1)]
    try:
        comparison = finetune(cases, request.options, work).comparison
    except Cancelled:
        if not out.exists():
            raise
        was_cancelled = True
    dice = read_info(out).metrics.get("validation_dice")
    compared = None if comparison is None else comparison.to_json()
    return {"checkpoint": str(out), "validation_dice": dice, "cancelled": was_cancelled, "comparison": compared}


def _case(number: int, scan: AnnotatedScan, volumes: Volumes) -> Case:
    case = Case(volumes.named(scan.volume), labelmap_of(scan.labels), scan.slices)
    if not same_grid(case.volume.grid, case.labelmap.grid):
        raise InputError(f"scan {number}: its labels ({case.labelmap.grid}) are not on its volume's grid ({case.volume.grid}).")
    if scan.slices is not None and not scan.slices:
        raise InputError(f"scan {number} has no annotated slice: annotate at least one, or leave the scan out.")
    return case


def _rank(request: RankSlices, job: Job, models: Models, volumes: Volumes) -> dict[str, Any]:
    volume, work = volumes.named(request.volume), job.work()
    model = models.segmenter(request.model, work)
    ranked = rank_slices(model, volume, request.options, work, models.embeddings.of(request.volume))
    return {"slices": [{"slice": each.number, "uncertainty": each.uncertainty} for each in ranked]}


_DONE_BY: dict[type, Callable[..., dict[str, Any]]] = {
    Describe: _describe,
    Import: _import,
    Fetch: _fetch,
    Segment: _segment,
    SegmentCohort: _segment_cohort,
    Prompt: prompting.prompt,
    Propagate: prompting.propagate,
    PromptVolume: prompting.prompt_volume,
    Complete: _complete,
    Finetune: _finetune,
    RankSlices: _rank,
}
