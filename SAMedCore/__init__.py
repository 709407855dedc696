"""SAMed: Segment Anything, LoRA-tuned for medical images. Light to import: torch comes with the first model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from SAMedCore.inference import Segmenter, load_model
    from SAMedCore.labels import LabelTable
    from SAMedCore.volume import LabelMap, Volume, read_labelmap, read_volume, write_labelmap

HOMES = {
    "LabelMap": "volume",
    "LabelTable": "labels",
    "Segmenter": "inference",
    "Volume": "volume",
    "load_model": "inference",
    "read_labelmap": "volume",
    "read_volume": "volume",
    "write_labelmap": "volume",
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
