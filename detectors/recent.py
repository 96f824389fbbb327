"""How far is a value from where its series was just now?"""

import math
from collections.abc import Sequence
from typing import Final, Self

from river import stats

from detectors.contract import LEVEL_FLOOR, Band, distance

MEMORY: Final = 12.0  # readings


class Recent:
    """Error of the plainest forecast, a mean of the last few values, in root mean squares of that error.

    It sees changes that are quick for the series even where the level swings, as by day and night. Forecast and mean
    square are two of River's `stats.EWMean`. The scale has a floor of 5 % of the forecast.

    It fails on what comes slowly, and it forgets: after a few dozen values at a new level, the new level is what it
    expects.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> recent = Recent()
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0, 11.0):
        ...     recent.learn(value)
        >>> round(recent.score(11.0), 2), round(recent.score(20.0), 2)
        (0.46, 5.62)

    References:
        Laptev, N., Amizadeh, S., Flint, I., 2015. Generic and Scalable Framework for Automated Time-series Anomaly
        Detection. KDD (the scheme of River's `anomaly.PredictiveAnomalyDetection`).
    """

    __slots__ = ("count", "forecast", "square")

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.count = 0.0
        self.forecast = stats.EWMean(1.0 / MEMORY)
        self.square = stats.EWMean(1.0 / MEMORY)

    def score(self, value: float) -> float:
        """Distance in scales; 0 before the second value."""
        return distance(value, self.band()) if self.count > 1.0 else 0.0

    def learn(self, value: float) -> None:
        """Take in the error of the forecast, then the value."""
        if self.count > 0.0:
            error = value - self.forecast.get()
            self.square.update(error * error)
        self.forecast.update(value)
        self.count = min(self.count + 1.0, MEMORY)

    def band(self) -> Band:
        """Forecast and root mean square of its error."""
        forecast = self.forecast.get()
        return Band(forecast, max(math.sqrt(self.square.get()), LEVEL_FLOOR * abs(forecast)))

    def numbers(self) -> list[float]:
        """Count, forecast, mean square."""
        return [self.count, self.forecast.get(), self.square.get()]

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        recent = cls(seed=seed)
        recent.count, forecast, square = numbers
        # An EWMean that has seen one value is that value: its whole state.
        if recent.count > 0.0:
            recent.forecast.update(forecast)
        if recent.count > 1.0:
            recent.square.update(square)
        return recent
