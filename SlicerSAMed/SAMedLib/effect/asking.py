"""Questions to the worker, one at a time: the newest prompt takes the place of what waits, hints come after prompts."""

from __future__ import annotations

from collections.abc import Callable

from SAMedCore.errors import Cancelled, SAMedError
from SAMedLib.jobs.job import Job, JobListener

Question = tuple[Callable[[], Job], Callable[[object], None]]
"""Makes the job when its turn has come, and gets its outcome."""


class Asking(JobListener):
    """Runs prompts and hints, never two at once: a volume is copied for the worker by the first of them, and by no other.

    Args:
        onWaiting: called when the worker is busy with something else.
        onFailed: called with the error of a prompt; hints fail silently.
        onNoted: called with what the person should know, be it said to a prompt or to a hint.
    """

    def __init__(
        self, onWaiting: Callable[[], None], onFailed: Callable[[SAMedError], None], onNoted: Callable[[str], None]
    ) -> None:
        self._onWaiting = onWaiting
        self._onFailed = onFailed
        self._onNoted = onNoted
        self._job: Job | None = None
        self._isHint = False
        self._onOutcome: Callable[[object], None] | None = None
        self._prompt: Question | None = None
        self._hint: Question | None = None

    @property
    def isBusy(self) -> bool:
        """Whether a prompt is to be answered."""
        return self._prompt is not None or (self._job is not None and not self._isHint)

    def ask(self, make: Callable[[], Job], onOutcome: Callable[[object], None]) -> None:
        """Put a prompt to the worker as soon as it can be, unless a newer one comes before that."""
        self._prompt = make, onOutcome
        self._next()

    def hint(self, make: Callable[[], Job]) -> None:
        """Put something to the worker that nobody waits for."""
        self._hint = make, lambda outcome: None
        self._next()

    def forget(self) -> None:
        """Nobody wants to know any more; what runs is told to stop."""
        self._prompt = self._hint = None
        self._onOutcome = None
        if self._job is not None:
            self._job.cancel()

    def jobProgressed(self, phase: str, done: int, total: int, secondsLeft: float | None) -> None:
        if phase == "waiting" and not self._isHint:
            self._onWaiting()

    def jobNoted(self, message: str) -> None:
        self._onNoted(message)

    def jobSucceeded(self, outcome) -> None:
        onOutcome = self._rest()
        if onOutcome is not None:
            onOutcome(outcome)
        self._next()

    def jobFailed(self, error: SAMedError) -> None:
        isHint, isWanted = self._isHint, self._rest() is not None
        if isWanted and not isHint and not isinstance(error, Cancelled):
            self._onFailed(error)
        self._next()

    def _rest(self) -> Callable[[object], None] | None:
        onOutcome, self._job, self._onOutcome = self._onOutcome, None, None
        return onOutcome

    def _next(self) -> None:
        if self._job is not None:
            return
        self._isHint = self._prompt is None
        question = self._hint if self._isHint else self._prompt
        if question is None:
            return
        if self._isHint:
            self._hint = None
        else:
            self._prompt = None
        make, self._onOutcome = question
        try:
            job = self._job = make()
            job.listener = self
            job.start()
        except SAMedError as error:
            self.jobFailed(error)
            return
        if self._job is job and job.finished:
            self.jobFailed(job.error)  # a hint that could not even be started does not say so
