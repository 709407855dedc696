"""A case as a folder, a table or a dataset lists it, before any file of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SAMedCore.image.labels import LabelTable

ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


@dataclass(frozen=True)
class ListedCase:
    """One case of a folder, a table or a dataset.

    Attributes:
        name: by which it is told from the others; also that of its results.
        image: a file, or a DICOM series folder.
        labels: its label map; None where there is none.
        table: what the label map's values mean where the dataset says it; None where it does not.
        test: whether the dataset keeps the case for testing.
        slices: which of the image's slices, along k as it is stored, the dataset lists for training; None for all.
    """

    name: str
    image: Path
    labels: Path | None = None
    table: LabelTable | None = None
    test: bool = False
    slices: tuple[int, ...] | None = None


def name_of(path: Path) -> str:
    """The file's name without its ending, or the folder's name."""
    endings = () if path.is_dir() else ENDINGS
    length = next((len(ending) for ending in endings if path.name.lower().endswith(ending)), 0)
    return path.name[: len(path.name) - length]
