"""Slices encoded for prompting while nobody asks for anything, so that the first box finds its slice ready."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

from SAMedCore.errors import BaseNotFetched, Cancelled, InputError
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS
from SAMedCore.prompt.session import PromptSession
from SAMedCore.service.failures import is_out_of_memory
from SAMedCore.service.job import Job
from SAMedCore.service.messages import EncodeAhead, Prompt
from SAMedCore.service.models import Models
from SAMedCore.service.volumes import Volumes
from SAMedCore.work import Work

BYTES_OF_A_NUMBER = 2
"""A session keeps float16."""


def encode_one(job: Job, first_waiting: Callable[[], Job | None], models: Models, volumes: Volumes) -> bool:
    """Encode the slice nearest to the one that is shown of those that are not encoded yet; load the base model before.

    It is given up, between two of the network's layers, as soon as a request waits or the job is cancelled; not for a `Prompt`
    on the very slice. What goes wrong is written to the log, but for a base model that is not here: the first prompt says so.

    Args:
        job: with an `EncodeAhead`.
        first_waiting: the request that is to be answered next, or None.

    Returns:
        whether it is to be called again: not where all slices are encoded, or as many as are kept.
    """
    assert isinstance(job.request, EncodeAhead)
    guard = _Guard(job, job.request, first_waiting)
    try:
        return _encode_one(job.request, guard, models, volumes)
    except Cancelled:
        return not job.is_cancelled
    except BaseNotFetched:
        return False
    except Exception as error:
        traceback.print_exception(error)
        if is_out_of_memory(error):
            models.release()
        return False


def _encode_one(request: EncodeAhead, guard: _Guard, models: Models, volumes: Volumes) -> bool:
    work = Work(is_cancelled=guard.is_to_stop)
    session = models.session(request.volume, volumes.named(request.volume), request.options, work)
    sam = session.model.sam
    room = models.prompt_embeddings.room_for(BYTES_OF_A_NUMBER * EMBEDDING_CHANNELS * sam.embedding_size**2, sam.device)
    nearest = outwards(request.slice, session.count)
    # Asking whether a slice is encoded keeps it from making room for a farther one.
    missing = next(((rank, k) for rank, k in enumerate(nearest) if not session.is_encoded(k)), None)
    if missing is None or missing[0] >= room:
        return False
    guard.session, guard.slice = session, missing[1]
    session.encode(missing[1], work)
    return True


def outwards(start: int, count: int) -> Iterator[int]:
    """The slices 0 to count - 1, beginning with `start`, then those above and below it in turn."""
    yield start
    for distance in range(1, count):
        yield from (k for k in (start + distance, start - distance) if 0 <= k < count)


class _Guard:
    """Says whether the encoding of a slice is to be given up.

    Attributes:
        session, slice: what is encoded, once that is known.
    """

    def __init__(self, job: Job, request: EncodeAhead, first_waiting: Callable[[], Job | None]) -> None:
        self.session: PromptSession | None = None
        self.slice: int | None = None
        self._job = job
        self._request = request
        self._first_waiting = first_waiting
        self._served: Job | None = None

    def is_to_stop(self) -> bool:
        if self._job.is_cancelled:
            return True
        waiting = self._first_waiting()
        if waiting is None or waiting is self._served:
            return False
        if not self._serves(waiting):
            return True
        self._served = waiting
        return False

    def _serves(self, waiting: Job) -> bool:
        """Whether this is what the request needs."""
        asked = waiting.request
        if not isinstance(asked, Prompt) or self.session is None:
            return False
        try:
            k = self.session.slice_of(asked.prompt)
        except InputError:
            return False
        return (asked.volume, asked.options, k) == (self._request.volume, self._request.options, self.slice)
