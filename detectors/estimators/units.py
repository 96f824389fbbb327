"""What stands between a series in its own unit and an estimator that expects small numbers around zero."""

import math
from collections.abc import Sequence
from typing import Final, Self

from detectors.contract import Band, distance
from detectors.guard import REACH
from detectors.level import Level

LIMIT: Final = 10.0  # standard units; what is further out is fed as if it were here
EARLY: Final = 20.0  # scores; before so many nothing is usual yet


class Units:
    """A series in standard deviations from its level, within ±10, and back.

    Example:
        >>> units = Units()
        >>> for value in (10.0, 12.0, 8.0, 10.0):
        ...     units.learn(value)
        >>> round(units.of(12.0), 3), round(units.value(units.of(12.0)), 3)
        (1.414, 12.0)
    """

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = Level()

    def of(self, value: float) -> float:
        """A value in standard units; 0 where the series has no width."""
        band = self.level.band()
        away = value - band.centre
        if abs(away) >= LIMIT * band.scale:
            return math.copysign(LIMIT, away) if band.scale > 0.0 else 0.0
        return away / band.scale

    def value(self, standard: float) -> float:
        """A number of standard units as a value."""
        band = self.level.band()
        return band.centre + standard * band.scale

    def learn(self, value: float) -> None:
        """Take the value in."""
        self.level.learn(value)

    def is_flat(self) -> bool:
        """Whether all values were equal so far: distance from them is all that can be said then."""
        return self.level.variance == 0.0

    def band(self) -> Band:
        """Level and its scale."""
        return self.level.band()


class Surprise:
    """How unusual an estimator's score is among its own past scores, in their standard deviations; either way counts.

    An estimator without a unit, such as a number of trees or a distance from a plane, becomes one with scales.

    Example:
        >>> surprise = Surprise()
        >>> for score in [0.3, 0.4, 0.5] * 10:
        ...     surprise.learn(score)
        >>> round(surprise.of(0.4), 3), round(surprise.of(0.8), 1)
        (0.0, 4.9)
    """

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = Level()

    def of(self, score: float) -> float:
        """Distance in scales, at most RAW_MAXIMUM; 0 for the first scores."""
        return distance(score, self._band()) if self.level.count > EARLY else 0.0

    def learn(self, score: float) -> None:
        """Take the score in; one that is far off is drawn in, so that it does not become the scale."""
        band = self._band()
        reach = REACH * band.scale
        if self.level.count > EARLY and reach > 0.0:
            score = min(max(score, band.centre - reach), band.centre + reach)
        self.level.learn(score)

    def _band(self) -> Band:
        # Without the floor of a value's scale: nobody knows what 5 % of a score mean.
        return Band(self.level.mean, math.sqrt(self.level.variance))

    def numbers(self) -> list[float]:
        """The state."""
        return self.level.numbers()

    @classmethod
    def restore(cls, numbers: Sequence[float]) -> Self:
        """A surprise with this state."""
        surprise = cls()
        surprise.level = Level.restore(numbers)
        return surprise
