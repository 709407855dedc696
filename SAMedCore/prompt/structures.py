"""Several structures of a volume, from a person's prompts on some slices to all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.labels import SYNAPSE_ORGANS, Label, LabelTable, generic_rgb
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.placing import ORIENTATION
from SAMedCore.prompt.session import open_session
from SAMedCore.prompt.through import carry_on
from SAMedCore.work import SILENT, Work

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable


@dataclass(frozen=True, eq=False)
class Prompted:
    """What came of the prompts.

    Attributes:
        labelmap: on the volume's own grid; values 1, 2, ... in the order of the structures.
        confidence: structure -> slice from the feet -> 0 to 1.
        kept: structure -> the slices on which a person prompted it, from the feet.
    """

    labelmap: LabelMap
    confidence: Mapping[str, Mapping[int, float]]
    kept: Mapping[str, tuple[int, ...]]


def prompt_volume(
    volume: Volume,
    structures: Sequence[StructurePrompts],
    options: PromptOptions | None = None,
    work: Work = SILENT,
    model: Promptable | None = None,
) -> Prompted:
    """Draw each structure on the slices where it was prompted, and carry it on through the volume.

    Args:
        volume: in any orientation.
        structures: each with a name of its own.
        options: None for the defaults.
        work: told of the phase "propagating"; asked between the network's layers.
        model: a loaded base model in place of the options' `base` and `device`.

    Raises:
        InputError: no structure, or two of one name; a prompt that is not on one slice; as `open_session`.
        Cancelled: the user stopped the work.
    """
    labels = labels_of([structure.name for structure in structures])
    session = open_session(volume, options, model)
    voxels = np.zeros(volume.grid.shape, np.uint8 if len(labels) < 256 else np.uint16)
    labelmap = LabelMap(voxels, volume.ijk_to_lps, labels, person_drew=False)
    turned = turned_view(labelmap, ORIENTATION).voxels
    confidence, kept_slices = {}, {}
    for label, structure in zip(labels, structures, strict=True):
        kept: dict[int, np.ndarray] = {}
        qualities = {}
        for prompt in structure.prompts:
            answer = session.mask(prompt, kept.get(session.slice_of(prompt)), work)
            kept[answer.slice], qualities[answer.slice] = answer.mask, answer.quality
        carried = carry_on(session, kept, limits=structure.limits, work=work)
        for k, mask in {**carried.masks, **kept}.items():
            turned[k][mask] = label.value
        confidence[structure.name] = {**carried.confidence, **qualities}
        kept_slices[structure.name] = tuple(sorted(kept))
    return Prompted(labelmap, confidence, kept_slices)


def labels_of(names: Sequence[str]) -> LabelTable:
    """Labels 1, 2, ... of these names; those of `SYNAPSE_ORGANS` with its colours and codes.

    Raises:
        InputError: no name, or one of them twice.
    """
    if not names:
        raise InputError("there is no structure: give one with a box or a point.")
    known = {label.name.casefold(): label for label in SYNAPSE_ORGANS}
    rows = []
    for value, name in enumerate(names, start=1):
        organ = known.get(name.strip().casefold())
        rows.append(Label(value, name, generic_rgb(value)) if organ is None else replace(organ, value=value, name=name))
    return LabelTable(tuple(rows))
