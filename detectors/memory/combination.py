"""One score from all views."""

import math

from detectors.compiled import part
from detectors.memory.layout import VOTE, Floats


@part
def power_mean(told: Floats) -> float:
    """The root mean square of the views' p: near their maximum, and more if several agree."""
    total = 0.0
    for v in range(len(told)):
        p = float(told[v, VOTE])
        total += p * p
    return math.sqrt(total / len(told))


@part
def mean(told: Floats) -> float:
    """The mean of the views' p: ranks rows better where a budget of false alarms is given."""
    total = 0.0
    for v in range(len(told)):
        total += float(told[v, VOTE])
    return total / len(told)
