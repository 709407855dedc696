"""The messages between Slicer and the worker: the one definition, used by both sides. Imports neither torch nor numpy.

One ASCII JSON object a line: requests go to the worker's stdin, events come from its stdout. Each carries the number that
the request was given, so that what a cancelled job still says is not taken for the next one's. Voxels never travel in a
message: they lie in .npy files in a private folder, named by `VoxelFile`.
"""

from __future__ import annotations

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar

PROTOCOL = 1
"""To be raised with every change that an older worker or panel would misunderstand."""

LONGEST_LINE = 4 * 2**20
"""Bytes. What is longer was not written by this project and is skipped."""

Matrix = tuple[tuple[float, ...], ...]


class ProtocolError(Exception):
    """A line that is no message."""


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
class AnnotatedScan:
    """What is learnt from: both files on the same grid.

    Attributes:
        slices: the annotated ones, counted from the feet (k in the orientation LPS).
    """

    volume: VoxelFile
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
    """Segment a volume; `Slices` events come with it.

    Attributes:
        model: a checkpoint folder or a name of the catalogue.
        base: the base model's weights file; None for the one in the cache folder.
        labels: names to keep; None for all.
        slices: from the feet; None for all.

    Result: {"labelmap": `LabelFile` as plain JSON, on the volume's grid}; the receiver removes the file.
    """

    volume: VoxelFile
    model: str
    base: str | None = None
    device: str = "auto"
    precision: str = "auto"
    labels: tuple[str, ...] | None = None
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Complete:
    """Fill in the rest of a partly annotated scan.

    Attributes:
        annotated_slices: from the feet; None for those that hold a label.
        base: a name of the catalogue or a weights file.

    Result: {"labelmap": `LabelFile` as plain JSON, "summary": a sentence or two, "method": str,
    "estimates": {method: mean Dice on annotated slices left out}, "annotated": [k, ...], "completed": [k, ...]}.
    """

    volume: VoxelFile
    labels: LabelFile
    annotated_slices: tuple[int, ...] | None = None
    base: str = "lite"
    device: str = "auto"


@dataclass(frozen=True)
class Finetune:
    """Train on annotated scans and leave the best checkpoint at `out`; `Metrics` events come with it.

    Attributes:
        base: a base model's name or weights file, or None with `checkpoint`, the one to go on from.
        classes: names of the structures to learn; None for all that occur.
        epochs, minutes: of each stage, its encoding included; None for the preset's own.
        validation: the fraction held out.

    What a killed run to the same `out` left is gone on with, if its scans and options were the same, else refused.

    Result: {"checkpoint": path, "validation_dice": float or None, "cancelled": bool}; a cancelled run that had finished an
    epoch gives its best checkpoint so far, one that had not ends in `Error`.
    """

    scans: tuple[AnnotatedScan, ...]
    out: str
    base: str | None = None
    checkpoint: str | None = None
    preset: str = "few-shot"
    classes: tuple[str, ...] | None = None
    epochs: int | None = None
    minutes: float | None = None
    validation: float = 0.2
    device: str = "auto"


@dataclass(frozen=True)
class RankSlices:
    """Which slices the model is least sure of.

    Attributes:
        annotated: slices to leave out, from the feet.

    Result: {"slices": [{"slice": k from the feet, "uncertainty": float, "centre_lps": [mm, mm, mm]}, ...]}, least sure first.
    """

    volume: VoxelFile
    model: str
    base: str | None = None
    device: str = "auto"
    annotated: tuple[int, ...] = ()


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


Request = Describe | Import | Fetch | Segment | Complete | Finetune | RankSlices | Cancel | Shutdown
Event = Started | Ready | Progress | Slices | Metrics | Result | Error

_REQUESTS = {cls.__name__: cls for cls in typing.get_args(Request)}
_EVENTS = {cls.__name__: cls for cls in typing.get_args(Event)}
AnyMessage = TypeVar("AnyMessage")


def encode(message: Request | Event, number: int = 0) -> bytes:
    """The message as one line, with its newline."""
    row = {"type": type(message).__name__, "number": number, **asdict(message)}
    return json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def decode_request(line: bytes) -> tuple[Request, int]:
    """The request in a line and its number. Raises ProtocolError."""
    return _decode(line, _REQUESTS)


def decode_event(line: bytes) -> tuple[Event, int]:
    """The event in a line and the number of its request (0: none). Raises ProtocolError."""
    return _decode(line, _EVENTS)


class Lines:
    """Bytes as they come, cut into lines.

    A line may come in pieces; an empty one and one longer than `LONGEST_LINE` are skipped.

    Example:
        >>> lines = Lines()
        >>> lines.feed(b'{"a"'), lines.feed(b': 1}\\n{')
        ([], [b'{"a": 1}'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes, without their newline."""
        *complete, rest = bytes(piece).split(b"\n")
        lines = []
        for part in complete:
            self._append(part)
            if self._rest:
                lines.append(bytes(self._rest))
            self._rest.clear()
            self._skipping = False
        self._append(rest)
        return lines

    def _append(self, part: bytes) -> None:
        self._skipping = self._skipping or len(self._rest) + len(part) > LONGEST_LINE
        if self._skipping:
            self._rest.clear()
        else:
            self._rest += part


def _decode(line: bytes, known: dict[str, type]) -> tuple[Any, int]:
    try:
        row = json.loads(line)
        message_class = known[row.pop("type")]
        number = row.pop("number")
        if type(number) is not int:
            raise TypeError("number")
        return _build(message_class, row), number
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"no message: {line[:200]!r} ({error!r})") from error


def _build(cls: type[AnyMessage], row: dict[str, Any]) -> AnyMessage:
    hints = typing.get_type_hints(cls)
    unknown = row.keys() - {each.name for each in fields(cls)}  # type: ignore[arg-type]
    if unknown:
        raise TypeError(f"{cls.__name__} has no {min(unknown)}")
    return cls(**{name: _value(hints[name], value) for name, value in row.items()})


def _value(hint: Any, value: Any) -> Any:
    """What JSON gave as what the annotation says: tuples for lists, data classes for objects, the types checked."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint):
        return _build(typing.cast(type, hint), value)
    if origin in (types.UnionType, typing.Union):
        return None if value is None and type(None) in arguments else _value(arguments[0], value)
    if origin is Literal:
        if value not in arguments:
            raise TypeError(f"{value!r} is none of {arguments}")
        return value
    if origin is tuple and isinstance(value, list):
        inner = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_value(each, item) for each, item in zip(inner, value, strict=True))
    expected = origin or hint
    if expected is float and type(value) is int:
        return float(value)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {expected.__name__}")
    return value
