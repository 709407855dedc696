"""Slices encoded for prompting while nobody asks for anything, so that the first box finds its slice ready."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from SAMedCore.errors import BaseNotFetched, Cancelled, is_out_of_memory
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS
from SAMedCore.service.job import Job
from SAMedCore.service.messages import EncodeAhead
from SAMedCore.service.models import Models
from SAMedCore.service.prompting import Others
from SAMedCore.service.volumes import Volumes
from SAMedCore.work import Work

BYTES_OF_A_NUMBER = 2
"""A session keeps float16."""


def encode_one(job: Job, models: Models, volumes: Volumes) -> bool:
    """Encode the slice nearest to the one that is shown of those that are not encoded yet; load the base model before.

    It is given up, between two of the network's layers, as soon as the job is cancelled or a request waits, but for a `Prompt`
    on the very slice. What goes wrong is written to the log, but for a base model that is not here: the first prompt says so.

    Args:
        job: with an `EncodeAhead`.

    Returns:
        whether it is to be called again: not where all slices are encoded, or as many as are kept.
    """
    assert isinstance(job.request, EncodeAhead)
    try:
        return _encode_one(job, job.request, models, volumes)
    except Cancelled:
        return not job.is_cancelled
    except BaseNotFetched:
        return False
    except Exception as error:
        traceback.print_exception(error)
        if is_out_of_memory(error):
            models.release()
        return False


def _encode_one(job: Job, request: EncodeAhead, models: Models, volumes: Volumes) -> bool:
    loading = Work(is_cancelled=lambda: job.is_cancelled or job.first_waiting() is not None)
    session = models.session(request.volume, volumes.named(request.volume), request.options, loading)
    sam = session.model.sam
    room = models.prompt_embeddings.room_for(BYTES_OF_A_NUMBER * EMBEDDING_CHANNELS * sam.embedding_size**2, sam.device)
    nearest = outwards(request.slice, session.count)
    # Asking whether a slice is encoded keeps it from making room for a farther one.
    rank, k = next(((rank, k) for rank, k in enumerate(nearest) if not session.is_encoded(k)), (room, None))
    if k is None or rank >= room:
        return False
    others = Others(job, request, session, k)
    session.encode(k, Work(is_cancelled=lambda: job.is_cancelled or others.wait()))
    return True


def outwards(start: int, count: int) -> Iterator[int]:
    """The slices 0 to count - 1, beginning with `start`, then those above and below it in turn."""
    yield start
    for distance in range(1, count):
        yield from (k for k in (start + distance, start - distance) if 0 <= k < count)
