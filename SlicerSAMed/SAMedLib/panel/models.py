"""The models that the panel offers, and what it says of them. Reads files alone: no torch, no worker."""

import json
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.folder import CheckpointInfo, find_folder, read_info
from SAMedCore.errors import SAMedError
from SAMedCore.image.labels import LabelTable
from SAMedCore.model.preprocessing import Preprocessing
from SAMedLib.setup.locations import baseModels, cacheFolder

OWN_CHECKPOINTS = "SAMed/Checkpoints"
"""The user setting that keeps the folders of checkpoints that were chosen or trained here, newest first."""

MOST_OWN_CHECKPOINTS = 20
ORIGINAL_ENDING = ".pth"


@dataclass(frozen=True)
class Description:
    """A model in words.

    Attributes:
        text: one or more lines for the person.
        labels: its structures; None where the file does not say them or cannot be read.
        isUsable: whether it can segment as it is; an original .pth is imported first.
        base: name of its base model; None where it cannot be read.
    """

    text: str
    labels: LabelTable | None = None
    isUsable: bool = False
    base: str | None = None


def choices() -> list[tuple[str, str]]:
    """(key, title) of each model to offer: shipped ones by name, the user's own by folder, the Hub's that were fetched."""
    shipped = [(known.name, known.name) for known in catalogue.CHECKPOINTS if known.folder is not None]
    fromHub = [(known.name, known.name) for known in catalogue.fetched_checkpoints()] if cacheFolder() is not None else []
    return shipped + [(folder, Path(folder).name) for folder in ownCheckpoints()] + fromHub


def baseChoices() -> list[tuple[str, str]]:
    """(key, title) of each base model: the catalogue's, then others that were fetched from the Hub, by their names there.

    The title is the description up to the first comma, which fits into the panel.
    """
    ofCatalogue = {base.name for base in catalogue.BASE_MODELS}
    return [(base.name, base.description.partition(",")[0] if base.name in ofCatalogue else base.name) for base in baseModels()]


def ownCheckpoints() -> list[str]:
    """Folders of checkpoints that are still there."""
    kept = slicer.app.userSettings().value(OWN_CHECKPOINTS)
    return [folder for folder in json.loads(kept or "[]") if Path(folder).exists()]


def remember(checkpoint: str) -> None:
    """Offer this folder, or original .pth, from now on."""
    if catalogue.find_checkpoint(checkpoint) is None:
        known = [checkpoint, *(folder for folder in ownCheckpoints() if folder != checkpoint)]
        slicer.app.userSettings().setValue(OWN_CHECKPOINTS, json.dumps(known[:MOST_OWN_CHECKPOINTS]))


def isOriginal(model: str) -> bool:
    """Whether it is a file of SAMed's authors, which is imported before it is used."""
    return model.lower().endswith(ORIGINAL_ENDING)


def describe(model: str) -> Description:
    """What a checkpoint is, what it finds and what it was trained on; or why it cannot be used."""
    if not model:
        return Description(_("Choose a model."))
    if isOriginal(model):
        text = _(
            "A file of SAMed's authors: it is turned into a checkpoint beside it first. Name the base model it was made on."
        )
        return Description(text, isUsable=Path(model).is_file())
    try:
        info = read_info(find_folder(model))
    except SAMedError as error:
        return Description(str(error))
    return Description(_inWords(info), info.labels, isUsable=True, base=info.base.name)


def importedFolder(original: str) -> str:
    """Where an original .pth is imported to: a folder beside it."""
    return str(Path(original).with_suffix("")) + "-checkpoint"


def _inWords(info: CheckpointInfo) -> str:
    lines = [info.description or _("A checkpoint without a description.")]
    lines.append(_("Structures: {names}").format(names=", ".join(info.labels.names)))
    lines.append(_expected(info.preprocessing))
    scans, slices = info.trained_on.get("scans"), info.trained_on.get("slices")
    if slices:
        lines.append(_("Trained on {slices} slices, scans: {scans}.").format(slices=slices, scans=scans))
    dice = info.metrics.get("validation_dice")
    if dice is not None:
        lines.append(_("Validation Dice: {dice:.3f}.").format(dice=dice))
    lines.append(_("Base model: {name}.").format(name=info.base.name))
    return "\n".join(lines)


def _expected(preprocessing: Preprocessing) -> str:
    if preprocessing.intensities == "ct":
        low, high = preprocessing.window_hu
        return _("Expects a CT: HU from {low:g} to {high:g}.").format(low=low, high=high)
    return _("Expects an MR, or another scan that is no CT: its values are scaled by percentiles.")
