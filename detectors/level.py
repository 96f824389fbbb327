"""How far is a value from the usual level of its series?"""

import math
from collections.abc import Sequence
from typing import Final, Self

from detectors.contract import LEVEL_FLOOR, Band, distance

MEMORY: Final = 400.0  # readings


class Level:
    """Distance from the mean of the last some hundred values, in their standard deviations.

    The first `MEMORY` values weigh equally, as in River's `stats.Mean` and `stats.Var(ddof=0)`; from then on old ones
    fade by the recursion of River's `stats.EWMean` and `stats.EWVar` with fading factor 1/MEMORY, in the form that
    loses no digits on large values. The scale has a floor of 5 % of the level.

    It fails where the level swings within its memory, as by day and night: the swing becomes the scale, and small
    incidents drown in it.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> level = Level()
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0, 11.0):
        ...     level.learn(value)
        >>> round(level.score(11.0), 2), round(level.score(20.0), 2)
        (0.52, 9.92)

    References:
        Finch, T., 2009. Incremental calculation of weighted mean and variance. University of Cambridge.
    """

    __slots__ = ("count", "mean", "variance")

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.count = 0.0
        self.mean = 0.0
        self.variance = 0.0

    def score(self, value: float) -> float:
        """Distance in scales; 0 before the second value."""
        return distance(value, self.band()) if self.count > 1.0 else 0.0

    def learn(self, value: float) -> None:
        """Move mean and variance towards the value."""
        self.count = min(self.count + 1.0, MEMORY)
        rate = 1.0 / self.count
        deviation = value - self.mean
        self.mean += rate * deviation
        self.variance = (1.0 - rate) * (self.variance + rate * deviation * deviation)

    def band(self) -> Band:
        """Mean and standard deviation."""
        return Band(self.mean, max(math.sqrt(self.variance), LEVEL_FLOOR * abs(self.mean)))

    def numbers(self) -> list[float]:
        """Count, mean, variance."""
        return [self.count, self.mean, self.variance]

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        level = cls(seed=seed)
        level.count, level.mean, level.variance = numbers
        return level
