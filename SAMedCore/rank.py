"""Which slices of a scan the model is least sure of, so that a person corrects where it counts."""

from __future__ import annotations

from dataclasses import dataclass

from SAMedCore.errors import InputError
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.slices import from_the_feet
from SAMedCore.image.volume import Volume
from SAMedCore.model.embeddings import Embeddings
from SAMedCore.model.uncertainty import slice_doubt
from SAMedCore.options import RankOptions
from SAMedCore.segment import Segmenter
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True)
class RankedSlice:
    """An axial slice and how unsure the model is of it.

    Attributes:
        number: counted from the feet.
        uncertainty: 0..1, see `slice_doubt`.
    """

    number: int
    uncertainty: float


def rank_slices(
    segmenter: Segmenter,
    volume: Volume,
    options: RankOptions | None = None,
    work: Work = SILENT,
    embeddings: Embeddings | None = None,
) -> list[RankedSlice]:
    """Every axial slice but the annotated ones, the one that the model is least sure of first.

    Args:
        work: told "ranking", in slices, and before that where the checkpoint is for other scans; asked between the network's
            layers.
        embeddings: as in `Segmenter.segment_with_probabilities`.

    Raises:
        InputError: no slice is left, or the model does not work on axial slices.
        Cancelled: the user stopped the work.
    """
    segmenter.info.note_misfit(volume, work)
    annotated = set(options.annotated) if options is not None else set()
    code = segmenter.orientation_for(volume, work, embeddings)
    oriented = turned_view(volume, code)
    count = oriented.voxels.shape[0]
    wanted = [k for k in range(count) if k not in annotated]
    if not wanted:
        raise InputError("every slice is annotated already: there is none to rank.")
    number_of = dict(zip(from_the_feet(wanted, count, code), wanted, strict=True))
    ranked: list[RankedSlice] = []
    for indices, low_res_logits in segmenter.low_res_logits(oriented, list(number_of), work, embeddings=embeddings):
        for index, value in zip(indices, slice_doubt(low_res_logits).tolist(), strict=True):
            ranked.append(RankedSlice(number_of[index], value))
        work.step("ranking", len(ranked), len(wanted))
    return sorted(ranked, key=lambda each: (-each.uncertainty, each.number))
