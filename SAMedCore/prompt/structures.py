"""Several structures of a volume, from a person's prompts on some slices to all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.labels import Label, LabelTable, label_named
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.placement import placed_on
from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.image.segmentation import Prompted
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.placing import ORIENTATION, value_dtype
from SAMedCore.prompt.session import PromptSession, SliceMask, open_session
from SAMedCore.prompt.through import carry_on
from SAMedCore.work import SILENT, Work

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable


def prompt_volume(
    volume: Volume,
    structures: Sequence[StructurePrompts],
    options: PromptOptions | None = None,
    work: Work = SILENT,
    model: Promptable | None = None,
    answer: LabelMap | None = None,
) -> Prompted:
    """Draw each structure on the slices where it was prompted, and carry it on through the volume.

    A checkpoint's answer says where else a structure of the same name is, as far as it is believed (`carry_on`); clicks alone
    correct what it drew on their slice, a box stands for itself. Its other structures stay as they are, below these.

    Args:
        volume: in any orientation.
        structures: each with a name of its own.
        options: None for the defaults.
        work: told of the phase "propagating", and before that as by `open_session`; asked between the network's layers.
        model: a loaded base model in place of the options' `base` and `device`.
        answer: what a checkpoint drew, on the volume's grid or a part of it; None where there is nothing to correct.

    Raises:
        InputError: no structure, or two of one name; the answer's voxels do not coincide with the volume's; a
            prompt that is not on one slice, or shows nothing; as `open_session`.
        Cancelled: the user stopped the work.
    """
    labels = tuple(labels_of([structure.name for structure in structures]))
    voxels = None
    if answer is not None:
        labels = _named_as(labels, answer.labels)
        voxels = turned_view(placed_on(answer, volume.grid), ORIENTATION).voxels
    taken = {label.value for label in labels}
    others = [label for label in (answer.labels if answer else ()) if label.value not in taken]
    table = LabelTable((*labels, *others))
    session = open_session(volume, options, model, work=work)
    painted = Image(np.zeros(volume.grid.shape, value_dtype(max(table.values))), volume.ijk_to_lps)
    slices = turned_view(painted, ORIENTATION).voxels
    if voxels is not None:
        np.copyto(slices, voxels, where=np.isin(voxels, [label.value for label in others]))
    painting = Painting(slices)
    confidence: dict[str, dict[int, float]] = {}
    kept: dict[str, tuple[int, ...]] = {}
    for label, structure in zip(labels, structures, strict=True):
        rough = {} if voxels is None else {k: mask == label.value for k, mask in enumerate(voxels)}
        prompted = _prompted(session, structure, rough, work)
        masks = {k: answered.mask for k, answered in prompted.items()}
        if not any(mask.any() for mask in masks.values()):
            raise InputError(f'nothing is found where "{structure.name}" was prompted: give another box or point.')
        rough = {k: mask for k, mask in rough.items() if k not in masks}
        carried = carry_on(session, masks, limits=structure.limits, work=work, rough=rough)
        for k, answered in prompted.items():
            painting.claim(k, answered.mask, answered.scores, label.value)
        for k, mask in carried.masks.items():
            painting.claim(k, mask, carried.scores[k], label.value)
        qualities = {k: answered.quality for k, answered in prompted.items()}
        confidence[structure.name] = dict(sorted({**carried.confidence, **qualities}.items()))
        kept[structure.name] = tuple(sorted(prompted))
    # A person pointed at it, which DICOM calls semi-automatic.
    return Prompted(LabelMap(painted.voxels, volume.ijk_to_lps, table, person_drew=True), confidence, kept)


def _prompted(
    session: PromptSession, structure: StructurePrompts, rough: Mapping[int, np.ndarray], work: Work
) -> dict[int, SliceMask]:
    """By slice: what the structure's prompts show there, clicks alone on what is rough."""
    prompted: dict[int, SliceMask] = {}
    for prompt in structure.prompts:
        k = session.slice_of(prompt)
        before = prompted[k].mask if k in prompted else None if prompt.box is not None else rough.get(k)
        prompted[k] = session.mask(prompt, before, work)
    return prompted


def _named_as(labels: Sequence[Label], answer: LabelTable) -> tuple[Label, ...]:
    """The labels in their order: as the answer has the name, upper and lower case alike; others with values after its own."""
    known = {label.name.casefold(): label for label in answer}
    highest = max(answer.values, default=0)
    found = []
    for label in labels:
        same = known.get(label.name.strip().casefold())
        highest += same is None
        found.append(replace(label, value=highest) if same is None else replace(same, name=label.name))
    return tuple(found)


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
    return LabelTable(tuple(label_named(value, name) for value, name in enumerate(names, start=1)))
