"""The checkpoint folder: a PEFT adapter, and `samed.json` with everything that inference needs to know about it.

    adapter_config.json, adapter_model.safetensors   written and read by Hugging Face PEFT
    samed.json                                       base model and its SHA-256, labels, preprocessing, recipe, origin
    README.md                                        the same for people and for the Hugging Face Hub: `card`

Nothing in it names a file, path or patient. This module imports no torch; `load` builds the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.adapter import ADAPTER_FILE, CONFIG_FILE
from SAMedCore.checkpoint.hub import is_hub_name
from SAMedCore.errors import BaseNeeded, BaseNotFetched, CheckpointNotFetched, InputError
from SAMedCore.files.atomic import check_writable
from SAMedCore.image.intensities import misfit
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.work import Work

FORMAT_VERSION = 2
"""The newest that is read. 1: every checkpoint has a HU window; 2: it may have percentiles in its place."""

INFO_FILE = "samed.json"
CARD_FILE = "README.md"

CHECKPOINT_TAKES = {
    "ct": "the checkpoint was made for CT and reads values as HU",
    "other": "the checkpoint scales values by percentiles, as one made for other scans than CT",
}
"""What a checkpoint does with a scan, in words."""


@dataclass(frozen=True)
class Base:
    """The pretrained model under the LoRA: name, architecture (a row of `model.architectures`), SHA-256 of its weights file."""

    name: str
    architecture: str
    sha256: str


@dataclass(frozen=True)
class CheckpointInfo:
    """What `samed.json` says.

    Attributes:
        base: the pretrained model.
        labels: the classes; the network's class n is the n-th label of the table.
        preprocessing: window, sizes, orientation.
        description: one line for people.
        recipe: how it was trained; plain JSON.
        trained_on: counts and hashes of the training data; no file names, paths or UIDs.
        metrics: results, for example the validation Dice; plain JSON.
        versions: of the packages that wrote it.
    """

    base: Base
    labels: LabelTable
    preprocessing: Preprocessing
    description: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    trained_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def format_version(self) -> int:
        """The oldest that says all of it, so that older versions of SAMed read what they understand."""
        return 1 if self.preprocessing.intensities == "ct" else 2

    def note_misfit(self, volume: Volume, work: Work) -> None:
        """Tell the person where the checkpoint takes a volume's values for what they are not; call it before long work."""
        taken_as = self.preprocessing.intensities
        reason = misfit(volume, taken_as)
        if reason is not None:
            work.note(
                f"this scan {reason}, but {CHECKPOINT_TAKES[taken_as]}: take another checkpoint unless it knows such scans."
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": self.format_version,
            "base": vars(self.base),
            "labels": self.labels.to_json(),
            "preprocessing": self.preprocessing.to_json(),
            "description": self.description,
            "recipe": self.recipe,
            "trained_on": self.trained_on,
            "metrics": self.metrics,
            "versions": self.versions,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> CheckpointInfo:
        return cls(
            base=Base(**row["base"]),
            labels=LabelTable.from_json(row["labels"]),
            preprocessing=Preprocessing.from_json(row["preprocessing"]),
            **{key: row[key] for key in ("description", "recipe", "trained_on", "metrics", "versions")},
        )


def read_info(folder: Path) -> CheckpointInfo:
    """What the checkpoint in `folder` says of itself.

    Raises:
        InputError: it is missing, damaged, or written by a newer version.
    """
    file = folder / INFO_FILE
    if not file.is_file() or not (folder / ADAPTER_FILE).is_file():
        raise InputError(f"{folder}: not a SAMed checkpoint: a folder with {INFO_FILE} and {ADAPTER_FILE} is expected.")
    try:
        row = json.loads(file.read_text(encoding="utf-8"))
        if row["format_version"] <= FORMAT_VERSION:
            return CheckpointInfo.from_json(row)
    except (InputError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged ({error!r}): fetch or train the checkpoint again.") from error
    raise InputError(f"{folder}: written by a newer SAMed (format {row['format_version']}): update SAMed.")


def check_checkpoint(checkpoint: str | Path, weights: str | Path | None = None) -> CheckpointInfo:
    """Call it before long work, and before torch is loaded: what the checkpoint says of itself.

    Args:
        checkpoint, weights: as in `find_folder` and `find_weights`.

    Raises:
        InputError: it is missing or damaged, or its base model's weights are not here.
    """
    info = read_info(find_folder(checkpoint))
    find_weights(info.base, weights)
    return info


def check_output(folder: Path) -> None:
    """Call it before long work: raises InputError where no checkpoint could be written at `folder`."""
    if folder.exists() and not (folder / INFO_FILE).is_file():
        raise InputError(f"{folder}: is there already and is no checkpoint: choose another place.")
    check_writable(folder.absolute().parent / INFO_FILE)


def write_info(folder: Path, info: CheckpointInfo) -> None:
    """Write `samed.json` into a checkpoint's folder."""
    (folder / INFO_FILE).write_text(json.dumps(info.to_json(), indent=1) + "\n", encoding="utf-8")


def find_folder(checkpoint: str | Path) -> Path:
    """The folder of a checkpoint given by path, by its name in the catalogue, or as "hf:owner/name" once it was fetched.

    Raises:
        InputError: there is none.
        CheckpointNotFetched: it is a name of the Hub, and nothing was fetched under it.
    """
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    if Path(checkpoint).name == ADAPTER_FILE and Path(checkpoint).is_file():
        return Path(checkpoint).parent
    known = catalogue.find_checkpoint(str(checkpoint))
    if known is None and is_hub_name(checkpoint):
        raise CheckpointNotFetched(str(checkpoint))
    if known is None:
        raise InputError(f"{checkpoint}: no such checkpoint: give its folder or a name of the catalogue.")
    if known.folder is None:
        raise InputError(f"{checkpoint}: get the file from {known.address}, then import it.")
    return known.folder


def find_weights(base: Base, weights: str | Path | None = None) -> Path:
    """The base model's weights file: `weights`, or for a base of the catalogue or the Hub the one in the cache folder.

    Raises:
        InputError: it is not there, or the catalogue has no such base.
        BaseNotFetched: it has, or the Hub, and it is not there.
    """
    if weights is not None:
        catalogue.check_weights_file(Path(weights))
        return Path(weights)
    known = catalogue.known_base(base.sha256)
    if known is not None:
        return catalogue.base_weights(known)
    if is_hub_name(base.name):
        raise BaseNotFetched(base.name)
    raise BaseNeeded(
        f'the checkpoint was made on the base model "{base.name}" (SHA-256 {base.sha256[:12]}...), which is none of the '
        f"catalogue's: name the weights file that it was made on."
    )
