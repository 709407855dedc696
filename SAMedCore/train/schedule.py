"""The learning rate of SAMed: a linear warm-up, then a polynomial decay."""

from __future__ import annotations


def learning_rate(step: int, base: float, warmup: int, max_steps: int, power: float) -> float:
    """The rate in force at `step`, counted from 0 (SAMed, section 4.1).

    The paper's code sets the rate after each step from the number of the step just done, so step 1 still runs at
    step 0's rate of ``base / warmup``, and each rate comes one step later than the formula reads:
    ``base * s / warmup`` up to s = warmup, then ``base * (1 - (s - 1 - warmup) / max_steps) ** power``.

    Args:
        base: the highest rate.
        warmup: steps of warm-up; 0 begins at `base`.
        max_steps: planned epochs times batches an epoch; the paper stops before it.
        power: exponent of the decay, 0.9 (7 for SAMed_h).
    """
    steps_done = max(step, 1)
    if steps_done <= warmup:
        return base * steps_done / warmup
    decayed = max(0, step - 1 - warmup) / max_steps
    return base * max(0.0, 1.0 - decayed) ** power
