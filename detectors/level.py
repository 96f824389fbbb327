"""How far is a value from the usual level of its series?"""

import math
from collections.abc import Sequence
from typing import Self

from detectors.contract import RAW_MAXIMUM, Band

MEMORY = 400.0  # readings; measured: 200 to 800 make little difference, shorter ones forget what a burst looks like
FLOOR = 0.05  # of the level: a change far below it matters to nobody, however constant the series was before
REACH = 4.0  # scales; a value further out is learned as if it were here, so that a spike moves little
MISFITS_EARLY, MISFITS = 4, 60  # so many values in a row out of reach are a new normal: start again from it


class Level:
    """Distance from an exponentially weighted mean, in exponentially weighted standard deviations.

    The first `MEMORY` values weigh equally (River's `stats.Mean` and `stats.Var(ddof=0)`), older ones fade afterwards (the recursion of
    River's `stats.EWMean` and `stats.EWVar`, in the form that loses no digits on large values). The scale has a
    floor of 5 % of the level. It fails where the usual level swings by much within its memory: the swing becomes its scale and small
    incidents drown.

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

    __slots__ = ("count", "mean", "misfits", "variance")

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.count = 0.0
        self.mean = 0.0
        self.variance = 0.0
        self.misfits = 0.0

    def scale(self) -> float:
        """One standard deviation, floored."""
        return max(math.sqrt(self.variance), FLOOR * abs(self.mean))

    def score(self, value: float) -> float:
        """Distance in scales, at most RAW_MAXIMUM; 0 before the second value."""
        if self.count < 2:  # noqa: PLR2004 - a spread needs two values
            return 0.0
        distance = abs(value - self.mean)
        scale = self.scale()
        return distance / scale if distance < RAW_MAXIMUM * scale else (RAW_MAXIMUM if distance > 0.0 else 0.0)

    def learn(self, value: float) -> None:
        """Move mean and variance towards the value, or start again when it is the last of many misfits."""
        deviation = value - self.mean
        if self.count >= MISFITS_EARLY:
            reach = REACH * self.scale()
            if abs(deviation) > reach:
                self.misfits += 1.0
                if self.misfits >= min(MISFITS, self.count):
                    self.__init__()  # type: ignore[misc]  # an empty detector again
                    deviation = value
                elif reach > 0.0:
                    deviation = math.copysign(reach, deviation)
            else:
                self.misfits = 0.0
        self.count = min(self.count + 1.0, MEMORY)
        rate = 1.0 / self.count
        self.mean += rate * deviation
        self.variance = (1.0 - rate) * (self.variance + rate * deviation * deviation)

    def band(self) -> Band:
        """Mean and standard deviation."""
        return Band(self.mean, self.scale())

    def numbers(self) -> list[float]:
        """Count, mean, variance, misfits."""
        return [self.count, self.mean, self.variance, self.misfits]

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state."""
        level = cls(seed=seed)
        level.count, level.mean, level.variance, level.misfits = numbers
        return level
