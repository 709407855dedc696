"""What the values of the scene's volumes are, HU or others, in the words of the lists where a person may say so."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.intensities import intensities_of
from SAMedCore.options import INTENSITIES
from SAMedLib.scene.volumes import VolumeState, modalityOf, readVolume, stateOf

AUTO, CT, OTHER = INTENSITIES

VOLUMES_REMEMBERED = 64


def intensitiesChoices() -> list[tuple[str, str]]:
    """(value, title) of each choice, the automatic one first."""
    return [(AUTO, automatic([])), (CT, _("CT (HU window)")), (OTHER, _("Other (percentiles)"))]


def automatic(volumeNodes: Iterable[slicer.vtkMRMLScalarVolumeNode | None]) -> str:
    """The title of the automatic choice for these volumes; it names what was found, each kind once."""
    found = [found for found in map(kindOf, volumeNodes) if found]
    return _("Automatic ({found})").format(found=", ".join(dict.fromkeys(found))) if found else _("Automatic")


def kindOf(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> str:
    """The volume's modality, or by its values CT or other; "" where it cannot be read.

    Costs a hundredth of a second on a large volume, and nothing more as long as that does not change.
    """
    try:
        readVolume(volumeNode)
    except InputError:
        return ""
    return _kindOf(stateOf(volumeNode), modalityOf(volumeNode))


@lru_cache(maxsize=VOLUMES_REMEMBERED)
def _kindOf(state: VolumeState, modality: str | None) -> str:
    isCT = intensities_of(readVolume(slicer.mrmlScene.GetNodeByID(state.nodeID))) == CT
    return modality or ("CT" if isCT else _("other"))
