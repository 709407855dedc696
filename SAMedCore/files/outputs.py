"""What a command writes must not be what it reads, nor what else it writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files.dicom_series import MODALITY, NOT_IMAGES, tag_of

SOP_INSTANCE = "0008|0018"
"""The one attribute that every DICOM object has."""


def check_outputs(outputs: Sequence[Path | None], inputs: Sequence[Path | None]) -> None:
    """Call it before long work. None stands for an output or input that was not asked for.

    A file is the same under whatever name: through links, and in upper and lower case where that makes no difference.

    Raises:
        InputError: an output is an input, a slice of a series that is one, the folder of one, or another output.
    """
    read = [path for path in inputs if path is not None]
    written: list[Path] = []
    for output in (path for path in outputs if path is not None):
        if any(_is_same(output, path) for path in read) or any(_would_be_same(output, path) for path in written):
            raise InputError(_twice(output))
        for path in read:
            if path.is_dir() and _real(path) in _real(output).parents and _is_slice(output):
                raise InputError(f'"{output}" is a slice of the scan in "{path}": choose another name for what is written.')
            if output.is_dir() and _real(output) in _real(path).parents:
                raise InputError(f'"{path}" lies in the folder "{output}", which would be replaced: choose another place.')
        written.append(output)


def check_named_once(inputs: Sequence[Path | None]) -> None:
    """Raises InputError where two inputs that have to differ are the same file, under whatever name."""
    given = [path for path in inputs if path is not None]
    for number, path in enumerate(given):
        if any(_is_same(path, other) for other in given[:number]):
            raise InputError(_twice(path))


def _twice(path: Path) -> str:
    return f"{path} is named twice: inputs and outputs need a file of their own each."


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_same(output: Path, path: Path) -> bool:
    try:
        return output.samefile(path)
    except OSError:
        return _real(output) == _real(path)


def _would_be_same(output: Path, path: Path) -> bool:
    # Neither may be there yet, so that nobody can say whether the file system tells upper from lower case.
    return _is_same(output, path) or str(_real(output)).casefold() == str(_real(path)).casefold()


def _is_slice(path: Path) -> bool:
    """Whether there is a DICOM image, as opposed to a segmentation that was written there before."""
    if not path.is_file():
        return False
    try:
        return bool(tag_of(path, SOP_INSTANCE)) and tag_of(path, MODALITY) not in NOT_IMAGES
    except RuntimeError:
        return False
