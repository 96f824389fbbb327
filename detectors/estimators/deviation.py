"""How far is a value from the mean of all values so far?"""

from collections.abc import Sequence
from typing import Any, Final, Self

from river import anomaly

from detectors.contract import LEVEL_FLOOR, Band, distance

EARLY: Final = 2  # readings
FED_MAXIMUM: Final = 1e100  # first values; the square of a larger one is no number


class StandardAbsoluteDeviation:
    """River's `anomaly.StandardAbsoluteDeviation`: distance from the mean in standard deviations, nothing forgotten.

    Values are fed in units of the first one that is not zero, because River adds a fixed small number to the standard
    deviation. The scale has a floor of 5 % of the level. 1.5 µs a sample (score and learn, one core of the build
    machine).

    It fails where the level moves: the way becomes its width.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> deviation = StandardAbsoluteDeviation()
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0) * 5:
        ...     deviation.learn(value)
        >>> round(deviation.score(11.0), 2), round(deviation.score(20.0), 2)
        (0.58, 9.22)

    References:
        Hochenbaum, J., Vallis, O. S., Kejariwal, A., 2017. Automatic Anomaly Detection in the Cloud Via Statistical
        Learning. arXiv:1704.07706.
    """

    __slots__ = ("model", "unit")

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.unit = 0.0
        self.model: Any = anomaly.StandardAbsoluteDeviation()

    def score(self, value: float) -> float:
        """Standard deviations, at most RAW_MAXIMUM; 0 before the second value."""
        variance = self.model.variance
        if variance.n < EARLY:
            return 0.0
        floored = distance(value, self.band())
        return min(float(self.model.score_one(None, self._fed(value))), floored)

    def learn(self, value: float) -> None:
        """Take the value in."""
        self.unit = self.unit or abs(value)
        self.model.learn_one(None, self._fed(value))

    def _fed(self, value: float) -> float:
        return min(max(value / self.unit, -FED_MAXIMUM), FED_MAXIMUM) if self.unit > 0.0 else value

    def band(self) -> Band:
        """Mean and standard deviation."""
        mean, deviation = self.model.sub_stat.get(), self.model.variance.get() ** 0.5
        unit = self.unit or 1.0
        return Band(mean * unit, max(deviation, LEVEL_FLOOR * abs(mean)) * unit)

    def numbers(self) -> list[float]:
        """Unit, count, mean, sum of squares."""
        variance = self.model.variance
        return [self.unit, float(variance.n), float(variance.mean.get()), float(variance._S)]  # noqa: SLF001 exact state

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        detector.unit, count, mean, squares = numbers
        variance = detector.model.variance
        for one in (variance.mean, detector.model.sub_stat):
            one.n, one._mean = count, mean  # noqa: SLF001 the only way to an exact state
        variance._S = squares  # noqa: SLF001 likewise
        return detector
