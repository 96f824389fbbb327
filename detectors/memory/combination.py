"""One score from all views."""

from detectors.memory.compiled import part
from detectors.memory.layout import VOTE, Floats


@part
def power_mean(told: Floats) -> float:
    """(mean p³)^⅓ of the views' p: nearly their maximum, and more if several agree."""
    total = 0.0
    for v in range(len(told)):
        p = float(told[v, VOTE])
        total += p * p * p
    return (total / len(told)) ** (1.0 / 3.0) if total > 0.0 else 0.0


@part
def mean(told: Floats) -> float:
    """The mean of the views' p: ranks rows better where a budget of false alarms is given."""
    total = 0.0
    for v in range(len(told)):
        total += float(told[v, VOTE])
    return total / len(told)
