"""SAMed: Segment Anything, LoRA-tuned for medical images. Light to import: torch comes with the first model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from SAMedCore.files.read import read_labelmap, read_volume
    from SAMedCore.files.write import write_labelmap
    from SAMedCore.image.labels import LabelTable
    from SAMedCore.image.volume import LabelMap, Volume
    from SAMedCore.segment import Segmenter, load_model

HOMES = {
    "LabelMap": "image.volume",
    "LabelTable": "image.labels",
    "Segmenter": "segment",
    "Volume": "image.volume",
    "load_model": "segment",
    "read_labelmap": "files.read",
    "read_volume": "files.read",
    "write_labelmap": "files.write",
}
__all__ = [
    "LabelMap",
    "LabelTable",
    "Segmenter",
    "Volume",
    "load_model",
    "read_labelmap",
    "read_volume",
    "write_labelmap",
]


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(f"SAMedCore.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
