"""The messages between Slicer and the worker: the one definition, used by both sides. Imports neither torch nor numpy.

One ASCII JSON object a line: requests go to the worker's stdin, events come from its stdout. Each carries the number that
the request was given, so that what a cancelled job still says is not taken for the next one's. Voxels never travel in a
message: they lie in .npy files in a private folder, named by `VoxelFile`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, RankOptions, SegmentOptions

PROTOCOL = 2
"""To be raised with every change that an older worker or panel would misunderstand."""

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class VoxelFile:
    """A volume in a .npy file.

    Attributes:
        path: of the file, its array (k, j, i).
        ijk_to_lps: 4 x 4, from voxel index to LPS in mm.
    """

    path: str
    ijk_to_lps: Matrix


@dataclass(frozen=True)
class LabelFile:
    """A label map in a .npy file, uint8 or uint16; `labels` is a `LabelTable` as its `to_json` has it."""

    path: str
    ijk_to_lps: Matrix
    labels: list[dict[str, Any]]


@dataclass(frozen=True)
class OpenVolume:
    """Hold a volume under the name `handle`, by which other requests name it until it is closed; answered at once.

    The file stays where it is and as it is until the volume is closed. Its encoded slices are kept as long. Result: {}.
    """

    handle: str
    volume: VoxelFile


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
        slices: the annotated ones, counted from the feet.
    """

    volume: str
    labels: LabelFile
    slices: tuple[int, ...]


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
    """Get a base model of the catalogue, or the sample CT ("sample"), into the cache folder. Result: {"path": path}."""

    name: str


@dataclass(frozen=True)
class Segment:
    """Segment an open volume; `Slices` events come with it.

    Result: {"labelmap": `LabelFile` as plain JSON, on the volume's grid}; the receiver removes the file.
    """

    volume: str
    model: ModelOptions
    options: SegmentOptions = field(default_factory=SegmentOptions)


@dataclass(frozen=True)
class Complete:
    """Fill in the rest of a partly annotated open volume; the labels are on its grid or a part of it.

    Result: {"labelmap": `LabelFile` as plain JSON, "summary": a sentence or two, "method": str,
    "estimates": {method: mean Dice on annotated slices left out}, "annotated": [k, ...], "completed": [k, ...]}.
    """

    volume: str
    labels: LabelFile
    options: CompleteOptions = field(default_factory=CompleteOptions)


@dataclass(frozen=True)
class Finetune:
    """Train on annotated scans and leave the best checkpoint at `options.out`; `Metrics` events come with it.

    Result: {"checkpoint": path, "validation_dice": float or None, "cancelled": bool}; a cancelled run that had finished an
    epoch gives its best checkpoint so far, one that had not ends in `Error`.
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


@dataclass(frozen=True)
class Device:
    """A device that torch can use: its name ("cuda:0", "mps", "cpu") and what a person calls it ("CPU, 8 threads")."""

    name: str
    description: str


@dataclass(frozen=True)
class Started:
    """The very first event, before anything heavy is imported; `pid` is the interpreter's, which leads a process group."""

    pid: int


@dataclass(frozen=True)
class Ready:
    """Torch is there and requests are answered from now on; the best device first."""

    pid: int
    version: str
    devices: tuple[Device, ...]
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class Progress:
    """How far the request is.

    Attributes:
        phase: "loading", "segmenting", "interpolating", "encoding", "estimating", "training", "completing", "ranking",
            "importing" or "fetching"; one may come again, with another total.
        done, total: of slices, steps or bytes; a total of 0 is not known.
    """

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Slices:
    """Slices are finished: the label map's file holds them in the box [[k, k), [j, j), [i, i)] of the volume's own grid."""

    labelmap: str
    box: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Metrics:
    """How training goes: the mean loss since the last of these; validation Dice where an epoch has just been validated.

    Steps and epochs are counted through all stages of the recipe; the totals grow when a further stage begins.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    validation_dice: float | None = None


@dataclass(frozen=True)
class Result:
    """A request is done; `values` as the request's class says."""

    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Error:
    """A request has failed: "input" and "failed" carry the user's sentence, "internal" has its traceback in the log."""

    message: str
    kind: Literal["input", "failed", "cancelled", "internal"] = "failed"


def handles(request: Request) -> tuple[str, ...]:
    """The open volumes that a request works with."""
    if isinstance(request, Segment | Complete | RankSlices):
        return (request.volume,)
    return tuple(scan.volume for scan in request.scans) if isinstance(request, Finetune) else ()


Request = OpenVolume | CloseVolume | Describe | Import | Fetch | Segment | Complete | Finetune | RankSlices | Cancel | Shutdown
Event = Started | Ready | Progress | Slices | Metrics | Result | Error
