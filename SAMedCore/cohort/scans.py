"""The scans of a cohort, and what became of each. Imports no torch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from SAMedCore.errors import InputError
from SAMedCore.files.cases import listed, to_segment
from SAMedCore.files.dicom_series import is_series
from SAMedCore.files.listed_case import ListedCase
from SAMedCore.files.write import LABELMAP_ENDINGS
from SAMedCore.options import ModelOptions, SegmentOptions

OWN_FOLDER = ".samed"
"""In the output folder: the journal, its lock, thumbnails, and segmentations that are being written."""


@dataclass(frozen=True)
class Scan:
    """One scan to segment.

    Attributes:
        name: by which it is told from the others.
        image: absolute path of a file or DICOM series folder.
        output: absolute path of the segmentation.
        state: size in bytes and time of change (ns) of the image: another one when it has been replaced.
    """

    name: str
    image: str
    output: str
    state: tuple[int, int]


@dataclass(frozen=True)
class ScanRow:
    """What became of one scan: its line in the journal and in the report. Plain enough for JSON.

    Attributes:
        scan: which one.
        error: why there is no segmentation, a sentence for people; None where there is one.
        may_pass: whether that reason may be gone at the next try.
        volumes_ml: structure -> ml, 0 where it was not found.
        doubt: structure -> 0..1, as `Segmentation.label_doubt`.
        shape: voxels along i, j and k.
        spacing_mm: along i, j and k.
        seconds: "read", "segment" and "write".
        worker: the device and its computer.
        notes: what a person should know of this scan although it was segmented.
        tries: how many it took.
    """

    scan: Scan
    error: str | None = None
    may_pass: bool = False
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    doubt: Mapping[str, float] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: str = ""
    notes: tuple[str, ...] = ()
    tries: int = 1

    @property
    def mean_doubt(self) -> float | None:
        """Over the structures that were found, or all where none was."""
        found = [value for name, value in self.doubt.items() if self.volumes_ml.get(name)] or list(self.doubt.values())
        return sum(found) / len(found) if found else None

    def to_json(self) -> dict[str, Any]:
        """As plain dictionaries and lists; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ScanRow:
        """Raises KeyError, TypeError or ValueError where it is no such row."""
        scan = Scan(**{**row["scan"], "state": tuple(row["scan"]["state"])})
        return cls(**{**row, "scan": scan, **{name: tuple(row[name]) for name in ("shape", "spacing_mm", "notes")}})


@dataclass(frozen=True)
class Request:
    """What is done with each scan, on whatever computer: all paths absolute.

    Attributes:
        model: the checkpoint.
        options: what is segmented, with the uncertainty, which the report tells.
        folder: `OWN_FOLDER` of the output folder.
    """

    model: ModelOptions
    options: SegmentOptions
    folder: str

    def thumbnail(self, name: str) -> Path:
        """Where the picture of a scan lies."""
        return Path(self.folder) / "thumbnails" / f"{name}.jpg"

    def unfinished(self, scan: Scan) -> Path:
        """Where its segmentation is written before it is whole; another place each time: who is thought gone may write on."""
        return Path(self.folder) / "unfinished" / f"{uuid.uuid4().hex[:8]}.{Path(scan.output).name}"


def request_for(out: Path, model: ModelOptions, options: SegmentOptions) -> Request:
    """The request for an output folder.

    Raises:
        InputError: what is asked for makes sense for one scan only.
    """
    if options.slices is not None:
        raise InputError("slice numbers mean another place in each scan: leave them out where there are many.")
    if options.probabilities:
        raise InputError("probabilities are kept of one scan at a time: leave them out where there are many.")
    return Request(
        replace(model, checkpoint=_absolute(model.checkpoint), base=None if model.base is None else _absolute(model.base)),
        replace(options, uncertainty=True),
        str(out.absolute() / OWN_FOLDER),
    )


def scans_of(source: Path, out: Path, ending: str) -> list[Scan]:
    """The scans of a folder, a CSV file or a dataset's test cases, and where their segmentations go, sorted by name.

    Raises:
        InputError: there are none, the ending is unknown, or the segmentations would lie among the scans or replace what is
            there of them.
    """
    if ending not in LABELMAP_ENDINGS:
        known = f"{', '.join(LABELMAP_ENDINGS[:-1])} or {LABELMAP_ENDINGS[-1]}"
        raise InputError(f'"{ending}" is no ending of a segmentation: choose {known}.')
    if source.resolve() == out.resolve():
        raise InputError(f'"{out}" holds the scans: choose another folder for the segmentations.')
    scans = []
    cases = listed(source)
    for case in to_segment(cases):
        # The folder of an earlier run may lie among the scans.
        if case.image.resolve() != out.resolve() or is_series(out):
            scans.append(
                Scan(case.name, str(case.image.absolute()), str(out.absolute() / f"{case.name}{ending}"), _state(case.image))
            )
    if not scans:
        raise InputError(f'"{source}" holds no scans but the segmentations of "{out}": choose the folder of the scans.')
    _refuse_to_replace(cases, scans, out)
    return scans


def _refuse_to_replace(cases: Sequence[ListedCase], scans: Sequence[Scan], out: Path) -> None:
    """Raises InputError where a segmentation would take the place of a scan or its labels, under whatever name."""
    there = {_identity(path) for case in cases for path in (case.image, case.labels) if path is not None}
    written = [Path(scan.output) for scan in scans]
    if out.is_dir() and is_series(out):
        written.append(out)
    for path in written:
        if path.exists() and _identity(path) in there:
            raise InputError(f'"{path}" belongs to the scans: choose another folder for the segmentations.')


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _state(image: Path) -> tuple[int, int]:
    found = image.stat()
    return found.st_size, found.st_mtime_ns


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).exists() else name
