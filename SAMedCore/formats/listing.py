"""The scans or label maps that a folder holds."""

from __future__ import annotations

from pathlib import Path

from SAMedCore.errors import InputError

ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


def scans_in(folder: Path) -> list[tuple[str, Path]]:
    """(name without the ending, path) of each image file and each subfolder, which is a DICOM series, sorted by path.

    Raises:
        InputError: it is no folder, or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name one that holds the files.")
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    scans = [(_name(path), path) for path in paths if path.is_dir() or path.name.lower().endswith(ENDINGS)]
    if not scans:
        raise InputError(f"{folder} holds no images ({', '.join(ENDINGS)} or DICOM folders).")
    return scans


def _name(path: Path) -> str:
    if path.is_dir():
        return path.name
    ending = next(ending for ending in ENDINGS if path.name.lower().endswith(ending))
    return path.name[: -len(ending)]
