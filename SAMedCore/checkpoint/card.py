"""The README.md of a checkpoint's folder: what people, and the Hugging Face Hub, read first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from SAMedCore import __version__
from SAMedCore.checkpoint import catalogue
from SAMedCore.evaluate.before_after import PICTURE_FILE, BeforeAfter

if TYPE_CHECKING:
    from SAMedCore.checkpoint.folder import Base, CheckpointInfo
    from SAMedCore.model.preprocessing import Preprocessing

CT_TAGS = ("computed-tomography",)

CARD = """\
{front_matter}
# SAMed checkpoint: {structures} in {scans}

{description}

**Research use only. Not a medical device.** Meant for scans like those that it was trained on. On other scanners, body parts or
patients it may be wrong without showing it: look at every result before you use it.

- **Labels**: {labels}.
- **Base model**: `{base}`, SHA-256 `{sha256}`. It is not in this folder, which holds the LoRA and the tuned prompt
  encoder and mask decoder.
- **Licence**: {licence}
- **Trained on**: {trained_on}.
- **Measured**: {metrics}.
- **Input**: axial slices in orientation {orientation}, {values}, {size} x {size} pixels.

`samed.json` has all of it, for programs. Written by SAMedCore {version}.

{usage}{comparison}"""

COMPARISON = """
## Before and after the training

{summary}

```
{table}
```

![Dice before and after]({picture})
"""

USAGE = """\
## Use

With SAMedCore installed and {base_at_hand}:

```python
from pathlib import Path

from SAMedCore import load_model
from SAMedCore import read_volume
from SAMedCore import write_labelmap

model = load_model({arguments})
labelmap = model.segment(read_volume(Path("{scan}.nii.gz")))
write_labelmap(labelmap, Path("organs.seg.nrrd"))
```
"""


def model_card(info: CheckpointInfo) -> str:
    """The card of a checkpoint: Markdown below the front matter that the Hub reads. It names no scan, file or patient."""
    is_ct = info.preprocessing.intensities == "ct"
    description = info.description or "a SAMed checkpoint"
    return CARD.format(
        front_matter=front_matter(info.base, CT_TAGS if is_ct else ()),
        structures="one structure" if len(info.labels) == 1 else f"{len(info.labels)} structures",
        scans="CT" if is_ct else "other scans than CT",
        description=f"{description[0].upper()}{description[1:].rstrip('.')}.",
        labels=", ".join(f"{label.value} {label.name}" for label in info.labels),
        base=info.base.name,
        sha256=info.base.sha256,
        licence=_licence(info.base),
        trained_on=_numbers(info.trained_on),
        metrics=_numbers(info.metrics),
        orientation=info.preprocessing.orientation,
        values=_values(info.preprocessing),
        size=info.preprocessing.input_size,
        version=__version__,
        usage=usage(info.base, "CHECKPOINT", "ct" if is_ct else "scan"),
        comparison=_comparison(info.metrics.get("before_after")),
    )


def front_matter(base: Base, scan_tags: Sequence[str] = CT_TAGS) -> str:
    """The YAML between two lines `---`; the licence is the base's, and left out where that is not known.

    Args:
        scan_tags: the Hub's for the kind of scan.
    """
    from huggingface_hub import ModelCardData
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    known = catalogue.known_base(base.sha256)
    name: str | None = base.name
    try:
        validate_repo_id(base.name)
    except HFValidationError:
        name = None  # A person's own weights file may have any name; the Hub takes none that could not be a model's.
    facts = ModelCardData(
        base_model=name,
        license=known.spdx.lower() if known else None,
        library_name="peft",
        pipeline_tag="image-segmentation",
        tags=["medical", "segmentation", *scan_tags, "segment-anything", "lora"],
    )
    return f"---\n{facts.to_yaml()}\n---\n"


def usage(base: Base, checkpoint: str, scan: str = "ct") -> str:
    """The section that says how to segment with it; `checkpoint` is a folder or a name of the catalogue.

    Args:
        scan: name of the file in the example.
    """
    if catalogue.known_base(base.sha256):
        base_at_hand, weights = f"the base model fetched (`samed models fetch {base.name}`)", ""
    else:
        base_at_hand, weights = "the base model's weights in `BASE.pth`", ', base_weights=Path("BASE.pth")'
    return USAGE.format(base_at_hand=base_at_hand, arguments=f'"{checkpoint}"{weights}', scan=scan)


def _values(preprocessing: Preprocessing) -> str:
    if preprocessing.percentiles is None:
        low, high = preprocessing.window_hu
        return f"HU clipped to {low:g}..{high:g}"
    low, high = preprocessing.percentiles
    return f"values clipped to the percentiles {low:g}..{high:g} of those above 0 in the whole scan"


def _comparison(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    comparison = BeforeAfter.from_json(row)
    return COMPARISON.format(summary=comparison.summary(), table=comparison.table(), picture=PICTURE_FILE)


def _licence(base: Base) -> str:
    known = catalogue.known_base(base.sha256)
    stated = f"the base model's, {known.licence}." if known else "not known, as the base model's is not."
    return f"{stated} The scans that it was trained on may bring terms of their own."


def _numbers(facts: dict[str, Any]) -> str:
    """The facts that are numbers, in words; the others are hashes."""
    numbers = {key: value for key, value in facts.items() if isinstance(value, int | float)}
    return ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in numbers.items()) or "not known here"
