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
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.placing import ORIENTATION, value_dtype
from SAMedCore.prompt.session import SliceMask, open_session
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
        work: told of the phase "propagating", and before that as by `open_session`; asked between the network's layers.
        model: a loaded base model in place of the options' `base` and `device`.

    Raises:
        InputError: no structure, or two of one name; a prompt that is not on one slice, or shows nothing; as `open_session`.
        Cancelled: the user stopped the work.
    """
    labels = labels_of([structure.name for structure in structures])
    session = open_session(volume, options, model, work=work)
    painted = Image(np.zeros(volume.grid.shape, value_dtype(len(labels))), volume.ijk_to_lps)
    painting = Painting(turned_view(painted, ORIENTATION).voxels)
    confidence: dict[str, dict[int, float]] = {}
    kept: dict[str, tuple[int, ...]] = {}
    for label, structure in zip(labels, structures, strict=True):
        prompted: dict[int, SliceMask] = {}
        for prompt in structure.prompts:
            k = session.slice_of(prompt)
            before = prompted[k].mask if k in prompted else None
            prompted[k] = session.mask(prompt, before, work)
        masks = {k: answer.mask for k, answer in prompted.items()}
        if not any(mask.any() for mask in masks.values()):
            raise InputError(f'nothing is found where "{structure.name}" was prompted: give another box or point.')
        carried = carry_on(session, masks, limits=structure.limits, work=work)
        for k, answer in prompted.items():
            painting.claim(k, answer.mask, answer.scores, label.value)
        for k, mask in carried.masks.items():
            painting.claim(k, mask, carried.scores[k], label.value)
        qualities = {k: answer.quality for k, answer in prompted.items()}
        confidence[structure.name] = dict(sorted({**carried.confidence, **qualities}.items()))
        kept[structure.name] = tuple(sorted(prompted))
    # A person pointed at it, which DICOM calls semi-automatic.
    return Prompted(LabelMap(painted.voxels, volume.ijk_to_lps, labels, person_drew=True), confidence, kept)


class Painting:
    """Label values on slices, each pixel the value that claimed it with the highest score.

    Args:
        voxels: (k, j, i) in the orientation LPS, all 0; painted in place.
    """

    def __init__(self, voxels: np.ndarray) -> None:
        self._voxels = voxels
        self._highest: dict[int, np.ndarray] = {}

    def claim(self, k: int, mask: np.ndarray, scores: np.ndarray, value: int) -> None:
        """Give the pixels of `mask` (j, i) this value where its scores, of the mask's pixels alone, are the highest so far."""
        highest = self._highest.setdefault(k, np.zeros(mask.shape, np.float16))
        here = np.zeros(mask.shape, np.float32)
        here[mask] = scores
        won = mask & (here > highest)
        self._voxels[k][won] = value
        highest[won] = here[won]


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
