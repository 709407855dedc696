"""Progress of a job on Slicer's Python console."""

import time

from SAMedLib.jobs.job import JobListener
from SAMedLib.jobs.phases import PHASES, duration

SECONDS_BETWEEN_LINES = 2.0


class ConsoleListener(JobListener):
    """Prints a line when a phase begins and every other second after that.

    Args:
        subject: stands at the beginning of each line, for example the scan's name.
    """

    def __init__(self, subject: str = "SAMed") -> None:
        self._subject = subject
        self._phase = ""
        self._printed = 0.0

    def jobProgressed(self, phase, done, total, secondsLeft) -> None:
        now = time.monotonic()
        if phase == self._phase and done < total and now - self._printed < SECONDS_BETWEEN_LINES:
            return
        self._phase, self._printed = phase, now
        count = f" {done}/{total}" if total > 1 else ""
        left = f", {duration(secondsLeft)} left" if secondsLeft and done < total else ""
        print(f"{self._subject}: {PHASES.get(phase, phase)}{count}{left}")

    def jobNoted(self, message) -> None:
        print(f"{self._subject}: {message}")

    def jobMeasured(self, metrics) -> None:
        if metrics.validation_dice is not None:
            epoch = f"epoch {metrics.epoch}/{metrics.epochs}"
            print(f"{self._subject}: {epoch}, loss {metrics.loss:.3f}, validation Dice {metrics.validation_dice:.3f}")
