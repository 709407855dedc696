"""SAMed: Segment Anything, LoRA-tuned for medical images. Light to import: torch comes with the first model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from SAMedCore.files.prompts import read_prompts
    from SAMedCore.files.read import read_labelmap, read_volume
    from SAMedCore.files.write import write_labelmap
    from SAMedCore.image.labels import LabelTable
    from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
    from SAMedCore.image.volume import LabelMap, Volume
    from SAMedCore.options import PromptOptions
    from SAMedCore.prompt.structures import prompt_volume
    from SAMedCore.segment import Segmenter, load_model

HOMES = {
    "LabelMap": "image.volume",
    "LabelTable": "image.labels",
    "Limits": "image.prompts",
    "PromptOptions": "options",
    "Segmenter": "segment",
    "SlicePrompt": "image.prompts",
    "StructurePrompts": "image.prompts",
    "Volume": "image.volume",
    "load_model": "segment",
    "prompt_volume": "prompt.structures",
    "read_labelmap": "files.read",
    "read_prompts": "files.prompts",
    "read_volume": "files.read",
    "write_labelmap": "files.write",
}
__all__ = [
    "LabelMap",
    "LabelTable",
    "Limits",
    "PromptOptions",
    "Segmenter",
    "SlicePrompt",
    "StructurePrompts",
    "Volume",
    "load_model",
    "prompt_volume",
    "read_labelmap",
    "read_prompts",
    "read_volume",
    "write_labelmap",
]


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(f"SAMedCore.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
