"""The checkpoint folder: a PEFT adapter, and `samed.json` with everything that inference needs to know about it.

    adapter_config.json, adapter_model.safetensors   written and read by Hugging Face PEFT
    samed.json                                       base model and its SHA-256, labels, preprocessing, recipe, origin
    README.md                                        the same for people and for the Hugging Face Hub: `card`

Nothing in it names a file, path or patient. This module imports no torch; `load` builds the network.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.hub import hub_name, is_hub_name
from SAMedCore.errors import BaseNeeded, BaseNotFetched, CheckpointNotFetched, InputError
from SAMedCore.evaluate.before_after import BeforeAfter
from SAMedCore.files.atomic import bring_back, check_writable
from SAMedCore.files.json_values import a_list, an_object, read_json, shown
from SAMedCore.image.intensities import misfit
from SAMedCore.image.labels import LONGEST_NAME, LabelTable
from SAMedCore.image.texts import as_shown, is_readable
from SAMedCore.image.volume import Volume
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.work import Work

FORMAT_VERSION = 2
"""The newest that is read. 1: every checkpoint has a HU window; 2: it may have percentiles in its place."""

INFO_FILE = "samed.json"
CARD_FILE = "README.md"
ADAPTER_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"

MOST_CLASSES = 255
"""What a label map of one byte a voxel can hold; for each the mask decoder has a part of its own, of 140,000 weights."""

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

    Raises:
        InputError: there is no label, or more than a network can tell apart.
    """

    base: Base
    labels: LabelTable
    preprocessing: Preprocessing
    description: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    trained_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.labels) <= MOST_CLASSES:
            raise InputError(f"{len(self.labels)} labels are given: a network can learn 1 to {MOST_CLASSES}.")

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
        """Raises InputError where a value is none that it can have."""
        missing = [key for key in KEYS if key not in row]
        if missing:
            raise InputError(f"it has no {missing[0]}.")
        for key in KEYS:
            _check_plain(row[key], key)
        base, preprocessing = _base(row["base"]), Preprocessing.from_json(row["preprocessing"])
        architecture_of(base.architecture).check_input_size(preprocessing.input_size)
        facts = {key: an_object(row[key], key) for key in ("recipe", "trained_on", "metrics", "versions")}
        _check_metrics(facts["metrics"])
        if not isinstance(row["description"], str):
            raise InputError(f"the description is {shown(row['description'])}: it has to be a text.")
        return cls(base, LabelTable.from_json(a_list(row["labels"], "labels")), preprocessing, row["description"], **facts)


LONGEST_TEXT = 10_000
LARGEST_NUMBER = 2.0**63
DEEPEST = 16
"""No sound checkpoint comes near any of the three."""

KEYS = ("base", "labels", "preprocessing", "description", "recipe", "trained_on", "metrics", "versions")


def _check_plain(value: Any, where: str, depth: int = 0) -> None:
    """Call it on what JSON gave before it is used: what cannot be shown, counted or walked through stops here.

    Raises:
        InputError: a text has characters that a terminal or a report would obey or hide, or is endless; a number is too large;
            the lists and objects lie too deep in each other.
    """
    if depth > DEEPEST:
        raise InputError(f"{where} has lists or objects more than {DEEPEST} deep in each other.")
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or not is_readable(value)):
        raise InputError(f"{where} has a text that is too long or cannot be shown ({as_shown(value)}).")
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        raise InputError(f"{where} has a number that is too large.")
    if isinstance(value, dict):
        _check_plain(list(value), where, depth)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_plain(each, where, depth + 1)


def _base(value: Any) -> Base:
    row = an_object(value, "base", ("name", "architecture", "sha256"))
    name, architecture, sha256 = (row.get(key) for key in ("name", "architecture", "sha256"))
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise InputError(f"the base model's name is {shown(name)}: it has to be a text, not too long.")
    if is_hub_name(name):
        hub_name(name)
    if not isinstance(architecture, str):
        raise InputError(f"the base model's architecture is {shown(architecture)}: it has to be a text.")
    if not isinstance(sha256, str) or re.fullmatch("[0-9a-f]{64}", sha256) is None:
        raise InputError(f"the base model's sha256 is {shown(sha256)}: it has to have 64 hexadecimal digits.")
    return Base(name, architecture, sha256)


def _check_metrics(metrics: dict[str, Any]) -> None:
    """Those that this project shows elsewhere than as plain JSON."""
    dice = metrics.get("validation_dice")
    if dice is not None and (isinstance(dice, bool) or not isinstance(dice, int | float)):
        raise InputError(f"validation_dice is {shown(dice)}: it has to be a number.")
    if metrics.get("before_after") is not None:
        BeforeAfter.from_json(an_object(metrics["before_after"], "before_after"))


def read_info(folder: Path) -> CheckpointInfo:
    """What the checkpoint in `folder` says of itself.

    Raises:
        InputError: it is missing, damaged, or written by a newer version.
    """
    file = folder / INFO_FILE
    if not file.is_file() or not (folder / ADAPTER_FILE).is_file():
        raise InputError(f"{folder}: not a SAMed checkpoint: a folder with {INFO_FILE} and {ADAPTER_FILE} is expected.")
    try:
        row = read_json(file)
        version = row.get("format_version")
        if type(version) is not int or version < 1:
            raise InputError(f"its format_version is {shown(version)}: it has to be a whole number.")
        if version <= FORMAT_VERSION:
            return CheckpointInfo.from_json(row)
    except InputError as error:
        advice = "" if ":" in str(error) else " Fetch or train the checkpoint again."
        raise InputError(f"{file}: damaged: {error}{advice}") from error
    raise InputError(f"{folder}: written by a newer SAMed (format {shown(version)}): update SAMed.")


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
    if folder.is_symlink() and not folder.exists():
        raise InputError(f'"{folder}" is a link that leads nowhere: take it away, or choose another place.')
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
    bring_back(Path(checkpoint))
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
