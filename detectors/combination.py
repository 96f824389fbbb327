"""From the scores of its series to the score of a host."""

import heapq
import math
from collections.abc import Sequence
from typing import Final

TOP: Final = 3


def combine(scores: Sequence[float]) -> float:
    """The power mean (exponent 1/2) of the three highest scores, less log10(series / 3): with more series, high scores are likelier.

    One series that shouts alone stays below the shipped threshold; a host with one series has that series' score.

    Example:
        >>> [round(combine(scores), 1) for scores in ([10.0, 0.5, 0.5, 0.3], [6.0, 5.0, 4.0, 0.3], [4.0])]
        [2.2, 4.8, 4.0]

    References:
        Rüger, B., 1978. Das maximale Signifikanzniveau des Tests: Lehne H0 ab, wenn k unter n gegebenen Tests zur Ablehnung
        führen. Metrika 25.
    """
    if not scores:
        return 0.0
    highest = heapq.nlargest(TOP, scores)
    mean = sum(map(math.sqrt, highest)) / len(highest)
    return max(mean * mean - math.log10(max(len(scores) / TOP, 1.0)), 0.0)
