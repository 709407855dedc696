"""What Slicer asks of the worker: the one definition, used by both sides. Imports neither torch nor numpy.

What it answers is in `service.events`. One request is worked on at a time; those that come meanwhile wait in order, and are
told so by a `Progress` of the phase "waiting".

One ASCII JSON object a line: requests go to the worker's stdin, events come from its stdout. Each carries the number that
the request was given, so that what a cancelled job still says is not taken for the next one's. Voxels never travel in a
message: they lie in .npy files in a private folder, named by `VoxelFile`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from SAMedCore.image.prompts import NO_LIMITS, Limits, SlicePrompt, StructurePrompts
from SAMedCore.options import (
    CohortOptions,
    CompleteOptions,
    FinetuneOptions,
    ModelOptions,
    PromptOptions,
    RankOptions,
    SegmentOptions,
)
from SAMedCore.service.carried import LabelFile, VoxelFile


@dataclass(frozen=True)
class OpenVolume:
    """Hold a volume under the name `handle`, by which other requests name it until it is closed; answered at once.

    The file stays where it is and as it is until the volume is closed. Its encoded slices are kept as long. Result: {}.

    Attributes:
        modality: as `Volume` has it.
    """

    handle: str
    volume: VoxelFile
    modality: str | None = None


@dataclass(frozen=True)
class CloseVolume:
    """Let go of a volume and its encoded slices; answered once no job reads it: its file may be removed. Result: {}."""

    handle: str


@dataclass(frozen=True)
class AnnotatedScan:
    """What is learnt from.

    Attributes:
        volume: handle.
        labels: on the volume's grid.
        slices: the annotated ones, counted from the feet; None for what the training's options say.
    """

    volume: str
    labels: LabelFile
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Describe:
    """What a checkpoint is: a folder, a name of the catalogue, or an original .pth.

    Result: {"info": its samed.json}, or for a .pth {"original": {"classes": int, "lora_rank": int, "lora_in_decoder": bool}}.
    """

    checkpoint: str


@dataclass(frozen=True)
class Import:
    """Turn an original .pth into a checkpoint folder at `out`.

    Attributes:
        base: a name of the catalogue or a weights file.
        orientation: three letters, or "auto"; see `Preprocessing`.

    Result: {"checkpoint": path}.
    """

    file: str
    base: str
    out: str
    orientation: str


@dataclass(frozen=True)
class Fetch:
    """Get a base model of the catalogue, the sample CT ("sample"), or what "hf:owner/name[@revision]" names, and keep it.

    Result: {"path": path}.
    """

    name: str


@dataclass(frozen=True)
class Segment:
    """Segment an open volume; `Slices` events come with it.

    Result: {"labelmap": `LabelFile` as plain JSON, on the volume's grid, "uncertainty": `VoxelFile` as plain JSON (k, j, i)
    float16 on the volume's own grid, where `options.uncertainty` asks for it, else None, "doubt": {"labels": {name: 0 to 1},
    "slices": [0 to 1 or None where none was segmented, for each axial slice from the feet], or None where the model's slices
    are not axial} likewise}; the receiver removes the files.
    """

    volume: str
    model: ModelOptions
    options: SegmentOptions = field(default_factory=SegmentOptions)


@dataclass(frozen=True)
class SegmentCohort:
    """Segment all scans of a source into a folder, both as `segment_cohort` takes them; one that fails is a `Notice` too.

    Result: {"csv": path, "html": path} of the report, also where scans have failed; the table says which, and what was written.
    """

    source: str
    out: str
    model: ModelOptions
    options: SegmentOptions = field(default_factory=SegmentOptions)
    cohort: CohortOptions = field(default_factory=CohortOptions)


@dataclass(frozen=True)
class Prompt:
    """The mask of one structure on one slice of an open volume.

    Attributes:
        before: the mask so far, one label, on the volume's grid or a part of it; None where there is none.

    Result: {"labelmap": `LabelFile` as plain JSON, one label, on the prompt's slice of the volume's own grid,
    "slice": k from the feet, "quality": 0 to 1, as the model says it}; the receiver removes the file.
    """

    volume: str
    prompt: SlicePrompt
    options: PromptOptions = field(default_factory=PromptOptions)
    before: LabelFile | None = None


@dataclass(frozen=True)
class KeptStructure:
    """The slices of one structure that a person accepted, drew or corrected.

    Attributes:
        label: its value.
        slices: kept ones, from the feet.
        changed: those of them that are new or have changed since it was last carried on; None: it never was. Only what lies
            between these and the next kept slice on either side, or the end, is drawn again.
        limits: beyond which it is not carried on.
        rough: other slices, as a checkpoint drew them: believed where the base model sees the same and it hangs together with
            what is kept. With them nothing need be kept.
    """

    label: int
    slices: tuple[int, ...]
    changed: tuple[int, ...] | None = None
    limits: Limits = NO_LIMITS
    rough: tuple[int, ...] = ()


@dataclass(frozen=True)
class Propagate:
    """Carry structures on through an open volume from their kept slices.

    Attributes:
        labels: the kept slices and the rough ones, on the volume's grid or a part of it; what else is drawn there is not
            looked at.

    Result: {"labelmap": `LabelFile` as plain JSON, on the volume's grid, 0 on slices that were not drawn again,
    "structures": [{"label": int, "drawn": [k, ...] slices drawn anew, empty ones among them,
    "confidence": [float, ...] 0 to 1, one for each of "drawn", 1 for an empty one,
    "believed": [k, ...] those of "drawn" on which the checkpoint was believed}]}; the receiver removes the file.
    """

    volume: str
    labels: LabelFile
    structures: tuple[KeptStructure, ...]
    options: PromptOptions = field(default_factory=PromptOptions)


@dataclass(frozen=True)
class PromptVolume:
    """Structures of an open volume from their boxes and points, each carried on through it, as `prompt_volume` does.

    Attributes:
        answer: what a checkpoint drew of it, to be corrected, on the volume's grid or a part of it; None for nothing.

    Result: {"labelmap": `LabelFile` as plain JSON, on the volume's grid, "confidence": {name: [[k, 0 to 1], ...]},
    "kept": {name: [k, ...]}}, k from the feet, as `Prompted` has them; the receiver removes the file.
    """

    volume: str
    structures: tuple[StructurePrompts, ...]
    options: PromptOptions = field(default_factory=PromptOptions)
    answer: LabelFile | None = None


@dataclass(frozen=True)
class EncodeAhead:
    """While nothing else is asked, encode the volume's slices for `Prompt`, from this one (from the feet) outwards.

    The base model is loaded for it. Answered at once; the next one takes its place, and closing the volume ends it. A base
    model that is not here, and whatever else goes wrong, ends it without a word. Result: {}.
    """

    volume: str
    slice: int
    options: PromptOptions = field(default_factory=PromptOptions)


@dataclass(frozen=True)
class Complete:
    """Fill in the rest of a partly annotated open volume; the labels are on its grid or a part of it.

    Result: {"labelmap": `LabelFile` as plain JSON, "summary": a sentence or two, "method": that of most structures,
    "estimates": {method: mean Dice on annotated slices left out}, "annotated": [k, ...], "completed": [k, ...]}.
    """

    volume: str
    labels: LabelFile
    options: CompleteOptions = field(default_factory=CompleteOptions)


@dataclass(frozen=True)
class Finetune:
    """Train on annotated scans and leave the best checkpoint at `options.out`; `Metrics` events come with it.

    Result: {"checkpoint": path, "validation_dice": float or None, "cancelled": bool, "comparison": as
    `BeforeAfter.to_json` has it, or None where nothing was held out or the run was cancelled}; a cancelled run that had
    finished an epoch gives its best checkpoint so far, one that had not ends in `Error`.
    """

    scans: tuple[AnnotatedScan, ...]
    options: FinetuneOptions


@dataclass(frozen=True)
class RankSlices:
    """Which slices of an open volume the model is least sure of.

    Result: {"slices": [{"slice": k from the feet, "uncertainty": float}, ...]}, least sure first.
    """

    volume: str
    model: ModelOptions
    options: RankOptions = field(default_factory=RankOptions)


@dataclass(frozen=True)
class Cancel:
    """Stop the request of the same number; it ends with an `Error` of kind "cancelled" or, if it was too late, its result."""


@dataclass(frozen=True)
class Shutdown:
    """Leave; the end of stdin means the same."""


def handles(request: Request) -> tuple[str, ...]:
    """The open volumes that a request works with."""
    if isinstance(request, EncodeAhead | Segment | Prompt | Propagate | PromptVolume | Complete | RankSlices):
        return (request.volume,)
    return tuple(scan.volume for scan in request.scans) if isinstance(request, Finetune) else ()


Request = (
    OpenVolume
    | CloseVolume
    | EncodeAhead
    | Describe
    | Import
    | Fetch
    | Segment
    | SegmentCohort
    | Prompt
    | Propagate
    | PromptVolume
    | Complete
    | Finetune
    | RankSlices
    | Cancel
    | Shutdown
)
