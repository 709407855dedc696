"""The margins of charts, and writing a figure to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from SAMedCore.errors import InputError
from SAMedCore.files.atomic import check_writable, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

FORMATS = ("png", "pdf", "svg")


def padded_layout() -> ConstrainedLayoutEngine:
    """Lets a chart fill its figure but for a small margin."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)


def check_picture_output(path: Path) -> str:
    """Call it before long work: whether `save` will be able to write there.

    Returns:
        The format.

    Raises:
        InputError: the ending is none of `FORMATS`, or the file cannot be written.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise InputError(f'"{path}" has no ending of a picture: use .png, .pdf or .svg.')
    check_writable(path)
    return ending


def save(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Writes the figure in the format that the ending of `path` names.

    Raises:
        InputError: as `check_picture_output`.
    """
    path = Path(path)
    ending = check_picture_output(path)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=ending, dpi=dpi, facecolor=figure.get_facecolor())
