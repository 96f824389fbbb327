"""From the scores of its series to the score of a host."""

import heapq
import math
from collections.abc import Sequence
from typing import Final

TOP: Final = 3
INTERVAL_LEAST, INTERVAL_MOST = 0.1, 300.0  # seconds between rows that the correction believes


def combine(scores: Sequence[float]) -> float:
    """The power mean (exponent 1/2) of the three highest scores, less half of log10(series / 3).

    One series that shouts alone stays below the shipped threshold; a host with one series has that series' score.
    With more series high scores are likelier: by log10(series / 3) if they were independent (Rüger), by half of it as
    they go.

    Example:
        >>> [round(combine(scores), 1) for scores in ([10.0, 0.5, 0.5, 0.3], [6.0, 5.0, 4.0, 0.3], [4.0])]
        [2.3, 4.9, 4.0]

    References:
        Rüger, B., 1978. Das maximale Signifikanzniveau des Tests: Lehne H0 ab, wenn k unter n gegebenen Tests zur
        Ablehnung führen. Metrika 25.
    """
    if not scores:
        return 0.0
    highest = heapq.nlargest(TOP, scores)
    mean = sum(map(math.sqrt, highest)) / len(highest)
    return max(mean * mean - 0.5 * math.log10(max(len(scores) / TOP, 1.0)), 0.0)


def per_minute(score: float, interval_seconds: float) -> float:
    """A score a row as a score a minute: the more often one looks, the oftener chance has its day.

    Example:
        >>> [round(per_minute(4.0, seconds), 2) for seconds in (0.5, 60.0, 300.0)]
        [1.92, 4.0, 4.7]
    """
    interval = min(max(interval_seconds, INTERVAL_LEAST), INTERVAL_MOST)
    return max(score + math.log10(interval / 60.0), 0.0)
